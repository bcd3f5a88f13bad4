//! The resources of the emulated account: stages and ingest configurations, in memory.
//! `operations` validates requests before it calls this module.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use secrecy::SecretString;
use tokio::time::Instant;

use crate::{ids::Ids, validation::ResourceType};

/// A stage.
pub(crate) struct Stage {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// Whether the host program created the stage, and not a request. A reset keeps it.
    built_in: bool,
}

/// An ingest configuration.
pub(crate) struct IngestConfiguration {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) ingest_protocol: &'static str,
    pub(crate) stage_arn: String,
    pub(crate) user_id: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) credential: Credential,
    /// Two credentials for redundant ingest, else none.
    pub(crate) redundant_credentials: Vec<Credential>,
    /// Whether an encoder publishes. Only the control API changes it.
    pub(crate) active: bool,
    pub(crate) created_at: SystemTime,
    /// The time from which lists show the configuration. `None` means never.
    pub(crate) listed_from: Option<Instant>,
    /// The time from which other operations find the configuration. `None` means never.
    pub(crate) found_from: Option<Instant>,
    /// The time from which reads return the tags. `None` means never.
    pub(crate) tagged_from: Option<Instant>,
}

static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

impl IngestConfiguration {
    pub(crate) fn state(&self) -> &'static str {
        if self.active { "ACTIVE" } else { "INACTIVE" }
    }

    /// Returns the tags that a read at `now` shows.
    pub(crate) fn tags_at(&self, now: Instant) -> &BTreeMap<String, String> {
        if is_past(self.tagged_from, now) { &self.tags } else { &NO_TAGS }
    }
}

/// Returns whether the time has come. `None` never comes.
pub(crate) fn is_past(time: Option<Instant>, now: Instant) -> bool {
    time.is_some_and(|time| time <= now)
}

/// The participant id and the stream key of an encoder.
pub(crate) struct Credential {
    pub(crate) participant_id: String,
    pub(crate) stream_key: SecretString,
}

/// All resources of the account.
pub(crate) struct Resources {
    region: String,
    account_id: String,
    ids: Ids,
    pub(crate) stages: Collection<Stage>,
    pub(crate) ingest_configurations: Collection<IngestConfiguration>,
}

impl Resources {
    pub(crate) fn new(region: String, account_id: String, ids: Ids) -> Self {
        Self {
            region,
            account_id,
            ids,
            stages: Collection::default(),
            ingest_configurations: Collection::default(),
        }
    }

    /// Returns an ARN with a new id.
    pub(crate) fn new_arn(&self, kind: ResourceType) -> String {
        self.arn(kind, &self.ids.id())
    }

    fn arn(&self, kind: ResourceType, id: &str) -> String {
        format!("arn:aws:ivs:{}:{}:{}/{id}", self.region, self.account_id, kind.as_str())
    }

    /// Returns a credential with new ids, in the format of AWS.
    pub(crate) fn credential(&self) -> Credential {
        let id = || self.ids.id();
        let (first, secret) = (id(), id() + &id());
        let stream_key = format!("rt_{}_{}_{first}_{secret}", self.account_id, self.region);
        Credential { participant_id: id(), stream_key: stream_key.into() }
    }

    pub(crate) fn create_stage(&mut self, name: String, tags: BTreeMap<String, String>) -> &Stage {
        let arn = self.new_arn(ResourceType::Stage);
        let stage = Stage { arn: arn.clone(), name, tags, built_in: false };
        self.stages.insert(arn, stage)
    }

    /// Creates a built-in stage; see [`crate::Emulator::create_stage`].
    pub(crate) fn create_named_stage(
        &mut self,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> String {
        let allowed = |character: &char| character.is_ascii_alphanumeric() || *character == '-';
        let name: String = name.chars().filter(allowed).take(64).collect();
        let words = name.split('-').filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(first.to_ascii_uppercase() + rest)
        });
        let stem: String = words.collect();
        let mut number = 1;
        let arn = loop {
            let arn = self.arn(ResourceType::Stage, &format!("{stem}{number:04}"));
            if self.stages.get(&arn).is_none() {
                break arn;
            }
            number += 1;
        };
        let stage = Stage { arn: arn.clone(), name, tags, built_in: true };
        self.stages.insert(arn.clone(), stage);
        arn
    }

    /// Returns the configuration, if it exists and operations find it at `now`.
    pub(crate) fn configuration(
        &mut self,
        arn: &str,
        now: Instant,
    ) -> Option<&mut IngestConfiguration> {
        self.ingest_configurations.get_mut(arn).filter(|row| is_past(row.found_from, now))
    }

    /// Returns the tags that a read at `now` shows of a resource of any type, if it exists.
    pub(crate) fn tags(&mut self, arn: &str, now: Instant) -> Option<&BTreeMap<String, String>> {
        if self.stages.get(arn).is_some() {
            return self.stages.get(arn).map(|stage| &stage.tags);
        }
        self.configuration(arn, now).map(|configuration| configuration.tags_at(now))
    }

    /// Returns the tags of a resource of any type, if it exists.
    pub(crate) fn tags_mut(
        &mut self,
        arn: &str,
        now: Instant,
    ) -> Option<&mut BTreeMap<String, String>> {
        if self.stages.get(arn).is_some() {
            return self.stages.get_mut(arn).map(|stage| &mut stage.tags);
        }
        self.configuration(arn, now).map(|configuration| &mut configuration.tags)
    }

    /// Removes all resources except built-in stages.
    pub(crate) fn reset(&mut self) {
        self.stages.retain(|stage| stage.built_in);
        self.ingest_configurations.retain(|_| false);
    }
}

