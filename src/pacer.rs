//! Shares AWS's calls a second among the tenants, and tells each how long it would wait.
//!
//! Called by `operations`, `stages`, `settle` and `sweep` before every call to AWS, which
//! allows 5 a second of each operation, for an account and region. `schedule` decides, and
//! is pure; here are the clock, the lock and the tasks around it. Of AWS it knows how a
//! call ended, and nothing else.
//!
//! A call goes in three steps. [`Pacer::admit`] gives it a place or refuses it, at the
//! price of a look into memory. [`Place::turn`] waits for its turn. [`Turn::spend`] makes
//! the call and learns from how it ends. Whoever drops any of the three gives back what
//! was not used.

mod budget;
mod call;
mod demand;
mod flow;
mod latency;
mod of_operation;
mod operation;
mod prediction;
pub mod schedule;
mod shares;
mod turn;

use std::{sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;

pub use self::{
    of_operation::{Outlook, Pacer},
    operation::Operation,
    turn::{Place, Turn, is_throttled},
};
use crate::{ivs::AwsMetrics, telemetry::CallRecord, tenancy::Tenant};

/// For whom a call goes to AWS, and until when its answer is of use.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose share it is.
    pub tenant: Arc<Tenant>,
    /// When the answer must leave.
    pub deadline: Instant,
    /// The call that it is made for.
    pub record: CallRecord,
}

/// A pacer for each operation.
#[derive(Debug, Clone)]
pub struct Pacers([Arc<Pacer>; 7]);

impl Pacers {
    /// Budgets of so many calls a second of each operation.
    #[must_use]
    pub fn new(calls_per_second: f64, metrics: &AwsMetrics) -> Self {
        Self(Operation::ALL.map(|operation| {
            let rate = calls_per_second * operation.factor();
            Arc::new(Pacer::new(operation, rate, metrics))
        }))
    }

    /// The pacer of that operation.
    #[must_use]
    pub const fn of(&self, operation: Operation) -> &Arc<Pacer> {
        &self.0[operation as usize]
    }

    /// All pacers.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pacer>> {
        self.0.iter()
    }

    /// Gives calls their turns until `shutdown` fires. Without this no call that waits
    /// ever goes.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut clocks = tokio::task::JoinSet::new();
        for pacer in self.0 {
            let shutdown = shutdown.clone();
            clocks.spawn(async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = pacer.run() => {}
                }
            });
        }
        clocks.join_all().await;
    }
}

/// The clock, which tests may hold.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
