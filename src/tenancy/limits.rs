//! The limits of a tenant, and what happens to a call that exceeds one.

use std::time::Duration;

use super::TenantId;

/// The limits that a call can exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The tenant's calls of all methods.
    RequestRate,
    /// The tenant's creates.
    CreateRate,
    /// The tenant's concurrent calls of all methods.
    Concurrency,
    /// The tenant's configurations.
    Count,
    /// The tenant's calls that wait for one AWS operation.
    Queue,
    /// The account's budget within the caller's deadline.
    Deadline,
}

/// The limits that are checked in memory, and under which a later call succeeds by waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// `request_rate`: all methods.
    Requests,
    /// `create_rate`.
    Creates,
    /// `max_concurrent_calls`: all methods.
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
    /// The tenant whose limit it is.
    pub tenant: TenantId,
    /// The limit.
    pub limit: RateLimit,
    /// When the limit would admit the same call, if no other call came.
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
#[must_use = "the permit is returned when it is dropped"]
pub struct Admitted<T> {
    /// The permit.
    pub permit: T,
    /// The limit that the call exceeds, if its tenant is in shadow.
    pub exceeded_in_shadow: Option<LimitExceeded>,
}
