//! Reads, lists, updates, deletes and the quota of configurations.

use std::time::Duration;

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest,
    GetIngestConfigurationRequest, GetQuotaRequest, IngestConfiguration, IngestConfigurationState,
    IngestConfigurationView, ListIngestConfigurationsRequest, UpdateIngestConfigurationRequest,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use prost::Message;
use prost_types::FieldMask;
use tokio::{task::JoinSet, time::timeout};
use tonic::Code;

use crate::support::{Caller, Rejection, TIMEOUT, World, create, stage_of};

impl Caller {
    pub(crate) async fn get(
        &self,
        arn: &str,
        view: IngestConfigurationView,
    ) -> Result<IngestConfiguration, Rejection> {
        let message = GetIngestConfigurationRequest { arn: arn.into(), view: view.into() };
        let response = self.client.clone().get_ingest_configuration(self.request(message)).await;
        let response = response.map_err(|status| self.rejection(&status))?;
        Ok(response.into_inner().ingest_configuration.unwrap())
    }

    pub(crate) async fn list(
        &self,
        message: ListIngestConfigurationsRequest,
    ) -> Result<(Vec<IngestConfiguration>, String), Rejection> {
        let response = self.client.clone().list_ingest_configurations(self.request(message)).await;
        let response = response.map_err(|status| self.rejection(&status))?.into_inner();
        Ok((response.ingest_configurations, response.next_page_token))
    }

    async fn arns(&self) -> Vec<String> {
        let (listed, _) = self.list(ListIngestConfigurationsRequest::default()).await.unwrap();
        listed.into_iter().map(|one| one.arn).collect()
    }

    pub(crate) async fn update(
        &self,
        message: UpdateIngestConfigurationRequest,
    ) -> Result<IngestConfiguration, Rejection> {
        let response = self.client.clone().update_ingest_configuration(self.request(message)).await;
        let response = response.map_err(|status| self.rejection(&status))?;
        Ok(response.into_inner().ingest_configuration.unwrap())
    }

    pub(crate) async fn delete(&self, arn: &str, force: bool) -> Result<(), Rejection> {
        let message = DeleteIngestConfigurationRequest { arn: arn.into(), force };
        let response = self.client.clone().delete_ingest_configuration(self.request(message)).await;
        response.map(drop).map_err(|status| self.rejection(&status))
    }

    pub(crate) async fn used(&self) -> i32 {
        let response = self.client.clone().get_quota(self.request(GetQuotaRequest {})).await;
        response.unwrap().into_inner().ingest_configurations.unwrap().used
    }

    /// Deletes the configuration, and retries as long as the outcome is unknown.
    pub(crate) async fn deleted(&self, arn: &str) {
        let deletes = async {
            while let Err(rejection) = self.delete(arn, false).await {
                assert_eq!(rejection.reason(), "OUTCOME_UNKNOWN");
            }
        };
        timeout(TIMEOUT, deletes).await.unwrap();
    }

    async fn live(&self) -> IngestConfiguration {
        self.create_one().await.unwrap().ingest_configuration.unwrap()
    }
}

