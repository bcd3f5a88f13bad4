//! The limits of a tenant, and the enforcement of a limit that a call exceeds.

use std::time::Duration;

use super::TenantId;

/// The limits that a call can exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The rate of the tenant's calls of all methods.
    RequestRate,
    /// The rate of the tenant's creates.
    CreateRate,
    /// The number of the tenant's concurrent calls of all methods.
    Concurrency,
    /// The number of the tenant's configurations.
    Count,
    /// The number of the tenant's calls that wait for one AWS operation.
    Queue,
    /// The caller's deadline: the predicted wait for the rate of the AWS account exceeds it.
    Deadline,
}

/// The limits that are checked in memory. A call that exceeds one succeeds after a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// `request_rate`: calls of all methods.
    Requests,
    /// `create_rate`: creates.
    Creates,
    /// `max_concurrent_calls`: calls of all methods.
    Concurrency,
}

impl From<RateLimit> for Limit {
    fn from(limit: RateLimit) -> Self {
        match limit {
            RateLimit::Requests => Self::RequestRate,
            RateLimit::Creates => Self::CreateRate,
            RateLimit::Concurrency => Self::Concurrency,
        }
    }
}

/// A call exceeds a limit of its tenant. The call has consumed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitExceeded {
    /// The tenant.
    pub tenant: TenantId,
    /// The exceeded limit.
    pub limit: RateLimit,
    /// The time until the limit admits the same call, if no other call arrives.
    pub retry_after: Duration,
}

/// Whether a call that exceeds a limit is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an enforced limit rejects the call"]
pub enum Enforcement {
    /// The call is rejected.
    Enforced,
    /// The tenant is in shadow: the excess is counted, and the call continues.
    Shadow,
}

/// A permit under a limit.
#[derive(Debug)]
#[must_use = "the permit is released when it is dropped"]
pub struct Admitted<T> {
    /// The permit.
    pub permit: T,
    /// The limit that the call exceeds, if its tenant is in shadow.
    pub exceeded_in_shadow: Option<LimitExceeded>,
}
