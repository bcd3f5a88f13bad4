//! Compares the responses to callers, the rows of the ledger, and the configurations at AWS.

use std::collections::{BTreeMap, BTreeSet};

use ivs_ingest_gateway::ledger::State;

use crate::{
    aws::Held,
    callers::{End, Wish},
    gateway::LedgerRow,
};

/// The result of the comparison.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Requests whose callers received a configuration.
    pub(crate) acknowledged: usize,
    /// Requests that were executed and whose callers abandoned them.
    pub(crate) resolved: usize,
    pub(crate) refused: usize,
    /// Requests that were not executed and whose callers abandoned them.
    pub(crate) abandoned: usize,
    pub(crate) live: usize,
    /// Configurations beyond the first of one request.
    pub(crate) duplicates: usize,
    /// Configurations that a caller received, and that AWS does not have or has with another
    /// key.
    pub(crate) lost: Vec<String>,
    /// Used quota without a configuration, and configurations that use no quota.
    pub(crate) leaked: Vec<String>,
    /// Tenants, with their quota use in the ledger and their configurations at AWS.
    pub(crate) tenants: BTreeMap<String, (usize, usize)>,
    /// Responses that no caller should receive.
    pub(crate) wrong: Vec<String>,
}

type Key = (String, String);

impl Findings {
    pub(crate) fn of(ends: &[(Wish, End)], held: &[Held], rows: &[LedgerRow]) -> Self {
        let mut findings = Self { live: held.len(), ..Self::default() };
        let mut by_request: BTreeMap<Key, Vec<&Held>> = BTreeMap::new();
        for held in held {
            let key = (held.tag("tenant").to_owned(), held.tag("request-id").to_owned());
            findings.tenants.entry(key.0.clone()).or_default().1 += 1;
            by_request.entry(key).or_default().push(held);
        }
        findings.duplicates = by_request.values().map(|held| held.len() - 1).sum();
        findings.compare_callers(ends, &by_request);
        findings.compare_ledger(held, rows);
        findings
    }

    fn compare_callers(&mut self, ends: &[(Wish, End)], held: &BTreeMap<Key, Vec<&Held>>) {
        for (wish, end) in ends {
            let key = (wish.tenant.clone(), wish.request.request_id.clone());
            let held = held.get(&key).map_or(&[][..], Vec::as_slice);
            match end {
                End::Acknowledged { arn, stream_key } => {
                    self.acknowledged += 1;
                    let is_it = |held: &&Held| held.arn == *arn && held.stream_key == *stream_key;
                    if !held.iter().any(is_it) {
                        self.lost.push(format!("{key:?} was answered {arn}"));
                    }
                }
                End::Refused => {
                    self.refused += 1;
                    if !held.is_empty() {
                        self.leaked.push(format!("{key:?} was refused, and made"));
                    }
                }
                End::Abandoned if held.is_empty() => self.abandoned += 1,
                End::Abandoned => self.resolved += 1,
                End::Wrong(what) => self.wrong.push(format!("{key:?}: {what}")),
            }
        }
    }

    fn compare_ledger(&mut self, held: &[Held], rows: &[LedgerRow]) {
        let at_aws: BTreeSet<[&str; 3]> = held
            .iter()
            .map(|held| [held.tag("tenant"), held.tag("request-id"), held.arn.as_str()])
            .collect();
        let mut live = BTreeSet::new();
        for row in rows {
            let state = State::from_code(row.state).unwrap();
            if !state.counts_against_quota() {
                continue;
            }
            self.tenants.entry(row.tenant.clone()).or_default().0 += 1;
            let is = [&*row.tenant, &*row.request_id, row.arn.as_deref().unwrap_or_default()];
            if state != State::Live || !at_aws.contains(&is) {
                self.leaked.push(format!("{is:?} has a place, and is {state}"));
            }
            live.insert(is);
        }
        let without_place = at_aws.difference(&live);
        self.leaked.extend(without_place.map(|is| format!("{is:?} has no place")));
    }

    /// Tenants whose quota use differs from their configurations at AWS.
    pub(crate) fn tenants_that_differ(&self) -> usize {
        self.tenants.values().filter(|(places, held)| places != held).count()
    }
}