pub(crate) fn to_stage(arn: &str, stage_arn: &str) -> UpdateIngestConfigurationRequest {
    UpdateIngestConfigurationRequest {
        arn: arn.into(),
        stage_arn: stage_arn.into(),
        update_mask: Some(FieldMask { paths: vec!["stage_arn".into()] }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_full_view_has_the_created_configuration_and_a_basic_view_has_no_keys() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let mut message = create("acme");
    message.name = "studio".into();
    message.user_id = "user".into();
    message.attributes = [("a".to_owned(), "b".to_owned())].into();
    message.tags = [("show".to_owned(), "morning".to_owned())].into();
    let created = acme.create(message).await.unwrap().ingest_configuration.unwrap();
    let calls = world.emulator.calls(Operation::GetIngestConfiguration);

    let mut basic = acme.get(&created.arn, IngestConfigurationView::Basic).await.unwrap();
    assert_eq!(world.emulator.calls(Operation::GetIngestConfiguration), calls);
    let mut full = acme.get(&created.arn, IngestConfigurationView::Unspecified).await.unwrap();
    assert_eq!(world.emulator.calls(Operation::GetIngestConfiguration), calls + 1);

    for response in [&mut basic, &mut full] {
        assert_eq!(response.create_time, created.create_time);
        response.state_observe_time.clone_from(&created.state_observe_time);
    }
    assert_eq!(full, created);
    assert_eq!(basic, IngestConfiguration { stream_key: String::new(), ..created });
}

/// The time of a state is when AWS was asked for it.
#[tokio::test]
async fn the_state_of_a_configuration_never_gets_older() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let created = acme.live().await;
    let get = async |view| {
        let got = acme.get(&created.arn, view).await.unwrap();
        let at = got.state_observe_time.unwrap();
        (got.state, (at.seconds, at.nanos))
    };
    let inactive = IngestConfigurationState::Inactive as i32;
    let active = IngestConfigurationState::Active as i32;
    let at_create = created.state_observe_time.unwrap();
    let at_create = (inactive, (at_create.seconds, at_create.nanos));
    assert_eq!(get(IngestConfigurationView::Basic).await, at_create);
    let full = get(IngestConfigurationView::Full).await;
    assert!(full > at_create, "{full:?}");
    assert_eq!(get(IngestConfigurationView::Basic).await, full);

    world.emulator.activate(&created.arn);
    assert_eq!(acme.delete(&created.arn, false).await.unwrap_err().reason(), "AWS_CONFLICT");
    // AWS said nothing about the state.
    assert_eq!(get(IngestConfigurationView::Basic).await, full);
    let full = get(IngestConfigurationView::Full).await;
    assert_eq!(full.0, active);
    assert_eq!(get(IngestConfigurationView::Basic).await, full);
}

#[tokio::test]
async fn a_thousand_concurrent_reads_make_few_aws_calls() {
    let world = World::new();
    // At level trace, the logs of so many calls would take seconds.
    let gateway = world.gateway_in(&[], &[("RUST_LOG", "info")]).await;
    let arn = gateway.caller("acme").live().await.arn;
    let slow = Fault::new(FaultKind::SlowBefore).delayed(Duration::from_millis(500));
    world.emulator.fault(&slow.on(Operation::GetIngestConfiguration));
    let before = world.emulator.calls(Operation::GetIngestConfiguration);
    let callers: Vec<_> = (0..10).map(|_| gateway.caller("acme")).collect();
    let mut reads = JoinSet::new();
    for index in 0..1000 {
        let (acme, arn) = (callers[index % 10].clone(), arn.clone());
        reads.spawn(async move { acme.get(&arn, IngestConfigurationView::Full).await.unwrap() });
    }
    let read = reads.join_all().await;
    assert!(read.iter().all(|one| one.stream_key == read[0].stream_key));
    let calls = world.emulator.calls(Operation::GetIngestConfiguration) - before;
    assert!(calls <= 20, "1,000 reads made {calls} AWS calls");
}

#[tokio::test]
async fn lists_make_no_aws_call_and_are_filtered_and_paged() {
    let world = World::new();
    let gateway = world.gateway(&["sweep.interval_ms = 100"]).await;
    let acme = gateway.caller("acme");
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(acme.live().await.arn);
    }
    made.reverse();
    gateway.caller("globex").live().await;

    assert_eq!(acme.arns().await, made);
    let page = ListIngestConfigurationsRequest { page_size: 2, ..Default::default() };
    let (first, token) = acme.list(page.clone()).await.unwrap();
    assert!(first.iter().all(|one| one.stream_key.is_empty()));
    let next = ListIngestConfigurationsRequest { page_token: token.clone(), ..page.clone() };
    let (second, _) = acme.list(next.clone()).await.unwrap();
    let seen: Vec<_> = first.into_iter().chain(second).map(|one| one.arn).collect();
    assert_eq!(seen, made[..4]);

    // A token is valid only for its tenant and its filters.
    for (caller, message) in [
        (gateway.caller("globex"), next.clone()),
        (acme.clone(), ListIngestConfigurationsRequest { stage_arn: stage_of("acme"), ..next }),
        (acme.clone(), ListIngestConfigurationsRequest { page_token: "rubbish".into(), ..page }),
    ] {
        let rejection = caller.list(message).await.unwrap_err();
        assert_eq!((rejection.code, rejection.reason()), (Code::InvalidArgument, "INVALID_FIELDS"));
    }

    // A list shows the state that the last scan observed.
    world.emulator.list_immediately();
    world.emulator.activate(&made[1]);
    let active = ListIngestConfigurationsRequest {
        stage_arn: stage_of("acme"),
        state: IngestConfigurationState::Active.into(),
        ..Default::default()
    };
    loop {
        let (listed, _) = acme.list(active.clone()).await.unwrap();
        if let [one] = &listed[..] {
            assert_eq!(one.arn, made[1]);
            break;
        }
    }
}

