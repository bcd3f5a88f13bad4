//! Compares the whole state of the model, the gateway and AWS.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use ivs_ingest_gateway::proto::v1::{
    GetQuotaRequest, LedgerState, ListIngestConfigurationsRequest,
};
use ivs_realtime_emulator::ConfigurationSnapshot;
use serde_json::{Value, json};

use super::{
    EXTRA_TAG,
    calls::Request,
    case::Case,
    model::{Configuration, QUOTA, Tenant},
};
use crate::support::{Caller, World};

/// The result of a comparison; the error describes the difference.
pub(super) type Agreement = Result<(), String>;

impl Case<'_> {
    pub(super) async fn compare_all(&self) -> Agreement {
        for (tenant, caller) in self.model.tenants.iter().zip(&self.callers) {
            // The page size is small, so that the list has several pages.
            let all = ListIngestConfigurationsRequest { page_size: 2, ..Default::default() };
            let found = caller.send_once(&Request::List(all.clone())).await;
            let found = found
                .map_err(|rejection| format!("ListIngestConfigurations fails: {rejection:?}"))?;
            same(&format!("the list of {}", tenant.id), &tenant.list(&all), &found.outcome)?;
            compare_quota(tenant, caller).await?;
        }
        self.compare_aws()
    }

    /// Checks that AWS has exactly the configurations of the model.
    fn compare_aws(&self) -> Agreement {
        let mut rows = at_aws(self.world);
        rows.retain(|arn, _| !self.others.contains(arn));
        let mut operation_ids = BTreeSet::new();
        for tenant in &self.model.tenants {
            let mut last = String::new();
            for one in tenant.live() {
                let Some(row) = rows.remove(&one.shown.arn) else {
                    return Err(format!("AWS does not have {:?}", one.shown));
                };
                let keys = row.stream_keys.len();
                let mut row = json!(row);
                row["streamKeys"] = json!(keys);
                row["createdAt"] = Value::Null;
                let (tags, operation_id) = take_own_tags(&mut row, one)?;
                same("at AWS", &row_of(tenant, one), &row)?;
                // Operation ids increase in the order of creation, which is the list's order.
                if operation_id <= last || !operation_ids.insert(operation_id.clone()) {
                    return Err(format!("the operation id is not unique and increasing: {tags}"));
                }
                last = operation_id;
            }
        }
        if rows.is_empty() { Ok(()) } else { Err(format!("AWS has more: {:?}", rows.keys())) }
    }
}

async fn compare_quota(tenant: &Tenant, caller: &Caller) -> Agreement {
    let response = caller.client.clone().get_quota(caller.request(GetQuotaRequest {})).await;
    let outcome = response.map_err(|status| format!("GetQuota fails: {status:?}"))?.into_inner();
    let quota = outcome.ingest_configurations.unwrap();
    let live = i32::try_from(tenant.live().count()).unwrap();
    // No row may be in an intermediate state, because the last outcome was final.
    let by_state: Vec<_> = quota.used_by_state.iter().map(|it| (it.state(), it.count)).collect();
    let expected = (
        live,
        i32::try_from(QUOTA).unwrap(),
        if live == 0 { vec![] } else { vec![(LedgerState::Live, live)] },
    );
    same(&format!("the quota of {}", tenant.id), &expected, &(quota.used, quota.limit, by_state))
}

/// Returns the configurations at AWS, by ARN.
pub(super) fn at_aws(world: &World) -> BTreeMap<String, ConfigurationSnapshot> {
    let rows = world.emulator.configurations().into_iter();
    rows.map(|row| (row.arn.clone(), row)).collect()
}

/// Returns the configuration as the emulator must show it, without the tags whose values the
/// gateway generates.
fn row_of(tenant: &Tenant, one: &Configuration) -> Value {
    let shown = &one.shown;
    let mut tags = shown.tags.clone();
    let (key, value) = EXTRA_TAG;
    tags.insert(key.to_owned(), value.to_owned());
    tags.insert("ivs-ingest-gateway:tenant".to_owned(), tenant.id.clone());
    json!({
        "arn": shown.arn,
        "name": shown.name,
        "stageArn": shown.stage_arn,
        "userId": shown.user_id,
        "ingestProtocol": shown.protocol.as_str_name().trim_start_matches("INGEST_PROTOCOL_"),
        "state": shown.state.as_str_name().trim_start_matches("INGEST_CONFIGURATION_STATE_"),
        "tags": tags,
        "createdAt": null,
        "streamKeys": shown.keys,
    })
}

/// Removes the tags whose values the gateway generates. Returns all tags as text for error
/// messages, and the operation id.
fn take_own_tags(row: &mut Value, one: &Configuration) -> Result<(String, String), String> {
    let all = row["tags"].to_string();
    let tags = row["tags"].as_object_mut().unwrap();
    let mut take = |key: &str| tags.remove(&format!("ivs-ingest-gateway:{key}"));
    let text = |tag: Option<Value>| tag.and_then(|tag| tag.as_str().map(str::to_owned));
    let operation_id = text(take("operation-id"));
    let request_id = text(take("request-id"));
    let fingerprint = text(take("fingerprint"));
    let is_right = match request_id.as_deref() {
        None => one.asked.request_id.is_empty(),
        // A retry of a create without a request_id uses the operation id instead.
        Some(given) => one.asked.request_id.is_empty() || one.asked.request_id == given,
    };
    match operation_id.filter(|_| is_right && fingerprint.is_some()) {
        Some(operation_id) => Ok((all, operation_id)),
        None => Err(format!("the gateway's tags are wrong: {all} for {:?}", one.asked)),
    }
}

pub(super) fn same<T: Debug + PartialEq>(what: &str, expected: &T, found: &T) -> Agreement {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what} differs\n  model:   {expected:?}\n  gateway: {found:?}"))
}
