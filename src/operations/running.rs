//! The creates under way in this process, by their `request_id`.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::create::Created;
use crate::{
    error::Error,
    ingest::{Fingerprint, RequestId},
    tenant::TenantId,
};

/// The outcome of a create, once there is one. Shared by all who wait for it.
pub(super) type Outcome = Result<Created, Error>;

/// Waits for an outcome.
#[derive(Debug)]
pub(super) struct Waiter(watch::Receiver<Option<Arc<Outcome>>>);

/// Tells the outcome to all who wait. While it lives, calls with the same
/// `request_id` join.
#[derive(Debug)]
pub(super) struct Leader {
    outcome: watch::Sender<Option<Arc<Outcome>>>,
    entry: Option<(Running, Key)>,
}

type Key = (TenantId, RequestId);

/// Every create under way that has a `request_id`.
#[derive(Debug, Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<Key, Run>>>);

#[derive(Debug)]
struct Run {
    fingerprint: Fingerprint,
    outcome: watch::Receiver<Option<Arc<Outcome>>>,
}

/// What a call with a `request_id` is to do.
pub(super) enum Entered {
    /// Carry the create out.
    Leader(Leader, Waiter),
    /// Wait for the one that carries it out.
    Follower(Waiter),
    /// The same `request_id` is under way with other content.
    Mismatch,
}

impl Running {
    /// Joins the create of that `request_id`, or becomes the one to carry it out.
    pub(super) fn enter(
        &self,
        tenant: &TenantId,
        request_id: &RequestId,
        fingerprint: Fingerprint,
    ) -> Entered {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), request_id.clone());
        match running.entry(key.clone()) {
            Entry::Occupied(run) if run.get().fingerprint != fingerprint => Entered::Mismatch,
            Entry::Occupied(run) => Entered::Follower(Waiter(run.get().outcome.clone())),
            Entry::Vacant(vacant) => {
                let (outcome, waiter) = watch::channel(None);
                vacant.insert(Run { fingerprint, outcome: waiter.clone() });
                Entered::Leader(
                    Leader { outcome, entry: Some((self.clone(), key)) },
                    Waiter(waiter),
                )
            }
        }
    }
}

impl Leader {
    /// A create without a `request_id`: nobody can join it.
    pub(super) fn alone() -> (Self, Waiter) {
        let (outcome, waiter) = watch::channel(None);
        (Self { outcome, entry: None }, Waiter(waiter))
    }

    /// Whether somebody still waits for the outcome. One who comes later joins
    /// through the entry, which holds a receiver of its own.
    pub(super) fn is_awaited(&self) -> bool {
        let own = usize::from(self.entry.is_some());
        self.outcome.receiver_count() > own
    }

    /// Tells the outcome. From now on the ledger answers for this `request_id`.
    pub(super) fn finish(self, outcome: Outcome) {
        self.outcome.send_replace(Some(Arc::new(outcome)));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some((running, key)) = self.entry.take() {
            running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }
}

impl Waiter {
    /// The outcome; none if the create ended without telling one, which only a
    /// defect makes it do.
    pub(super) async fn outcome(mut self) -> Option<Arc<Outcome>> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