/// grpcio and grpc-js reject a message of more than 4 MiB.
#[tokio::test]
async fn a_page_ends_before_its_message_is_too_large() {
    let world = World::new();
    let gateway = world.gateway(&["server.max_message_bytes = 1000000"]).await;
    let acme = gateway.caller("acme");
    // The largest tags that AWS allows, with three bytes per character.
    let tag = |n: usize| (format!("{n:02}{}", "\u{5c4b}".repeat(126)), "\u{5c4b}".repeat(256));
    let large =
        CreateIngestConfigurationRequest { tags: (0..46).map(tag).collect(), ..create("acme") };
    for _ in 0..62 {
        acme.create(large.clone()).await.unwrap();
    }
    let page = ListIngestConfigurationsRequest { page_size: 1000, ..Default::default() };
    let (first, token) = acme.list(page.clone()).await.unwrap();
    let bytes: usize = first.iter().map(Message::encoded_len).sum();
    assert!((2_800_000..=3 * 1024 * 1024).contains(&bytes), "{bytes}");
    let next = ListIngestConfigurationsRequest { page_token: token, ..page };
    let (second, token) = acme.list(next).await.unwrap();
    assert_eq!((first.len() + second.len(), token.as_str()), (62, ""));
}

#[tokio::test]
async fn an_update_changes_only_the_fields_of_its_mask() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let created = acme.live().await;
    let arn = created.arn.as_str();

    let away = acme.update(to_stage(arn, "")).await.unwrap();
    assert_eq!((away.stage_arn.as_str(), away.ingest_endpoint.as_str()), ("", ""));
    let back = acme.update(to_stage(arn, &stage_of("acme"))).await.unwrap();
    assert_eq!(back.stage_arn, stage_of("acme"));
    assert_eq!(back.ingest_endpoint, created.ingest_endpoint);

    let redundant = UpdateIngestConfigurationRequest {
        arn: arn.into(),
        redundant_ingest: true,
        update_mask: Some(FieldMask { paths: vec!["redundant_ingest".into()] }),
        ..Default::default()
    };
    let changed = acme.update(redundant).await.unwrap();
    assert_eq!(changed.stage_arn, stage_of("acme"));
    assert_eq!(changed.redundant_ingest_credentials.len(), 2);
    let (listed, _) = acme.list(ListIngestConfigurationsRequest::default()).await.unwrap();
    assert!(listed[0].redundant_ingest);

    world.emulator.activate(arn);
    let rejection = acme.update(to_stage(arn, "")).await.unwrap_err();
    assert_eq!((rejection.code, rejection.reason()), (Code::FailedPrecondition, "AWS_CONFLICT"));
}

/// The gateway reads the configuration to find out whether AWS carried out the update.
#[tokio::test]
async fn an_update_whose_response_is_lost_is_looked_up() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let arn = acme.live().await.arn;
    world.emulator.next(Operation::UpdateIngestConfiguration, FaultKind::DropAfter, 0);
    assert_eq!(acme.update(to_stage(&arn, "")).await.unwrap().stage_arn, "");
    world.emulator.next(Operation::UpdateIngestConfiguration, FaultKind::DropBefore, 0);
    let rejection = acme.update(to_stage(&arn, &stage_of("acme"))).await.unwrap_err();
    assert_eq!(rejection.code, Code::Unavailable);
    assert!(rejection.retry_after().is_some());
}

