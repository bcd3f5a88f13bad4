//! Counts the outcomes of the callers, and finds the promises that are broken in the end.

use std::collections::{BTreeMap, BTreeSet};

use invariants::{FinalState, Invariant, Received, RequestKey, Row, Violation};
use ivs_ingest_gateway::ledger::State;

use crate::{
    aws::Configuration,
    callers::{Job, Outcome},
    ledger_file::LedgerRow,
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
    /// Requests whose configuration the caller has deleted.
    pub(crate) deleted: usize,
    pub(crate) live: usize,
    /// The broken promises.
    pub(crate) violations: Vec<Violation>,
    /// Tenants, with their quota use in the ledger and their configurations at AWS.
    pub(crate) tenants: BTreeMap<String, (usize, usize)>,
    /// Responses that no caller should receive.
    pub(crate) wrong: Vec<String>,
}

impl Findings {
    pub(crate) fn of(
        outcomes: &[(Job, Outcome)],
        at_aws: &[Configuration],
        rows: &[LedgerRow],
    ) -> Self {
        let configurations: Vec<_> = at_aws.iter().map(configuration).collect();
        let rows: Vec<_> = rows.iter().map(row).collect();
        let mut findings = Self { live: at_aws.len(), ..Self::default() };
        for configuration in &configurations {
            findings.tenants.entry(configuration.request.0.clone()).or_default().1 += 1;
        }
        for row in rows.iter().filter(|row| row.uses_quota()) {
            findings.tenants.entry(row.request.0.clone()).or_default().0 += 1;
        }
        let created: BTreeSet<_> = configurations.iter().map(|it| &it.request).collect();
        let (mut received, mut rejected, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for (job, outcome) in outcomes {
            let request = (job.tenant.clone(), job.request.request_id.clone());
            match outcome {
                Outcome::Acknowledged { arn, stream_key } => {
                    let (arn, stream_key) = (arn.clone(), stream_key.clone());
                    received.push(Received { request, arn, stream_key });
                }
                Outcome::Rejected => rejected.push(request),
                Outcome::Deleted { arn } => {
                    findings.deleted += 1;
                    deleted.push((request, arn));
                }
                Outcome::Abandoned if created.contains(&request) => findings.resolved += 1,
                Outcome::Abandoned => findings.abandoned += 1,
                Outcome::Wrong(text) => findings.wrong.push(format!("{request:?}: {text}")),
                Outcome::NotFound => findings.wrong.push(format!("{request:?}: NOT_FOUND")),
            }
        }
        (findings.acknowledged, findings.rejected) = (received.len(), rejected.len());
        let end = FinalState {
            configurations: &configurations,
            rows: &rows,
            received: &received,
            rejected: &rejected,
        };
        findings.violations = end.violations();
        for (request, arn) in deleted.into_iter().filter(|(it, _)| created.contains(it)) {
            let detail = format!("{arn} of {request:?} was deleted, and the request has another");
            let invariant = Invariant::DeletedStaysDeleted;
            findings.violations.push(Violation { invariant, detail });
        }
        findings
    }

    /// The number of times that the promise is broken.
    pub(crate) fn count(&self, invariant: Invariant) -> usize {
        self.violations.iter().filter(|violation| violation.invariant == invariant).count()
    }

    /// Tenants whose quota use differs from their configurations at AWS.
    pub(crate) fn tenants_that_differ(&self) -> usize {
        self.tenants.values().filter(|(used, created)| used != created).count()
    }
}

fn configuration(at_aws: &Configuration) -> invariants::Configuration {
    let request: RequestKey =
        (at_aws.tag("tenant").to_owned(), at_aws.tag("request-id").to_owned());
    let (arn, stream_key) = (at_aws.arn.clone(), at_aws.stream_key.clone());
    invariants::Configuration { arn, stream_key, request }
}

fn row(row: &LedgerRow) -> Row {
    Row {
        request: (row.tenant.clone(), row.request_id.clone()),
        arn: row.arn.clone(),
        state: State::from_code(row.state).unwrap().to_string(),
    }
}
