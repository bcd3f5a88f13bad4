//! Faults of AWS during a call, and the errors that they may cause.

use ivs_realtime_emulator::{self as emulator, FaultKind, Operation};
use proptest::{prelude::*, sample::select};

use super::calls::Request;

/// A fault of one call to AWS.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    call: Call,
    kind: FaultKind,
}

#[derive(Debug, Clone)]
enum Call {
    /// The AWS call that carries out the request.
    Own,
    /// Another AWS call that the gateway makes for the request.
    Helping(Operation),
}

/// Draws faults of the request's own AWS call, of a helping call, or of both. With both, the
/// outcome is unknown and the lookup of the outcome fails too.
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

/// Draws a kind of fault. Creates that never reach AWS are rarer, because such a case takes
/// until the create may be resent.
fn kind() -> impl Strategy<Value = FaultKind> {
    prop_oneof![
        8 => select(vec![FaultKind::DropAfter, FaultKind::Error500After, FaultKind::Truncate, FaultKind::Garbage]),
        3 => Just(FaultKind::Error),
        5 => select(vec![FaultKind::DropBefore, FaultKind::Error500Before, FaultKind::Error503Before]),
    ]
}

impl Fault {
    /// Returns the fault for the emulator.
    pub(super) fn for_request(&self, request: &Request) -> emulator::Fault {
        let fault = if self.is_throttling() {
            emulator::Fault::error(429, "ThrottlingException")
        } else {
            emulator::Fault::new(self.kind)
        };
        fault.on(self.operation(request)).times(1)
    }

    /// Returns the reasons of errors that the fault may cause, and after which the caller
    /// repeats the request.
    pub(super) fn rejections(&self, request: &Request) -> &'static [&'static str] {
        if self.is_throttling() {
            // The gateway itself repeats a throttled call.
            return &[];
        }
        match (self.operation(request), request) {
            // IN_PROGRESS occurs if the outcome is resolved at the moment of the call.
            (Operation::CreateIngestConfiguration, Request::Create(_)) => {
                &["OUTCOME_UNKNOWN", "IN_PROGRESS"]
            }
            // A create reads the configuration of an earlier create.
            (Operation::DeleteIngestConfiguration, Request::Delete(_))
            | (Operation::UpdateIngestConfiguration, Request::Update(_))
            | (Operation::GetIngestConfiguration, Request::Create(_)) => &["OUTCOME_UNKNOWN"],
            (Operation::GetIngestConfiguration, Request::Get(_))
            | (Operation::GetStage, Request::Create(_) | Request::Update(_)) => {
                &["AWS_UNAVAILABLE"]
            }
            // The fault affects only a lookup that an earlier fault made necessary.
            _ => &[],
        }
    }

    fn operation(&self, request: &Request) -> Operation {
        match (&self.call, request) {
            (Call::Helping(operation), _) => *operation,
            (Call::Own, Request::Create(_)) => Operation::CreateIngestConfiguration,
            (Call::Own, Request::Update(_)) => Operation::UpdateIngestConfiguration,
            (Call::Own, Request::Delete(_)) => Operation::DeleteIngestConfiguration,
            // A list makes no AWS call, so this fault has no effect on it.
            (Call::Own, Request::Get(_) | Request::List(_)) => Operation::GetIngestConfiguration,
        }
    }

    fn is_throttling(&self) -> bool {
        self.kind == FaultKind::Error
    }
}