#[tokio::test]
async fn a_delete_returns_its_quota_once_aws_confirms_it() {
    let world = World::new();
    let gateway = world.gateway(&["tenants.acme.max_ingest_configurations = 1"]).await;
    let acme = gateway.caller("acme");
    let arn = acme.live().await.arn;

    world.emulator.activate(&arn);
    let rejection = acme.delete(&arn, false).await.unwrap_err();
    assert_eq!((rejection.code, rejection.reason()), (Code::FailedPrecondition, "AWS_CONFLICT"));
    assert_eq!(acme.used().await, 1);
    acme.delete(&arn, true).await.unwrap();
    assert_eq!(acme.used().await, 0);
    // A repeated delete succeeds.
    acme.delete(&arn, false).await.unwrap();
    let rejection = acme.get(&arn, IngestConfigurationView::Full).await.unwrap_err();
    assert_eq!(rejection.code, Code::NotFound);
    assert!(acme.arns().await.is_empty());
    acme.live().await;
}

#[tokio::test]
async fn a_delete_whose_response_is_lost_is_looked_up() {
    let world = World::new();
    let lines = [
        "upstream.connect_timeout_ms = 400",
        "upstream.attempt_timeout_ms = 500",
        "settle.retry_after_ms = 1000",
    ];
    let acme = world.gateway(&lines).await.caller("acme");
    for fault in [FaultKind::DropAfter, FaultKind::Error500After, FaultKind::Truncate] {
        let arn = acme.live().await.arn;
        world.emulator.next(Operation::DeleteIngestConfiguration, fault, 0);
        // The response that a new configuration does not exist is not believed immediately.
        let rejection = acme.delete(&arn, false).await.unwrap_err();
        assert_eq!((rejection.code, rejection.reason()), (Code::Unavailable, "OUTCOME_UNKNOWN"));
        assert_eq!(acme.used().await, 1);
        acme.deleted(&arn).await;
        assert_eq!(acme.used().await, 0);
    }
    // The row of unknown outcome counts against the quota. A second delete resolves it.
    let arn = acme.live().await.arn;
    world.emulator.next(Operation::DeleteIngestConfiguration, FaultKind::Error500Before, 0);
    let rejection = acme.delete(&arn, false).await.unwrap_err();
    assert_eq!((rejection.code, rejection.reason()), (Code::Unavailable, "OUTCOME_UNKNOWN"));
    assert_eq!(acme.used().await, 1);
    acme.delete(&arn, false).await.unwrap();
    assert_eq!(acme.used().await, 0);
}

/// AWS rejects one delete while it executes the other. The ledger must record the executed one.
#[tokio::test]
async fn concurrent_deletes_do_not_undo_each_other() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    let delete = |arn: &str, force: bool| {
        let (acme, arn) = (acme.clone(), arn.to_owned());
        tokio::spawn(async move { acme.delete(&arn, force).await })
    };
    // AWS executes the forced delete last, or its response to that delete arrives first.
    for (held, force) in [(FaultKind::SlowBefore, true), (FaultKind::SlowAfter, false)] {
        let arn = acme.live().await.arn;
        world.emulator.activate(&arn);
        let before = world.emulator.calls(Operation::DeleteIngestConfiguration);
        world.emulator.next(Operation::DeleteIngestConfiguration, held, 500);
        let first = delete(&arn, force);
        let reached = async {
            while world.emulator.calls(Operation::DeleteIngestConfiguration) == before {
                tokio::task::yield_now().await;
            }
        };
        timeout(TIMEOUT, reached).await.unwrap();
        let second = delete(&arn, !force).await.unwrap();
        let (forced, rejected) =
            if force { (first.await.unwrap(), second) } else { (second, first.await.unwrap()) };
        forced.unwrap();
        assert_eq!(rejected.unwrap_err().reason(), "AWS_CONFLICT");
        assert_eq!(acme.used().await, 0, "{held:?}");
        acme.delete(&arn, false).await.unwrap();
    }
}
