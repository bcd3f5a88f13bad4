//! Work under way in this process that others may join: creates by their
//! `request_id`, reads by their ARN.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::error::Error;

/// The outcome of a piece of work. Shared by all who wait for it.
pub(super) type Outcome<T> = Result<T, Error>;

/// Work under way, by key. What `M` says of a piece of work is for those who join it.
#[derive(Debug)]
pub(super) struct SingleFlight<K, M, T>(Arc<Mutex<Table<K, M, T>>>);

type Table<K, M, T> = HashMap<K, (M, Teller<T>)>;

type Teller<T> = watch::Sender<Option<Arc<Outcome<T>>>>;

/// Waits for an outcome.
#[derive(Debug)]
pub(super) struct Waiter<T>(watch::Receiver<Option<Arc<Outcome<T>>>>);

/// Tells the outcome to all who wait. While it lives, others join.
#[derive(Debug)]
pub(super) struct Leader<K: Eq + Hash, M, T> {
    outcome: Teller<T>,
    entry: Option<(SingleFlight<K, M, T>, K)>,
}

/// What one who comes is to do.
pub(super) enum Entered<K: Eq + Hash, M, T> {
    /// Do the work.
    Leader(Leader<K, M, T>, Waiter<T>),
    /// Wait for the one that does it, if it is the same work.
    Follower(M, Waiter<T>),
}

impl<K: Clone + Eq + Hash, M: Clone, T> SingleFlight<K, M, T> {
    /// Joins the work of that key, or becomes the one to do it.
    pub(super) fn enter(&self, key: K, meta: M) -> Entered<K, M, T> {
        let mut single_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match single_flight.entry(key) {
            Entry::Occupied(flight) => {
                let (meta, teller) = flight.get();
                Entered::Follower(meta.clone(), Waiter(teller.subscribe()))
            }
            Entry::Vacant(vacant) => {
                let (outcome, receiver) = watch::channel(None);
                let entry = Some((self.clone(), vacant.key().clone()));
                vacant.insert((meta, outcome.clone()));
                Entered::Leader(Leader { outcome, entry }, Waiter(receiver))
            }
        }
    }
}

impl<K: Eq + Hash, M, T> Leader<K, M, T> {
    /// Work that nobody can join.
    pub(super) fn alone() -> (Self, Waiter<T>) {
        let (outcome, receiver) = watch::channel(None);
        (Self { outcome, entry: None }, Waiter(receiver))
    }

    /// Whether somebody still waits for the outcome.
    pub(super) fn is_awaited(&self) -> bool {
        self.outcome.receiver_count() > 0
    }

    /// Works as long as somebody waits for the outcome. None if nobody does any more:
    /// then the work is dropped, and nobody can join it.
    pub(super) async fn while_awaited<W: Future>(&mut self, work: W) -> Option<W::Output> {
        tokio::select! {
            biased;
            worked = work => Some(worked),
            () = self.abandoned() => None,
        }
    }

    async fn abandoned(&mut self) {
        loop {
            self.outcome.closed().await;
            let Some((single_flight, key)) = &self.entry else { return };
            let mut single_flight = single_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock nobody can join.
            if self.outcome.receiver_count() == 0 {
                single_flight.remove(key);
                drop(single_flight);
                self.entry = None;
                return;
            }
        }
    }

    /// Tells the outcome, and nobody joins any more.
    pub(super) fn finish(self, outcome: Outcome<T>) {
        self.outcome.send_replace(Some(Arc::new(outcome)));
    }
}

impl<K: Eq + Hash, M, T> Drop for Leader<K, M, T> {
    fn drop(&mut self) {
        if let Some((single_flight, key)) = self.entry.take() {
            single_flight.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }
}

impl<T: Clone> Waiter<T> {
    /// The outcome. Work that ends without telling one has a defect.
    pub(super) async fn outcome(mut self) -> Outcome<T> {
        let told = self.0.wait_for(Option::is_some).await;
        told.ok().and_then(|outcome| outcome.as_deref().cloned()).unwrap_or(Err(Error::Internal))
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
            Entered::Follower(..) => panic!("nobody leads yet"),
        }
    }

    #[tokio::test]
    async fn all_who_come_in_time_get_one_outcome() {
        let reads = Reads::default();
        let (leader, waiter) = lead(&reads);
        let Entered::Follower((), joined) = reads.enter("a", ()) else { panic!("somebody leads") };
        leader.finish(Ok(7));
        assert_eq!(waiter.outcome().await.unwrap(), 7);
        assert_eq!(joined.outcome().await.unwrap(), 7);
        // Who comes later works anew.
        lead(&reads);
    }

    #[tokio::test]
    async fn a_leader_that_vanishes_leaves_nobody_waiting() {
        let reads = Reads::default();
        let (leader, waiter) = lead(&reads);
        drop(leader);
        assert!(matches!(waiter.outcome().await, Err(Error::Internal)));
        lead(&reads);
    }

    #[tokio::test]
    async fn works_only_as_long_as_somebody_waits() {
        let reads = Reads::default();
        let (mut leader, waiter) = lead(&reads);
        assert_eq!(leader.while_awaited(async { 7 }).await, Some(7));
        let Entered::Follower((), joined) = reads.enter("a", ()) else { panic!("somebody leads") };
        drop(waiter);
        let never = std::future::pending::<()>();
        let work = tokio::spawn(async move { leader.while_awaited(never).await });
        tokio::task::yield_now().await;
        assert!(!work.is_finished());
        drop(joined);
        assert_eq!(work.await.unwrap(), None);
        // Who comes now finds nothing to join.
        lead(&reads);
    }

    #[test]
    fn knows_whether_anybody_waits() {
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
