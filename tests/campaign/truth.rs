//! Compares the responses to callers, the rows of the ledger, and the configurations at AWS.

use std::collections::{BTreeMap, BTreeSet};

use ivs_ingest_gateway::ledger::State;

use crate::{
    aws::Configuration,
    callers::{Job, Outcome},
    gateway::LedgerRow,
};

/// The results of the comparison.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Requests whose callers received a configuration.
    pub(crate) acknowledged: usize,
    /// Requests that were executed and whose callers abandoned them.
    pub(crate) resolved: usize,
    /// Requests that the gateway rejected because of the quota.
    pub(crate) rejected: usize,
    /// Requests that were not executed and whose callers abandoned them.
    pub(crate) abandoned: usize,
    pub(crate) live: usize,
    /// Configurations beyond the first of each request.
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
    pub(crate) fn of(
        outcomes: &[(Job, Outcome)],
        at_aws: &[Configuration],
        rows: &[LedgerRow],
    ) -> Self {
        let mut findings = Self { live: at_aws.len(), ..Self::default() };
        let mut by_request: BTreeMap<Key, Vec<&Configuration>> = BTreeMap::new();
        for configuration in at_aws {
            let tag = |name| configuration.tag(name).to_owned();
            let key = (tag("tenant"), tag("request-id"));
            findings.tenants.entry(key.0.clone()).or_default().1 += 1;
            by_request.entry(key).or_default().push(configuration);
        }
        findings.duplicates = by_request.values().map(|same| same.len() - 1).sum();
        findings.compare_callers(outcomes, &by_request);
        findings.compare_ledger(at_aws, rows);
        findings
    }

    fn compare_callers(
        &mut self,
        outcomes: &[(Job, Outcome)],
        by_request: &BTreeMap<Key, Vec<&Configuration>>,
    ) {
        for (job, outcome) in outcomes {
            let key = (job.tenant.clone(), job.request.request_id.clone());
            let created = by_request.get(&key).map_or(&[][..], Vec::as_slice);
            match outcome {
                Outcome::Acknowledged { arn, stream_key } => {
                    self.acknowledged += 1;
                    let is_same = |other: &&Configuration| {
                        other.arn == *arn && other.stream_key == *stream_key
                    };
                    if !created.iter().any(is_same) {
                        self.lost.push(format!("{key:?}: the caller received {arn}"));
                    }
                }
                Outcome::Rejected => {
                    self.rejected += 1;
                    if !created.is_empty() {
                        self.leaked.push(format!("{key:?}: rejected, but created"));
                    }
                }
                Outcome::Abandoned if created.is_empty() => self.abandoned += 1,
                Outcome::Abandoned => self.resolved += 1,
                Outcome::Wrong(what) => self.wrong.push(format!("{key:?}: {what}")),
            }
        }
    }

    fn compare_ledger(&mut self, configurations: &[Configuration], rows: &[LedgerRow]) {
        let at_aws: BTreeSet<[&str; 3]> = configurations
            .iter()
            .map(|at| [at.tag("tenant"), at.tag("request-id"), at.arn.as_str()])
            .collect();
        let mut counted = BTreeSet::new();
        for row in rows {
            let state = State::from_code(row.state).unwrap();
            if !state.counts_against_quota() {
                continue;
            }
            self.tenants.entry(row.tenant.clone()).or_default().0 += 1;
            let identity = [&*row.tenant, &*row.request_id, row.arn.as_deref().unwrap_or_default()];
            if state != State::Live || !at_aws.contains(&identity) {
                self.leaked.push(format!("{identity:?} uses quota and is {state}"));
            }
            counted.insert(identity);
        }
        let uncounted = at_aws.difference(&counted);
        self.leaked.extend(uncounted.map(|identity| format!("{identity:?} uses no quota")));
    }

    /// Tenants whose quota use differs from their configurations at AWS.
    pub(crate) fn tenants_that_differ(&self) -> usize {
        self.tenants.values().filter(|(used, created)| used != created).count()
    }
}
