//! The client of the SDK, which only a permit can use.

use aws_sdk_ivsrealtime::Client;

use super::{AwsMetrics, AwsOperation, CallError};
use crate::pacer::{Outcome, Permit};

/// A client of Amazon IVS Real-Time with its own connections, which belong to the runtime
/// that first uses the client.
#[derive(Debug, Clone)]
pub struct Ivs {
    /// Private to this file, so that [`Ivs::spend`] is the only access to the SDK.
    client: Client,
    metrics: AwsMetrics,
}

impl Ivs {
    pub(super) const fn new(client: Client, metrics: AwsMetrics) -> Self {
        Self { client, metrics }
    }

    /// Makes a call with the permit of its operation, and counts it.
    pub(super) fn spend<'a, O: AwsOperation, T, F>(
        &'a self,
        permit: Permit<O>,
        call: impl FnOnce(&'a Client) -> F,
    ) -> impl Future<Output = Result<T, CallError>>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        // Boxed: a future of the SDK takes kilobytes, which every future around it would contain.
        let call = Box::pin(call(&self.client));
        async move {
            let counted = self.metrics.begin::<O>(permit.waited());
            let report = |result: &Result<T, CallError>| {
                let outcome =
                    result.as_ref().map_or_else(CallError::outcome, |_| Outcome::Completed);
                counted.ended(outcome);
                outcome
            };
            permit.spend(call, report).await
        }
    }
}
