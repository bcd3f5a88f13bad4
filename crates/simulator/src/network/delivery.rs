//! The delivery of one call and of its response, with the fault of the call.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use ivs_realtime_emulator::Operation;
use tokio::time::{Instant, sleep};

use super::{
    Fate, Network, Received,
    messages::{created_request, error, shown, subject},
};
use crate::plan::{CallFault, Outage};

/// The time that an [`Outage::Silent`] call waits: longer than any time-out.
const SILENCE: Duration = Duration::from_mins(2);

impl Network {
    /// Carries one call to AWS and its response back.
    pub(super) async fn carry(self, operation: Operation, request: Request<Bytes>) -> Received {
        let create = created_request(operation, &request);
        let (number, fate, [there, back]) = self.fate(operation, create.as_ref());
        let call = format!("{operation:?} #{number}");
        let subject = subject(&request);
        match &fate {
            Fate::Delivered => self.0.trace.add(format_args!("{call} {subject}")),
            Fate::Call(fault) => self.0.trace.add(format_args!("{call} {subject}: {fault:?}")),
            Fate::Outage(outage) => self.0.trace.add(format_args!("{call} {subject}: {outage:?}")),
        }
        sleep(there).await;
        let received = self.meet(fate, operation, request, &call).await;
        match &received {
            Ok(response) => {
                self.0.trace.add(format_args!("{call}: {} {}", response.status(), shown(response)));
            }
            Err(reason) => self.0.trace.add(format_args!("{call}: {reason}")),
        }
        sleep(back).await;
        received
    }

    async fn meet(
        &self,
        fate: Fate,
        operation: Operation,
        request: Request<Bytes>,
        call: &str,
    ) -> Received {
        match fate {
            Fate::Delivered => self.execute(operation, request).await,
            Fate::Call(CallFault::RequestLost) | Fate::Outage(Outage::Closed) => {
                Err("the connection was closed")
            }
            Fate::Call(CallFault::ResponseLost) => {
                self.execute(operation, request).await?;
                Err("the connection was closed")
            }
            Fate::Call(CallFault::ResponseDelayed(delay)) | Fate::Outage(Outage::Slow(delay)) => {
                let response = self.execute(operation, request).await;
                sleep(delay).await;
                response
            }
            Fate::Call(CallFault::ExecutedLate(delay)) => {
                let (network, call) = (self.clone(), call.to_owned());
                self.executes_until(Instant::now() + delay);
                tokio::spawn(async move {
                    sleep(delay).await;
                    let status = network.execute(operation, request).await.map(|it| it.status());
                    network.0.trace.add(format_args!("{call}: executed late, {status:?}"));
                });
                Err("the connection was closed")
            }
            Fate::Call(CallFault::ResponseGarbled) => {
                let response = self.execute(operation, request).await?;
                Ok(response.map(|body| body.slice(..body.len().saturating_sub(1))))
            }
            Fate::Call(CallFault::ResponseEmpty) => {
                let response = self.execute(operation, request).await?;
                Ok(response.map(|_| Bytes::from_static(b"{}")))
            }
            Fate::Call(CallFault::ErrorDelayed(status, delay)) => {
                sleep(delay).await;
                Ok(error(status, ""))
            }
            Fate::Call(CallFault::Duplicated) => {
                let first = self.execute(operation, request.clone()).await;
                self.execute(operation, request).await?;
                first
            }
            Fate::Call(CallFault::Throttled) | Fate::Outage(Outage::Throttled) => {
                Ok(error(429, "ThrottlingException"))
            }
            Fate::Call(CallFault::ErrorBefore(status)) => Ok(error(status, "")),
            Fate::Call(CallFault::ErrorAfter(status)) => {
                self.execute(operation, request).await?;
                Ok(error(status, ""))
            }
            Fate::Outage(Outage::Silent) => {
                sleep(SILENCE).await;
                Err("no response arrived")
            }
            Fate::Outage(Outage::Unavailable) => Ok(error(503, "")),
            Fate::Outage(Outage::Denied) => Ok(error(403, "AccessDeniedException")),
        }
    }
}
