//! The tags of configurations without a row, as the resolver has read them.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::request::OperationId;

/// Maximum number of configurations. A full cache is cleared, and they are read again.
const MAX: usize = 100_000;

/// The owner of a configuration, according to its tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The create with this id made it.
    Create(OperationId),
    /// It does not have the gateway's tags, and AWS has listed it for so long that its tags
    /// cannot be late.
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
    /// When the configuration was first listed without readable tags, and whether its tags were
    /// still missing [`Self::longest_delay`] later.
    untagged: HashMap<String, (Instant, bool)>,
    longest_delay: Duration,
}

impl TagsRead {
    /// Returns an empty cache. Tags appear at most `longest_delay` after a configuration is first
    /// listed.
    pub(super) fn new(longest_delay: Duration) -> Self {
        Self { creates: HashMap::new(), untagged: HashMap::new(), longest_delay }
    }

    /// Returns the owner if no read can change it.
    pub(super) fn known(&self, arn: &str) -> Option<Owner> {
        if let Some(operation_id) = self.creates.get(arn) {
            return Some(Owner::Create(*operation_id));
        }
        let (_, is_foreign) = self.untagged.get(arn)?;
        is_foreign.then_some(Owner::Foreign)
    }

    /// Records the result of a read that began at `began`: the create that the tags name, or
    /// `None`. Returns the owner.
    pub(super) fn record(
        &mut self,
        arn: &str,
        operation_id: Option<OperationId>,
        began: Instant,
    ) -> Owner {
        if self.creates.len() + self.untagged.len() >= MAX {
            self.creates.clear();
            self.untagged.clear();
        }
        if let Some(operation_id) = operation_id {
            self.untagged.remove(arn);
            self.creates.insert(arn.to_owned(), operation_id);
            return Owner::Create(operation_id);
        }
        let (since, is_foreign) = self.untagged.entry(arn.to_owned()).or_insert((began, false));
        *is_foreign = began.duration_since(*since) >= self.longest_delay;
        if *is_foreign { Owner::Foreign } else { Owner::Undecided }
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
        assert_eq!(tags.known("a"), Some(Owner::Foreign));
    }

    #[tokio::test(start_paused = true)]
    async fn late_tags_name_the_create() {
        let mut tags = TagsRead::new(Duration::from_mins(1));
        let id = Ids::seeded(1).next_operation_id(std::time::UNIX_EPOCH);
        assert_eq!(tags.record("a", None, Instant::now()), Owner::Undecided);
        assert_eq!(tags.record("a", Some(id), Instant::now()), Owner::Create(id));
        assert_eq!(tags.known("a"), Some(Owner::Create(id)));
    }
}
