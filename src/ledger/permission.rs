//! The permission to send a create.

use std::time::SystemTime;

use crate::request::OperationId;

/// The permission to send one create to AWS, once. Only a ledger makes it, after the row
/// is durably [`State::Sending`](super::State::Sending); it cannot be copied.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the row says that the create is being sent"]
pub struct SendPermission {
    operation_id: OperationId,
    recorded_at: SystemTime,
}

impl SendPermission {
    pub(in crate::ledger) const fn new(operation_id: OperationId, recorded_at: SystemTime) -> Self {
        Self { operation_id, recorded_at }
    }

    /// The create that may be sent.
    #[must_use]
    pub const fn operation_id(&self) -> OperationId {
        self.operation_id
    }

    /// The time of the sending, as the row has it.
    #[must_use]
    pub const fn recorded_at(&self) -> SystemTime {
        self.recorded_at
    }
}
