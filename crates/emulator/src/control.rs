//! The control API below `/_emulator/`: JSON without signatures, for tests and for manual
//! use. It shows stream keys, so that a test can check that no other output contains one.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    bucket::CallRates,
    fault::Fault,
    operation::PerOperation,
    resources::{Credential, IngestConfiguration, Stage},
    settings::Settings,
    shapes::{
        Calls, ConfigurationSnapshot, FaultReport, PATH, PublishState, Rejection, SettingsChange,
        Snapshot, Spending, StageSnapshot, StateChange,
    },
    wire::{self, ResponseBody},
    world::World,
};

/// The status and the message of a rejected request.
struct Rejected {
    status: StatusCode,
    message: String,
}

/// Responds to a request whose path is [`PATH`] followed by `path`. A reset restores
/// `settings`.
pub(crate) fn respond(
    world: &mut World,
    settings: &Settings,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Response<ResponseBody> {
    let done = Ok(json!({}));
    let result = match (method.as_str(), path) {
        ("GET", "faults") => Ok(json!(faults(world))),
        ("POST", "faults") => add_fault(world, body),
        ("DELETE", "faults") => {
            world.faults.clear();
            done
        }
        ("GET", "state") => Ok(json!(snapshot(world))),
        ("POST", "state") => change_state(world, body),
        ("GET", "calls") => Ok(json!(world.calls.iter().collect::<BTreeMap<_, _>>())),
        ("DELETE", "calls") => {
            world.calls = PerOperation::new(|_| Calls::default());
            done
        }
        ("POST", "settings") => change_settings(world, body),
        ("POST", "spend") => spend(world, body),
        ("POST", "reset") => {
            world.reset(settings);
            done
        }
        _ => Err(Rejected {
            status: StatusCode::NOT_FOUND,
            message: format!(
                "the control API has no {method} {PATH}{path}; docs/emulator.md lists its requests"
            ),
        }),
    };
    let (status, value) = match result {
        Ok(value) => (StatusCode::OK, value),
        Err(rejected) => (rejected.status, json!(Rejection { message: rejected.message })),
    };
    wire::response(status, Bytes::from(value.to_string()))
}

fn add_fault(world: &mut World, body: &[u8]) -> Result<Value, Rejected> {
    let fault: Fault = parse(body)?;
    fault.check().map_err(invalid)?;
    world.faults.add(fault);
    Ok(json!(faults(world)))
}

fn faults(world: &World) -> FaultReport {
    let faults = &world.faults;
    FaultReport { faults: faults.active().to_vec(), injected: faults.injected().clone() }
}

fn change_settings(world: &mut World, body: &[u8]) -> Result<Value, Rejected> {
    let change: SettingsChange = parse(body)?;
    apply(world, &change).map_err(|message| invalid(&message))?;
    Ok(json!({}))
}

/// Changes settings. Returns the problem if a value is invalid.
pub(crate) fn apply(world: &mut World, change: &SettingsChange) -> Result<(), String> {
    let rate = change.calls_per_second.map(|rate| check_rate("calls_per_second", rate));
    if let Some(rate) = rate.transpose()? {
        world.rates = CallRates::new(rate, Instant::now());
    }
    let consistency = &mut world.consistency;
    for (change, delay) in [
        (change.visibility_delay_ms, &mut consistency.visibility_delay),
        (change.read_delay_ms, &mut consistency.read_delay),
        (change.tag_delay_ms, &mut consistency.tag_delay),
    ] {
        if let Some(milliseconds) = change {
            *delay = Duration::from_millis(milliseconds);
        }
    }
    if let Some(pages_by_offset) = change.pages_by_offset {
        consistency.pages_by_offset = pages_by_offset;
    }
    if let Some(seed) = change.seed {
        world.faults.reseed(seed);
    }
    Ok(())
}

fn change_state(world: &mut World, body: &[u8]) -> Result<Value, Rejected> {
    let change: StateChange = parse(body)?;
    let found = world.resources.ingest_configurations.get_mut(&change.arn);
    let row = found.ok_or_else(|| Rejected {
        status: StatusCode::NOT_FOUND,
        message: "no ingest configuration has this `arn`; `GET state` lists all".into(),
    })?;
    row.active = change.state == PublishState::Active;
    Ok(json!({}))
}

fn spend(world: &mut World, body: &[u8]) -> Result<Value, Rejected> {
    let spending: Spending = parse(body)?;
    let rate = check_rate("calls_per_second", spending.calls_per_second);
    let rate = rate.map_err(|message| invalid(&message))?;
    world.rates.set_used_elsewhere(spending.operation, rate, Instant::now());
    Ok(json!({}))
}

pub(crate) fn snapshot(world: &World) -> Snapshot {
    let stage = |stage: &Stage| StageSnapshot {
        arn: stage.arn.clone(),
        name: stage.name.clone(),
        tags: stage.tags.clone(),
    };
    let rows = world.resources.ingest_configurations.iter();
    Snapshot {
        stages: world.resources.stages.iter().map(stage).collect(),
        ingest_configurations: rows.map(ingest_configuration).collect(),
    }
}

fn ingest_configuration(row: &IngestConfiguration) -> ConfigurationSnapshot {
    let key = |credential: &Credential| credential.stream_key.expose_secret().to_owned();
    let redundant = row.redundant_credentials.iter();
    ConfigurationSnapshot {
        arn: row.arn.clone(),
        name: row.name.clone(),
        stage_arn: row.stage_arn.clone(),
        user_id: row.user_id.clone(),
        ingest_protocol: row.ingest_protocol.to_owned(),
        state: if row.active { PublishState::Active } else { PublishState::Inactive },
        tags: row.tags.clone(),
        created_at: timestamp(row.created_at),
        stream_keys: [&row.credential].into_iter().chain(redundant).map(key).collect(),
    }
}

fn timestamp(time: SystemTime) -> Option<String> {
    DateTime::from(time).fmt(Format::DateTime).ok()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Rejected> {
    serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))
}

fn check_rate(key: &str, rate: f64) -> Result<f64, String> {
    if rate.is_finite() && rate >= 0.0 {
        Ok(rate)
    } else {
        Err(format!("`{key}` is negative; use 0 or more"))
    }
}

fn invalid(message: &str) -> Rejected {
    Rejected { status: StatusCode::BAD_REQUEST, message: message.into() }
}
