//! The pacers of one account and region: one for each operation.

use tokio_util::sync::CancellationToken;

use super::operations::{AwsOperation, Create, Delete, Get, GetStage, List, ListTags, Tag, Update};
use crate::pacer::{Load, Pacer};

/// One pacer for each operation of AWS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pacers {
    /// `CreateIngestConfiguration`.
    pub create: Pacer<Create>,
    /// `GetIngestConfiguration`.
    pub get: Pacer<Get>,
    /// `UpdateIngestConfiguration`.
    pub update: Pacer<Update>,
    /// `DeleteIngestConfiguration`.
    pub delete: Pacer<Delete>,
    /// `ListIngestConfigurations`.
    pub list: Pacer<List>,
    /// `GetStage`.
    pub get_stage: Pacer<GetStage>,
    /// `ListTagsForResource`.
    pub list_tags: Pacer<ListTags>,
    /// `TagResource`, which only the command `adopt` calls.
    pub tag: Pacer<Tag>,
}

impl Pacers {
    /// Returns pacers of `calls_per_second`, multiplied by each operation's factor.
    #[must_use]
    pub fn new(calls_per_second: f64) -> Self {
        Self {
            create: pacer(Create::new(), calls_per_second),
            get: pacer(Get::new(), calls_per_second),
            update: pacer(Update::new(), calls_per_second),
            delete: pacer(Delete::new(), calls_per_second),
            list: pacer(List::new(), calls_per_second),
            get_stage: pacer(GetStage::new(), calls_per_second),
            list_tags: pacer(ListTags::new(), calls_per_second),
            tag: pacer(Tag::new(), calls_per_second),
        }
    }

    /// Grants permits until `shutdown` fires. Without this task a call that must wait is
    /// never granted.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = self.create.run() => {}
            () = self.get.run() => {}
            () = self.update.run() => {}
            () = self.delete.run() => {}
            () = self.list.run() => {}
            () = self.get_stage.run() => {}
            () = self.list_tags.run() => {}
            () = self.tag.run() => {}
        }
    }

    /// Returns the load of each operation that the running gateway calls, by AWS's name.
    pub(super) fn loads(&self) -> [(&'static str, Load); 7] {
        [
            load(&self.create),
            load(&self.get),
            load(&self.update),
            load(&self.delete),
            load(&self.list),
            load(&self.get_stage),
            load(&self.list_tags),
        ]
    }
}

fn pacer<O: AwsOperation>(operation: O, calls_per_second: f64) -> Pacer<O> {
    Pacer::new(operation, calls_per_second * O::RATE_FACTOR)
}

fn load<O: AwsOperation>(pacer: &Pacer<O>) -> (&'static str, Load) {
    (O::NAME, pacer.load())
}
