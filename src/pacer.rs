//! A fair queue in front of an upstream that allows a fixed number of calls a second.
//!
//! A small library: it imports nothing of the gateway. [`schedule`] decides and is pure;
//! [`Pacer`] adds the clock, the lock and the task around it. The type parameter of a
//! [`Pacer`] names its operation, so that a permit for one operation cannot be used for
//! another.
//!
//! A call has three steps. [`Pacer::admit`] returns a [`Ticket`], or a [`Rejection`] with
//! the predicted wait. It does no I/O. [`Ticket::permit`] waits for the [`Permit`].
//! [`Permit::spend`] makes the call and reports its outcome. A call that is dropped at any
//! step leaves its queue and releases its unused slot.

mod permit;
mod queue;
pub mod schedule;
mod ticket;

pub use self::{
    permit::Permit,
    queue::{Load, Outlook, Pacer},
    schedule::{Flow, FlowId, Outcome, Rejection, RejectionCause, Terms},
    ticket::Ticket,
};

#[cfg(test)]
mod tests;
