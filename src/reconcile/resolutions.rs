//! The handle for submitting in-doubt creates and awaiting their resolution.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::{Notify, oneshot};

use crate::{ledger::Resource, request::OperationId};

/// The resolution of an in-doubt create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The configuration exists.
    Live(Resource),
    /// The configuration does not exist.
    Gone,
}

/// Handle for submitting in-doubt creates and awaiting their resolution. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Resolutions(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wake: Notify,
    state: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    senders: HashMap<OperationId, Vec<oneshot::Sender<Resolution>>>,
    /// Creates that may be sent again, because AWS has not listed them for long enough, each
    /// with the time of that sending. Nothing is known about a later sending.
    absent: HashMap<OperationId, SystemTime>,
}

impl Resolutions {
    /// Submits an in-doubt create, and waits at most `wait` for its resolution.
    pub async fn resolution(&self, row: OperationId, wait: Duration) -> Option<Resolution> {
        let (sender, receiver) = oneshot::channel();
        self.with(|state| state.senders.entry(row).or_default().push(sender));
        self.0.wake.notify_one();
        let resolution = tokio::time::timeout(wait, receiver).await;
        self.with(|state| {
            if let Some(senders) = state.senders.get_mut(&row) {
                senders.retain(|sender| !sender.is_closed());
                if senders.is_empty() {
                    state.senders.remove(&row);
                }
            }
        });
        resolution.ok()?.ok()
    }

    /// Whether the create that was last sent at `sent_at` may be sent again, because AWS has
    /// not listed it for long enough.
    #[must_use]
    pub fn may_resend(&self, row: OperationId, sent_at: SystemTime) -> bool {
        self.with(|state| state.absent.get(&row) == Some(&sent_at))
    }

    /// Sends the resolution to all callers that wait for it.
    pub(super) fn publish(&self, row: OperationId, resolution: &Resolution) {
        let senders = self.with(|state| {
            state.absent.remove(&row);
            state.senders.remove(&row).unwrap_or_default()
        });
        for sender in senders {
            // A caller that stopped waiting reads the outcome from the ledger later.
            let _ = sender.send(resolution.clone());
        }
    }

    pub(super) fn set_absent(&self, row: OperationId, sent_at: SystemTime) {
        self.with(|state| state.absent.insert(row, sent_at));
    }

    pub(super) fn unset_absent(&self, row: OperationId) {
        self.with(|state| state.absent.remove(&row));
    }

    /// Waits until a caller submits an in-doubt create.
    pub(super) async fn submitted(&self) {
        self.0.wake.notified().await;
    }

    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::ids::Ids;

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_stops_waiting_leaves_the_others() {
        let resolutions = Resolutions::default();
        let row = Ids::seeded(1).next_operation_id(UNIX_EPOCH);
        let publishes = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(resolutions.with(|state| state.senders[&row].len()), 1);
            resolutions.publish(row, &Resolution::Gone);
        };
        let (short, long, ()) = tokio::join!(
            resolutions.resolution(row, Duration::from_secs(1)),
            resolutions.resolution(row, Duration::from_mins(1)),
            publishes,
        );
        assert_eq!((short, long), (None, Some(Resolution::Gone)));
        assert!(resolutions.with(|state| state.senders.is_empty()));
    }

    /// A proof of absence concerns one sending, and ends with the resolution.
    #[test]
    fn a_create_may_be_sent_again_until_it_is_resolved() {
        let resolutions = Resolutions::default();
        let row = Ids::seeded(1).next_operation_id(UNIX_EPOCH);
        let later = UNIX_EPOCH + Duration::from_secs(1);
        assert!(!resolutions.may_resend(row, UNIX_EPOCH));
        resolutions.set_absent(row, UNIX_EPOCH);
        assert!(resolutions.may_resend(row, UNIX_EPOCH) && !resolutions.may_resend(row, later));
        resolutions.unset_absent(row);
        assert!(!resolutions.may_resend(row, UNIX_EPOCH));
        resolutions.set_absent(row, UNIX_EPOCH);
        resolutions.publish(row, &Resolution::Gone);
        assert!(!resolutions.may_resend(row, UNIX_EPOCH));
    }
}