/// Rows in the order of their creation, with an index by ARN.
pub(crate) struct Collection<T> {
    rows: BTreeMap<u64, T>,
    positions: HashMap<String, u64>,
    next_position: u64,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), positions: HashMap::new(), next_position: 0 }
    }
}

impl<T> Collection<T> {
    pub(crate) fn get(&self, arn: &str) -> Option<&T> {
        self.rows.get(self.positions.get(arn)?)
    }

    pub(crate) fn get_mut(&mut self, arn: &str) -> Option<&mut T> {
        self.rows.get_mut(self.positions.get(arn)?)
    }

    pub(crate) fn insert(&mut self, arn: String, row: T) -> &T {
        let position = self.next_position;
        self.next_position += 1;
        self.positions.insert(arn, position);
        self.rows.entry(position).or_insert(row)
    }

    pub(crate) fn remove(&mut self, arn: &str) {
        if let Some(position) = self.positions.remove(arn) {
            self.rows.remove(&position);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    /// Returns at most `limit` matching rows after a position, and the position of the last
    /// returned row if more rows match.
    pub(crate) fn page(
        &self,
        after: Option<u64>,
        limit: usize,
        matches: impl Fn(&T) -> bool,
    ) -> (Vec<&T>, Option<u64>) {
        let begin = after.map_or(0, |position| position.saturating_add(1));
        let mut found =
            self.rows.range(begin..).filter(|(_, row)| matches(row)).take(limit.saturating_add(1));
        let mut page = Vec::new();
        let mut last = None;
        for (position, row) in found.by_ref().take(limit) {
            page.push(row);
            last = Some(*position);
        }
        let more = found.next().is_some();
        (page, last.filter(|_| more))
    }

    /// Returns at most `limit` matching rows after the first `skipped` ones, and the number of
    /// rows up to the end of the page if more rows match.
    pub(crate) fn page_by_offset(
        &self,
        skipped: Option<u64>,
        limit: usize,
        matches: impl Fn(&T) -> bool,
    ) -> (Vec<&T>, Option<u64>) {
        let skipped = usize::try_from(skipped.unwrap_or_default()).unwrap_or(usize::MAX);
        let mut rows = self.rows.values().filter(|row| matches(row)).skip(skipped);
        let page: Vec<&T> = rows.by_ref().take(limit).collect();
        let end = u64::try_from(skipped.saturating_add(page.len())).unwrap_or(u64::MAX);
        (page, rows.next().map(|_| end))
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.rows.retain(|_, row| keep(row));
        let rows = &self.rows;
        self.positions.retain(|_, position| rows.contains_key(position));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_with_further_rows_has_a_next_position() {
        let mut rows = Collection::default();
        for number in 0..6 {
            rows.insert(number.to_string(), number);
        }
        rows.remove("1");
        let (page, next) = rows.page(None, 3, |_| true);
        assert_eq!(page, [&0, &2, &3]);
        let (page, end) = rows.page(next, 2, |_| true);
        assert_eq!((page, end), (vec![&4, &5], None));
        assert_eq!(rows.page(None, 2, |row| row % 2 == 0), (vec![&0, &2], Some(2)));
        assert_eq!(rows.page(Some(u64::MAX), 2, |_| true), (vec![], None));
    }

    #[test]
    fn a_built_in_stage_has_an_id_made_from_its_name() {
        let mut resources = Resources::new("eu-west-1".into(), "1".into(), Ids::default());
        let mut create = |name| resources.create_named_stage(name, BTreeMap::new());
        assert_eq!(create("acme-studio"), "arn:aws:ivs:eu-west-1:1:stage/AcmeStudio0001");
        assert_eq!(create("acme-studio"), "arn:aws:ivs:eu-west-1:1:stage/AcmeStudio0002");
        assert_eq!(create("ö"), "arn:aws:ivs:eu-west-1:1:stage/0001");
        resources.create_stage(String::new(), BTreeMap::new());
        resources.reset();
        assert_eq!(resources.stages.iter().count(), 3);
    }
}
