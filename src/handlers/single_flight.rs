//! Running work of this process that concurrent calls share: creates by their `request_id`,
//! reads by their ARN.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::error::Error;

/// The outcome of a piece of work. All waiters receive it.
pub(super) type Outcome<T> = Result<T, Error>;

/// Running work by key. `M` is metadata of the work, which [`Entered::Follower`] returns.
#[derive(Debug)]
pub(super) struct SingleFlight<K, M, T>(Arc<Mutex<Table<K, M, T>>>);

type Table<K, M, T> = HashMap<K, (M, Arc<Flight<T>>)>;

/// One piece of running work. Its waiters are woken in the order of their waits, so that a
/// simulation can be repeated; a `watch` channel wakes them in a random order.
#[derive(Debug)]
struct Flight<T> {
    /// The outcome. `None` if the leader was dropped without one.
    outcome: OnceLock<Option<Outcome<T>>>,
    published: Notify,
    waiters: AtomicUsize,
    abandoned: Notify,
}

/// A handle that waits for an outcome.
#[derive(Debug)]
pub(super) struct Waiter<T>(Arc<Flight<T>>);

/// A handle that publishes the outcome to all waiters. Other calls can join until it is
/// finished or dropped.
#[derive(Debug)]
pub(super) struct Leader<K: Eq + Hash, M, T> {
    flight: Arc<Flight<T>>,
    entry: Option<(SingleFlight<K, M, T>, K)>,
}

/// The role of a call that enters.
pub(super) enum Entered<K: Eq + Hash, M, T> {
    /// The call must do the work.
    Leader(Leader<K, M, T>, Waiter<T>),
    /// Another call does the work. The call may wait for its outcome if the metadata matches.
    Follower(M, Waiter<T>),
}

impl<K: Clone + Eq + Hash, M: Clone, T> SingleFlight<K, M, T> {
    /// Joins the running work with this key, or starts work with `meta`.
    pub(super) fn enter(&self, key: K, meta: M) -> Entered<K, M, T> {
        let mut single_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match single_flight.entry(key) {
            Entry::Occupied(flight) => {
                let (meta, flight) = flight.get();
                Entered::Follower(meta.clone(), Waiter::of(flight))
            }
            Entry::Vacant(vacant) => {
                let flight = Arc::default();
                let waiter = Waiter::of(&flight);
                let entry = Some((self.clone(), vacant.key().clone()));
                vacant.insert((meta, Arc::clone(&flight)));
                Entered::Leader(Leader { flight, entry }, waiter)
            }
        }
    }
}

impl<K: Eq + Hash, M, T> SingleFlight<K, M, T> {
    /// Lets no other call join the running work, because its outcome may be outdated.
    pub(super) fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Removes the entry of the flight. Its key may have another flight by now.
fn remove<K: Eq + Hash, M, T>(table: &mut Table<K, M, T>, key: &K, flight: &Arc<Flight<T>>) {
    if table.get(key).is_some_and(|(_, other)| Arc::ptr_eq(other, flight)) {
        table.remove(key);
    }
}

impl<K: Eq + Hash, M, T> Leader<K, M, T> {
    /// Returns handles for work that no other call can join.
    pub(super) fn alone() -> (Self, Waiter<T>) {
        let flight = Arc::default();
        let waiter = Waiter::of(&flight);
        (Self { flight, entry: None }, waiter)
    }

    /// Whether a call still waits for the outcome.
    pub(super) fn is_awaited(&self) -> bool {
        self.flight.is_awaited()
    }

    /// Runs `work` as long as a call waits for the outcome. When the last waiter is gone, drops
    /// the work and returns `None`. Other calls cannot join it then.
    pub(super) async fn while_awaited<W: Future>(&mut self, work: W) -> Option<W::Output> {
        tokio::select! {
            biased;
            output = work => Some(output),
            () = self.abandoned() => None,
        }
    }

    /// Waits until the last waiter is gone, and removes the entry.
    async fn abandoned(&mut self) {
        loop {
            if !self.flight.is_awaited() {
                let Some((single_flight, key)) = &self.entry else { return };
                let mut single_flight =
                    single_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
                // A call may have joined before the lock was acquired. None can join during it.
                if !self.flight.is_awaited() {
                    remove(&mut single_flight, key, &self.flight);
                    drop(single_flight);
                    self.entry = None;
                    return;
                }
            }
            self.flight.abandoned.notified().await;
        }
    }

