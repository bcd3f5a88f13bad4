//! Faults of AWS during a call, and the responses that they allow.

use ivs_realtime_emulator::{self as emulator, FaultKind, Operation};
use proptest::{prelude::*, sample::select};

use super::calls::Request;

/// One call to AWS goes wrong.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    call: Call,
    kind: FaultKind,
}

#[derive(Debug, Clone)]
enum Call {
    /// The one that the request is about.
    Own,
    /// One that helps it along.
    Helping(Operation),
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
        4 => Just(Operation::GetIngestConfiguration),
        1 => Just(Operation::GetStage),
        1 => Just(Operation::ListIngestConfigurations),
        1 => Just(Operation::ListTagsForResource),
    ];
    (operation, kind()).prop_map(|(operation, kind)| Fault { call: Call::Helping(operation), kind })
}

/// A create that never comes to AWS is dear: it takes until it may be sent again.
fn kind() -> impl Strategy<Value = FaultKind> {
    prop_oneof![
        8 => select(vec![FaultKind::DropAfter, FaultKind::Error500After, FaultKind::Truncate, FaultKind::Garbage]),
        3 => Just(FaultKind::Error),
        5 => select(vec![FaultKind::DropBefore, FaultKind::Error500Before, FaultKind::Error503Before]),
    ]
}

impl Fault {
    /// As the emulator takes it.
    pub(super) fn order(&self, request: &Request) -> emulator::Fault {
        let fault = if self.is_throttling() {
            emulator::Fault::error(429, "ThrottlingException")
        } else {
            emulator::Fault::new(self.kind)
        };
        fault.on(self.operation(request)).times(1)
    }

    /// The reasons that the fault may give the request, which is then to be repeated.
    pub(super) fn refusals(&self, request: &Request) -> &'static [&'static str] {
        if self.is_throttling() {
            // The gateway itself makes the call again.
            return &[];
        }
        match (self.operation(request), request) {
            // The second occurs if the outcome is resolved at the moment of the call.
            (Operation::CreateIngestConfiguration, Request::Create(_)) => {
                &["OUTCOME_UNKNOWN", "IN_PROGRESS"]
            }
            (Operation::DeleteIngestConfiguration, Request::Delete(_)) => &["OUTCOME_UNKNOWN"],
            (Operation::GetIngestConfiguration, Request::Create(_) | Request::Get(_))
            | (Operation::GetStage, Request::Create(_) | Request::Update(_))
            | (Operation::UpdateIngestConfiguration, Request::Update(_)) => &["AWS_UNAVAILABLE"],
            // It keeps from the gateway what an earlier fault made it look for.
            _ => &[],
        }
    }

    fn operation(&self, request: &Request) -> Operation {
        match (&self.call, request) {
            (Call::Helping(operation), _) => *operation,
            (Call::Own, Request::Create(_)) => Operation::CreateIngestConfiguration,
            (Call::Own, Request::Update(_)) => Operation::UpdateIngestConfiguration,
            (Call::Own, Request::Delete(_)) => Operation::DeleteIngestConfiguration,
            // A list asks AWS nothing.
            (Call::Own, Request::Get(_) | Request::List(_)) => Operation::GetIngestConfiguration,
        }
    }

    fn is_throttling(&self) -> bool {
        self.kind == FaultKind::Error
    }
}
