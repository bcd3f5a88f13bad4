//! The tags of configurations without a row, as the resolver or the scan has read them.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::request::OperationId;

/// Maximum number of configurations. A full cache is cleared, and they are read again.
const MAX: usize = 100_000;

/// The time after which the tags of a foreign configuration are read again. The command `adopt`
/// may have assigned it to a tenant.
const FOREIGN_AGE: Duration = Duration::from_mins(10);

/// The time for which the tags of a configuration must be unreadable before it is ignored, as a
/// multiple of the longest delay of tags: longer than a short outage, which must not hide the
/// configurations of the gateway.
pub(super) const IGNORED_AFTER: u32 = 5;

/// The owner of a configuration, according to its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The create with this id made it.
    Create(OperationId),
    /// It does not have the gateway's tags, and AWS has listed it for so long that its tags
    /// cannot be late; or its tags have been unreadable for long.
    Foreign,
    /// Its tags could not be read, or may be late: it may be the configuration of any create
    /// with its fields.
    Undecided,
}

/// A cache of tags. An entry with a create stays valid: the command `adopt` writes the tag too,
/// with a new id.
#[derive(Debug)]
pub(super) struct TagsRead {
    creates: HashMap<String, OperationId>,
    untagged: HashMap<String, Untagged>,
    longest_delay: Duration,
}

/// The reads of a configuration that did not find the gateway's tags.
#[derive(Debug, Clone, Copy)]
struct Untagged {
    first: Instant,
    last: Instant,
    /// Whether the last read has failed.
    is_unreadable: bool,
}

impl TagsRead {
    /// Returns an empty cache. Tags appear at most `longest_delay` after a configuration is first
    /// listed.
    pub(super) fn new(longest_delay: Duration) -> Self {
        Self { creates: HashMap::new(), untagged: HashMap::new(), longest_delay }
    }

    /// Returns the owner if no read can change it soon.
    pub(super) fn known(&self, arn: &str) -> Option<Owner> {
        if let Some(operation_id) = self.creates.get(arn) {
            return Some(Owner::Create(*operation_id));
        }
        let untagged = self.untagged.get(arn)?;
        let is_known = self.is_foreign(*untagged)
            && !untagged.is_unreadable
            && untagged.last.elapsed() < FOREIGN_AGE;
        is_known.then_some(Owner::Foreign)
    }

    /// Whether the tags cannot be late.
    fn is_foreign(&self, untagged: Untagged) -> bool {
        let factor = if untagged.is_unreadable { IGNORED_AFTER } else { 1 };
        untagged.last.duration_since(untagged.first) >= self.longest_delay * factor
    }

    /// Records that a read that began at `began` has failed. Returns the owner: a configuration
    /// that is unreadable for long counts as foreign.
    pub(super) fn record_failure(&mut self, arn: &str, began: Instant) -> Owner {
        self.record_untagged(arn, Untagged { first: began, last: began, is_unreadable: true })
    }

    /// Forgets the reads of a configuration.
    pub(super) fn forget(&mut self, arn: &str) {
        self.untagged.remove(arn);
    }

    /// Records the result of a read that began at `began`: the create that the tags name, or
    /// `None`. Returns the owner.
    pub(super) fn record(
        &mut self,
        arn: &str,
        operation_id: Option<OperationId>,
        began: Instant,
    ) -> Owner {
        if let Some(operation_id) = operation_id {
            self.make_room();
            self.untagged.remove(arn);
            self.creates.insert(arn.to_owned(), operation_id);
            return Owner::Create(operation_id);
        }
        self.record_untagged(arn, Untagged { first: began, last: began, is_unreadable: false })
    }

    /// Clears a full cache.
    fn make_room(&mut self) {
        if self.creates.len() + self.untagged.len() >= MAX {
            self.creates.clear();
            self.untagged.clear();
        }
    }

    fn record_untagged(&mut self, arn: &str, read: Untagged) -> Owner {
        self.make_room();
        let first = self.untagged.get(arn).map_or(read.first, |untagged| untagged.first);
        let untagged = Untagged { first, ..read };
        self.untagged.insert(arn.to_owned(), untagged);
        if self.is_foreign(untagged) { Owner::Foreign } else { Owner::Undecided }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    #[tokio::test(start_paused = true)]
    async fn a_configuration_is_foreign_only_after_its_tags_cannot_be_late() {
        let mut tags = TagsRead::new(Duration::from_mins(1));
        let began = Instant::now();
        assert_eq!(tags.known("a"), None);
        assert_eq!(tags.record("a", None, began), Owner::Undecided);
        assert_eq!(tags.record("a", None, began + Duration::from_secs(59)), Owner::Undecided);
        assert_eq!(tags.known("a"), None);
        assert_eq!(tags.record("a", None, began + Duration::from_mins(1)), Owner::Foreign);
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(tags.known("a"), Some(Owner::Foreign));
        // It may have been assigned to a tenant since.
        tokio::time::sleep(FOREIGN_AGE).await;
        assert_eq!(tags.known("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreadable_configuration_counts_as_foreign_after_a_longer_time() {
        let mut tags = TagsRead::new(Duration::from_mins(1));
        let began = Instant::now();
        let after = |minutes| began + Duration::from_mins(minutes);
        assert_eq!(tags.record_failure("a", began), Owner::Undecided);
        assert_eq!(tags.record_failure("a", after(4)), Owner::Undecided);
        assert_eq!(tags.record_failure("a", after(5)), Owner::Foreign);
        // It may become readable.
        assert_eq!(tags.known("a"), None);
        tags.forget("a");
        assert_eq!(tags.record_failure("a", after(6)), Owner::Undecided);
    }

    #[tokio::test(start_paused = true)]
    async fn late_tags_name_the_create() {
        let mut tags = TagsRead::new(Duration::from_mins(1));
        let id = Ids::seeded(1).next_operation_id(std::time::UNIX_EPOCH);
        assert_eq!(tags.record("a", None, Instant::now()), Owner::Undecided);
        assert_eq!(tags.record("a", Some(id), Instant::now()), Owner::Create(id));
        assert_eq!(tags.known("a"), Some(Owner::Create(id)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_cache_is_cleared() {
        let mut tags = TagsRead::new(Duration::from_mins(1));
        let id = Ids::seeded(1).next_operation_id(std::time::UNIX_EPOCH);
        tags.record("a", Some(id), Instant::now());
        for number in 1..MAX {
            tags.record(&number.to_string(), None, Instant::now());
        }
        assert_eq!(tags.known("a"), Some(Owner::Create(id)));
        tags.record("b", None, Instant::now());
        assert_eq!((tags.known("a"), tags.untagged.len()), (None, 1));
    }
}
