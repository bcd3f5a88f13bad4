//! What goes wrong at AWS during a call, and what a caller may be told of it.

use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::calls::Request;

/// One call to AWS goes wrong.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    call: Call,
    kind: &'static str,
}

#[derive(Debug, Clone)]
enum Call {
    /// The one that the request is about.
    Own,
    /// One that helps it along.
    Helping(&'static str),
}

/// The call itself goes wrong, or one that helps it along, or both: what cannot be known is
/// looked for, and that fails too.
pub(super) fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let own = || kind().prop_map(|kind| Fault { call: Call::Own, kind });
    prop_oneof![
        4 => own().prop_map(|own| vec![own]),
        2 => helping().prop_map(|helping| vec![helping]),
        4 => (own(), helping()).prop_map(|(own, helping)| vec![own, helping]),
        1 => (own(), own()).prop_map(|(first, second)| vec![first, second]),
    ]
}

fn helping() -> impl Strategy<Value = Fault> {
    let operation = prop_oneof![
        4 => Just("GetIngestConfiguration"),
        1 => Just("GetStage"),
        1 => Just("ListIngestConfigurations"),
        1 => Just("ListTagsForResource"),
    ];
    (operation, kind()).prop_map(|(operation, kind)| Fault { call: Call::Helping(operation), kind })
}

/// A create that never comes to AWS is dear: it takes until it may be sent again.
fn kind() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => select(vec!["drop_after", "error_500_after", "truncate", "garbage"]),
        3 => Just("error"),
        5 => select(vec!["drop_before", "error_500_before", "error_503_before"]),
    ]
}

impl Fault {
    /// As the emulator's control API takes it.
    pub(super) fn body(&self, request: &Request) -> Value {
        let operation = self.operation(request);
        let mut body = json!({"operation": operation, "kind": self.kind, "count": 1});
        if self.is_throttling() {
            body["status"] = json!(429);
            body["code"] = json!("ThrottlingException");
        }
        body
    }

    /// The reasons that the fault may give the request, which is then to be repeated.
    pub(super) fn refusals(&self, request: &Request) -> &'static [&'static str] {
        if self.is_throttling() {
            // The gateway itself makes the call again.
            return &[];
        }
        match (self.operation(request), request) {
            // The second comes where the outcome is settled at the moment of the call.
            ("CreateIngestConfiguration", Request::Create(_)) => {
                &["OUTCOME_UNKNOWN", "IN_PROGRESS"]
            }
            ("DeleteIngestConfiguration", Request::Delete(_)) => &["OUTCOME_UNKNOWN"],
            ("GetIngestConfiguration", Request::Create(_) | Request::Get(_))
            | ("GetStage", Request::Create(_) | Request::Update(_))
            | ("UpdateIngestConfiguration", Request::Update(_)) => &["AWS_UNREACHABLE"],
            // It keeps from the gateway what an earlier fault made it look for.
            _ => &[],
        }
    }

    fn operation(&self, request: &Request) -> &'static str {
        match (&self.call, request) {
            (Call::Helping(operation), _) => operation,
            (Call::Own, Request::Create(_)) => "CreateIngestConfiguration",
            (Call::Own, Request::Update(_)) => "UpdateIngestConfiguration",
            (Call::Own, Request::Delete(_)) => "DeleteIngestConfiguration",
            // A list asks AWS nothing.
            (Call::Own, Request::Get(_) | Request::List(_)) => "GetIngestConfiguration",
        }
    }

    fn is_throttling(&self) -> bool {
        self.kind == "error"
    }
}
