//! The client of the SDK, which only a permit can use.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use aws_sdk_ivsrealtime::Client;

use super::{
    Access, AwsMetrics, AwsOperation, CallError, FailureKind, access::Suspicion,
    credentials::LoadedCredentials, http,
};
use crate::pacer::{Outcome, Permit};

/// A client of Amazon IVS Real-Time with its own connections, which belong to the runtime
/// that first uses the client.
#[derive(Debug, Clone)]
pub struct Ivs {
    /// Private to this file, so that [`Ivs::spend`] is the only access to the SDK.
    client: Client,
    /// The credentials; `None` if they are given.
    credentials: Option<LoadedCredentials>,
    pub(super) suspicion: Suspicion,
    metrics: AwsMetrics,
}

impl Ivs {
    pub(super) const fn new(
        client: Client,
        credentials: Option<LoadedCredentials>,
        suspicion: Suspicion,
        metrics: AwsMetrics,
    ) -> Self {
        Self { client, credentials, suspicion, metrics }
    }

    /// Waits for credentials. A caller does so before it waits for a permit, and a create before
    /// its row becomes `SENDING`.
    ///
    /// # Errors
    /// [`CallError`], if they cannot be loaded.
    pub async fn ready(&self) -> Result<(), CallError> {
        match &self.credentials {
            Some(credentials) => credentials.ready().await,
            None => Ok(()),
        }
    }

    /// Makes a call with the permit of its operation, and counts it. Waits for credentials.
    pub(super) async fn spend<'a, O: AwsOperation, T, F>(
        &'a self,
        permit: Permit<O>,
        call: impl FnOnce(&'a Client) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        self.ready().await?;
        self.spend_now(permit, call).await
    }

    /// The same without a wait for credentials. Without them, the call fails.
    pub(super) fn spend_now<'a, O: AwsOperation, T, F>(
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
                counted.ended(result.as_ref().map_or_else(CallError::label, |_| "completed"));
                result.as_ref().map_or_else(CallError::outcome, |_| Outcome::Completed)
            };
            let called = async {
                let result = contained(call).await;
                self.observe(&result);
                result
            };
            permit.spend(called, report).await
        }
    }

    /// Reports a call that AWS rejected for its credentials, its signature or its role.
    fn observe<T>(&self, result: &Result<T, CallError>) {
        let Err(error) = result else { return };
        let kind = error.failure().kind;
        if Access::is_suspicious(kind) {
            self.suspicion.report();
        }
        if kind == FailureKind::CredentialsRejected
            && let Some(credentials) = &self.credentials
        {
            credentials.rejected();
        }
    }
}

/// Makes a call of the SDK. It was not executed if it failed, or panicked, before its request was
/// handed to a connection.
async fn contained<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let mut call = pin!(call);
    let polled = poll_fn(|context| {
        let poll = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        poll.unwrap_or_else(|_| {
            tracing::error!("the AWS SDK panicked");
            Poll::Ready(Err(CallError::unreadable("the AWS SDK panicked", None)))
        })
    });
    match http::watch(polled).await {
        (Err(error), false) => Err(error.not_sent()),
        (result, _) => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic before the request is handed over must release the row of a create.
    #[tokio::test]
    async fn a_panic_of_the_sdk_is_contained() {
        let panics = async { panic!("planted") };
        let error = contained::<()>(panics).await.unwrap_err();
        assert!(matches!(error, CallError::NotExecuted(_)), "{error:?}");
        assert_eq!(error.failure().kind, FailureKind::Unreachable);
    }
}
