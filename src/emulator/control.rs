//! The control API below `/_emulator/`: unsigned, JSON, for tests and for people.
//! It shows stream keys, so that a test can search for them where none belongs.

use std::time::{Duration, Instant, SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    bucket::CallRates,
    faults::Fault,
    operation::{Operation, PerOperation},
    resources::{Credential, IngestConfiguration, Stage},
    service::Service,
    wire::{self, AnswerBody},
    world::{Counts, World},
};

/// What every path of the control API begins with.
pub(super) const PATH: &str = "/_emulator/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsChange {
    calls_per_second: Option<f64>,
    visibility_delay_ms: Option<u64>,
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateChange {
    arn: String,
    state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Active,
    Inactive,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spending {
    operation: Operation,
    calls_per_second: f64,
}

/// Why the control API refuses.
struct Refusal {
    status: StatusCode,
    message: String,
}

/// `path` is what follows [`PATH`].
pub(super) fn answer(
    service: &Service,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Response<AnswerBody> {
    let result = match (method.as_str(), path) {
        ("GET", "faults") => Ok(faults(&service.world())),
        ("POST", "faults") => add_fault(service, body),
        ("DELETE", "faults") => {
            service.world().faults.clear();
            Ok(json!({}))
        }
        ("GET", "state") => Ok(state(&service.world())),
        ("POST", "state") => change_state(service, body),
        ("GET", "calls") => Ok(calls(&service.world())),
        ("DELETE", "calls") => {
            service.world().calls = PerOperation::new(|_| Counts::default());
            Ok(json!({}))
        }
        ("POST", "settings") => change_settings(service, body),
        ("POST", "spend") => spend(service, body),
        ("POST", "reset") => {
            service.world().reset(service.settings());
            Ok(json!({}))
        }
        _ => Err(Refusal {
            status: StatusCode::NOT_FOUND,
            message: format!("the control API has no {method} {PATH}{path}"),
        }),
    };
    let (status, value) = match result {
        Ok(value) => (StatusCode::OK, value),
        Err(refusal) => (refusal.status, json!({ "message": refusal.message })),
    };
    wire::response(status, Bytes::from(value.to_string()))
}

fn add_fault(service: &Service, body: &[u8]) -> Result<Value, Refusal> {
    let fault: Fault = parse(body)?;
    fault.check().map_err(invalid)?;
    let mut world = service.world();
    world.faults.add(fault);
    Ok(faults(&world))
}

fn faults(world: &World) -> Value {
    json!({ "faults": world.faults.active(), "injected": world.faults.injected() })
}

fn change_settings(service: &Service, body: &[u8]) -> Result<Value, Refusal> {
    let change: SettingsChange = parse(body)?;
    let rate = change.calls_per_second.map(|rate| check_rate("calls_per_second", rate));
    let rate = rate.transpose()?;
    let mut world = service.world();
    if let Some(rate) = rate {
        world.rates = CallRates::new(rate, Instant::now());
    }
    if let Some(delay) = change.visibility_delay_ms {
        world.visibility_delay = Duration::from_millis(delay);
    }
    if let Some(seed) = change.seed {
        world.faults.reseed(seed);
    }
    Ok(json!({}))
}

fn change_state(service: &Service, body: &[u8]) -> Result<Value, Refusal> {
    let change: StateChange = parse(body)?;
    let mut world = service.world();
    let found = world.resources.ingest_configurations.get_mut(&change.arn);
    let row = found.ok_or_else(|| Refusal {
        status: StatusCode::NOT_FOUND,
        message: "`arn` names no ingest configuration".into(),
    })?;
    row.active = matches!(change.state, State::Active);
    Ok(json!({}))
}

fn spend(service: &Service, body: &[u8]) -> Result<Value, Refusal> {
    let spending: Spending = parse(body)?;
    let rate = check_rate("calls_per_second", spending.calls_per_second)?;
    service.world().rates.spend_elsewhere(spending.operation, rate, Instant::now());
    Ok(json!({}))
}

fn calls(world: &World) -> Value {
    let named =
        world.calls.iter().map(|(operation, calls)| (format!("{operation:?}"), json!(calls)));
    Value::Object(named.collect::<Map<_, _>>())
}

fn state(world: &World) -> Value {
    let stage = |stage: &Stage| json!({ "arn": stage.arn, "name": stage.name, "tags": stage.tags });
    let stages: Vec<Value> = world.resources.stages.iter().map(stage).collect();
    let rows = world.resources.ingest_configurations.iter();
    let ingest_configurations: Vec<Value> = rows.map(ingest_configuration).collect();
    json!({ "stages": stages, "ingestConfigurations": ingest_configurations })
}

fn ingest_configuration(row: &IngestConfiguration) -> Value {
    let key = |credential: &Credential| credential.stream_key.expose_secret().to_owned();
    let redundant = row.redundant_credentials.iter();
    let stream_keys: Vec<String> =
        [&row.credential].into_iter().chain(redundant).map(key).collect();
    json!({
        "arn": row.arn,
        "name": row.name,
        "stageArn": row.stage_arn,
        "userId": row.user_id,
        "ingestProtocol": row.ingest_protocol,
        "state": row.state(),
        "tags": row.tags,
        "createdAt": timestamp(row.created_at),
        "streamKeys": stream_keys,
    })
}

fn timestamp(time: SystemTime) -> Option<String> {
    DateTime::from(time).fmt(Format::DateTime).ok()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))
}

fn check_rate(key: &str, rate: f64) -> Result<f64, Refusal> {
    if rate.is_finite() && rate >= 0.0 {
        Ok(rate)
    } else {
        Err(invalid(&format!("`{key}` is 0 or more")))
    }
}

fn invalid(message: &str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, message: message.into() }
}
