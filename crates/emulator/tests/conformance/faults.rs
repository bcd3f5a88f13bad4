//! Each kind of fault: the error that the SDK returns, and whether the operation was
//! executed.

use std::time::Duration;

use aws_sdk_ivsrealtime::{
    Client,
    config::{http::HttpResponse, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::create_ingest_configuration::{
        CreateIngestConfigurationError, CreateIngestConfigurationOutput,
    },
    types::IngestProtocol,
};
use ivs_realtime_emulator::{Fault, FaultKind, Operation, Settings};
use tokio::time::{self, Instant};

use crate::support::Running;

type CreateResult =
    Result<CreateIngestConfigurationOutput, SdkError<CreateIngestConfigurationError, HttpResponse>>;

async fn create(client: &Client) -> CreateResult {
    let create = client.create_ingest_configuration();
    create.ingest_protocol(IngestProtocol::Rtmps).send().await
}

/// Returns the result of one create under a fault, and the number of configurations that
/// exist afterwards.
async fn create_under(fault: Fault) -> (CreateResult, usize) {
    let running = Running::start(Settings::for_tests());
    running.fault(&fault);
    let result = create(&running.client()).await;
    (result, existing(&running))
}

fn existing(running: &Running) -> usize {
    running.configurations().len()
}

fn status(result: &CreateResult) -> Option<u16> {
    let response = result.as_ref().unwrap_err().raw_response()?;
    Some(response.status().as_u16())
}

#[tokio::test]
async fn a_dropped_connection_does_not_show_whether_the_create_was_executed() {
    for (kind, expected) in [(FaultKind::DropBefore, 0), (FaultKind::DropAfter, 1)] {
        let (result, existing) = create_under(Fault::new(kind)).await;
        assert!(matches!(result, Err(SdkError::DispatchFailure(_))), "{kind:?}: {result:?}");
        assert_eq!(existing, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn a_server_error_does_not_show_whether_the_create_was_executed() {
    for (kind, code, expected) in [
        (FaultKind::Error500Before, 500, 0),
        (FaultKind::Error500After, 500, 1),
        (FaultKind::Error503Before, 503, 0),
    ] {
        let (result, existing) = create_under(Fault::new(kind)).await;
        assert_eq!((status(&result), existing), (Some(code), expected), "{kind:?}");
    }
}

#[tokio::test]
async fn a_create_with_an_unreadable_response_was_executed() {
    let (result, existing) = create_under(Fault::new(FaultKind::Garbage)).await;
    // The SDK reports a success that it cannot parse as a service error.
    assert!(matches!(result, Err(SdkError::ServiceError(_))), "{result:?}");
    assert_eq!((status(&result), existing), (Some(200), 1));
    let (result, existing) = create_under(Fault::new(FaultKind::Truncate)).await;
    assert!(matches!(result, Err(SdkError::ResponseError(_))), "{result:?}");
    assert_eq!((status(&result), existing), (Some(200), 1));
}

#[tokio::test]
async fn a_fault_can_return_any_error() {
    let fault = Fault::error(402, "ServiceQuotaExceededException");
    let (result, existing) = create_under(fault).await;
    let error = result.unwrap_err().into_service_error();
    assert!(error.is_service_quota_exceeded_exception(), "{error:?}");
    assert_eq!(existing, 0);

    let fault = Fault::error(429, "ThrottlingException")
        .on(Operation::CreateIngestConfiguration)
        .with_message("Slow down")
        .with_retry_after(7);
    let (result, _) = create_under(fault).await;
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("ThrottlingException"), Some("Slow down")));
    assert_eq!(error.raw_response().unwrap().headers().get("retry-after"), Some("7"));
}

#[tokio::test]
async fn a_late_execution_happens_after_the_client_has_disconnected() {
    let running = Running::start(Settings::for_tests());
    running.fault(&Fault::new(FaultKind::SlowBefore).delayed(Duration::from_millis(300)).times(1));
    let client = running.client();
    let config = client.config().to_builder().timeout_config(
        TimeoutConfig::builder().operation_timeout(Duration::from_millis(100)).build(),
    );
    let result = create(&Client::from_conf(config.build())).await;
    assert!(matches!(result, Err(SdkError::TimeoutError(_))), "{result:?}");
    assert_eq!(existing(&running), 0);
    let executed = async {
        while existing(&running) == 0 {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(Duration::from_secs(10), executed).await.unwrap();
}

#[tokio::test]
async fn a_slow_response_follows_an_immediate_execution() {
    let running = Running::start(Settings::for_tests());
    running.fault(&Fault::new(FaultKind::SlowAfter).delayed(Duration::from_millis(300)).times(1));
    let begin = Instant::now();
    let pending = tokio::spawn({
        let client = running.client();
        async move { create(&client).await }
    });
    while existing(&running) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!pending.is_finished());
    pending.await.unwrap().unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_response_is_held_until_the_faults_are_removed() {
    let running = Running::start(Settings::for_tests());
    running.fault(&Fault::new(FaultKind::Hold).times(1));
    let pending = tokio::spawn({
        let client = running.client();
        async move { create(&client).await }
    });
    while existing(&running) == 0 {
        tokio::task::yield_now().await;
    }
    // The first create used up the fault, so this one gets its response immediately.
    create(&running.client()).await.unwrap();
    assert!(!pending.is_finished());
    running.control().clear_faults().unwrap();
    pending.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_seed_reproduces_which_calls_fail() {
    let running = Running::start(Settings::for_tests());
    let client = running.client();
    running.fault(&Fault::new(FaultKind::Error500Before).with_probability(0.5));
    let mut runs = Vec::new();
    for _ in 0..2 {
        running.control().set_seed(42).unwrap();
        let mut run = Vec::new();
        for _ in 0..16 {
            run.push(create(&client).await.is_ok());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&true) && runs[0].contains(&false));
    running.control().clear_faults().unwrap();
    create(&client).await.unwrap();
}
