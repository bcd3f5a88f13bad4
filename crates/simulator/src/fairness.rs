//! Compares the creates that two tenants send while both wait for AWS's rate.

use std::collections::{BTreeMap, BTreeSet};

use invariants::RequestKey;

use crate::plan::TENANTS;

/// The largest difference of two tenants' creates, each divided by its weight, while both wait.
/// In 10,000 runs, in which AWS throttles some creates, it was 3.67.
const MAX_DIFFERENCE: f64 = 4.0;

/// The default of a tenant's `max_in_flight`.
const MAX_IN_FLIGHT: u32 = 2;

/// The shares of the tenants, in the order of [`TENANTS`].
#[derive(Debug, Default)]
pub struct Shares {
    /// The calls that wait for each request.
    waiting: [BTreeMap<String, u32>; TENANTS.len()],
    /// The creates at AWS whose response the gateway awaits.
    at_aws: [u32; TENANTS.len()],
    /// The requests that were sent once. Calls that repeat them need not wait.
    sent: BTreeSet<RequestKey>,
    /// The creates of the first and of the second tenant since both wait, for each pair.
    pairs: BTreeMap<(usize, usize), [u32; 2]>,
    largest_difference: f64,
}

impl Shares {
    /// A call begins to wait. Returns `false` if it need not.
    pub fn waits(&mut self, request: &RequestKey) -> bool {
        let Some(tenant) = index(request) else { return false };
        if self.sent.contains(request) {
            return false;
        }
        *self.waiting[tenant].entry(request.1.clone()).or_default() += 1;
        true
    }

    /// A call for which [`Self::waits`] returned `true` has ended.
    pub fn waits_no_more(&mut self, request: &RequestKey) {
        let Some(tenant) = index(request) else { return };
        let Some(calls) = self.waiting[tenant].get_mut(&request.1) else { return };
        *calls -= 1;
        if *calls == 0 {
            self.waiting[tenant].remove(&request.1);
            self.forget_unless_it_may_send(tenant);
        }
    }

    /// A create is sent. Returns a description if it makes the shares unfair.
    pub fn sent(&mut self, request: &RequestKey) -> Option<String> {
        let tenant = index(request)?;
        let mut unfair = None;
        for other in (0..TENANTS.len()).filter(|other| *other != tenant) {
            if !self.may_send(tenant) || !self.may_send(other) {
                continue;
            }
            let pair = (tenant.min(other), tenant.max(other));
            let counts = self.pairs.entry(pair).or_default();
            counts[usize::from(tenant > other)] += 1;
            let share = |count: u32, of: usize| f64::from(count) / f64::from(TENANTS[of].weight);
            let difference = (share(counts[0], pair.0) - share(counts[1], pair.1)).abs();
            self.largest_difference = self.largest_difference.max(difference);
            if difference > MAX_DIFFERENCE {
                let [one, two] = [TENANTS[pair.0].id, TENANTS[pair.1].id];
                unfair = Some(format!("{one} and {two} wait, and have sent {counts:?} creates"));
            }
        }
        self.sent.insert(request.clone());
        self.waiting[tenant].remove(&request.1);
        self.at_aws[tenant] += 1;
        self.forget_unless_it_may_send(tenant);
        unfair
    }

    /// The process has ended while the request was recorded as being sent: its calls wait for the
    /// resolution, and not for AWS's rate.
    pub fn is_in_doubt(&mut self, request: RequestKey) {
        self.sent.insert(request);
    }

    /// The gateway no longer awaits the response to a create.
    pub fn answered(&mut self, request: &RequestKey) {
        if let Some(tenant) = index(request) {
            self.at_aws[tenant] -= 1;
        }
    }

    /// Returns the largest difference of two shares so far.
    #[must_use]
    pub const fn largest_difference(&self) -> f64 {
        self.largest_difference
    }

    /// Whether nothing but AWS's rate keeps the tenant from a create.
    fn may_send(&self, tenant: usize) -> bool {
        !self.waiting[tenant].is_empty() && self.at_aws[tenant] < MAX_IN_FLIGHT
    }

    fn forget_unless_it_may_send(&mut self, tenant: usize) {
        if !self.may_send(tenant) {
            self.pairs.retain(|(one, two), _| *one != tenant && *two != tenant);
        }
    }
}

fn index(request: &RequestKey) -> Option<usize> {
    TENANTS.iter().position(|tenant| tenant.id == request.0)
}