    /// Publishes the outcome. Other calls cannot join any more.
    pub(super) fn finish(self, outcome: Outcome<T>) {
        self.flight.publish(Some(outcome));
    }
}

impl<T> Flight<T> {
    fn is_awaited(&self) -> bool {
        self.waiters.load(Ordering::Acquire) > 0
    }

    /// Publishes the first outcome, and ignores others.
    fn publish(&self, outcome: Option<Outcome<T>>) {
        let _ = self.outcome.set(outcome);
        self.published.notify_waiters();
    }
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self {
            outcome: OnceLock::new(),
            published: Notify::new(),
            waiters: AtomicUsize::new(0),
            abandoned: Notify::new(),
        }
    }
}

impl<K: Eq + Hash, M, T> Drop for Leader<K, M, T> {
    fn drop(&mut self) {
        if let Some((single_flight, key)) = self.entry.take() {
            let mut table = single_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
            remove(&mut table, &key, &self.flight);
        }
        self.flight.publish(None);
    }
}

impl<T> Waiter<T> {
    fn of(flight: &Arc<Flight<T>>) -> Self {
        flight.waiters.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(flight))
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        if self.0.waiters.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.abandoned.notify_one();
        }
    }
}

impl<T: Clone> Waiter<T> {
    /// Waits for the outcome. Returns `None` if the leader is dropped without one, because
    /// its task panicked.
    pub(super) async fn outcome(self) -> Option<Outcome<T>> {
        loop {
            // Before the check, so that no publication is missed.
            let published = self.0.published.notified();
            if let Some(outcome) = self.0.outcome.get() {
                return outcome.clone();
            }
            published.await;
        }
    }
}

impl<K, M, T> Clone for SingleFlight<K, M, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, M, T> Default for SingleFlight<K, M, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reads = SingleFlight<&'static str, (), u32>;

    fn lead(reads: &Reads) -> (Leader<&'static str, (), u32>, Waiter<u32>) {
        match reads.enter("a", ()) {
            Entered::Leader(leader, waiter) => (leader, waiter),
            Entered::Follower(..) => panic!("the work already has a leader"),
        }
    }

    fn follow(reads: &Reads) -> Waiter<u32> {
        match reads.enter("a", ()) {
            Entered::Follower((), waiter) => waiter,
            Entered::Leader(..) => panic!("the work has no leader"),
        }
    }

    #[tokio::test]
    async fn concurrent_calls_share_one_outcome() {
        let reads = Reads::default();
        let (leader, waiter) = lead(&reads);
        let joined = follow(&reads);
        leader.finish(Ok(7));
        assert_eq!(waiter.outcome().await.unwrap().unwrap(), 7);
        assert_eq!(joined.outcome().await.unwrap().unwrap(), 7);
        // A later call starts new work.
        lead(&reads);
    }

    #[tokio::test]
    async fn a_dropped_leader_fails_its_waiters() {
        let reads = Reads::default();
        let (leader, waiter) = lead(&reads);
        drop(leader);
        assert!(waiter.outcome().await.is_none());
        lead(&reads);
    }

    #[tokio::test]
    async fn work_is_dropped_when_the_last_waiter_is_gone() {
        let reads = Reads::default();
        let (mut leader, waiter) = lead(&reads);
        assert_eq!(leader.while_awaited(async { 7 }).await, Some(7));
        let joined = follow(&reads);
        drop(waiter);
        let never = std::future::pending::<()>();
        let work = tokio::spawn(async move { leader.while_awaited(never).await });
        tokio::task::yield_now().await;
        assert!(!work.is_finished());
        drop(joined);
        assert_eq!(work.await.unwrap(), None);
        // A later call starts new work.
        lead(&reads);
    }

    #[test]
    fn is_awaited_as_long_as_a_waiter_exists() {
        let reads = Reads::default();
        let (leader, waiter) = lead(&reads);
        assert!(leader.is_awaited());
        drop(waiter);
        assert!(!leader.is_awaited());
        let joined = reads.enter("a", ());
        assert!(leader.is_awaited());
        drop(joined);
        let (alone, waiter) = Leader::<&str, (), u32>::alone();
        assert!(alone.is_awaited());
        drop(waiter);
        assert!(!alone.is_awaited());
    }
}
