//! A fair queue in front of an upstream that allows a fixed number of calls a second.
//!
//! A small library: it imports nothing of the gateway. [`schedule`] decides and is pure;
//! [`Pacer`] adds the clock, the lock and the task around it. The type parameter of a
//! [`Pacer`] names the calls that its permits pay for, so that a permit for one operation
//! cannot pay for another.
//!
//! A call has three steps. [`Pacer::admit`] returns a [`Ticket`] or a [`Rejection`] with
//! the predicted wait, from memory alone. [`Ticket::permit`] waits for the [`Permit`].
//! [`Permit::spend`] makes the call and reports its outcome. Each of the three that is
//! dropped returns what was not used.

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
