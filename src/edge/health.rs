//! The gRPC health service. For a watch of an unknown service the protocol demands
//! `SERVICE_UNKNOWN` and an open stream; the service of tonic rejects it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Request, Response, Status, codegen::tokio_stream::Stream};
use tonic_health::{
    pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    server::{HealthReporter, HealthService, WatchStream},
};

use crate::proto::v1::ingest_service_server::SERVICE_NAME;

/// Returns the health service for the statuses of `reporter`. `draining` ends the watches
/// of unknown services.
#[must_use]
pub fn service(
    reporter: HealthReporter,
    draining: CancellationToken,
) -> HealthServer<GatewayHealth> {
    let statuses = HealthService::from_health_reporter(reporter);
    HealthServer::new(GatewayHealth { statuses, draining })
}

/// See [`service`].
#[derive(Debug)]
pub struct GatewayHealth {
    statuses: HealthService,
    draining: CancellationToken,
}

/// A stream of the statuses of a service.
pub enum Statuses {
    /// A service of the gateway.
    Known(WatchStream),
    /// An unknown service.
    Unknown {
        /// Whether `SERVICE_UNKNOWN` was sent.
        is_sent: bool,
        /// Ends the stream, which would keep its connection open.
        draining: Pin<Box<WaitForCancellationFutureOwned>>,
    },
}

#[tonic::async_trait]
impl Health for GatewayHealth {
    type WatchStream = Statuses;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.statuses.check(request).await
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Statuses>, Status> {
        // The reporter knows these services from the start to the drain.
        if ["", SERVICE_NAME].contains(&request.get_ref().service.as_str()) {
            return Ok(self.statuses.watch(request).await?.map(Statuses::Known));
        }
        let draining = Box::pin(self.draining.clone().cancelled_owned());
        Ok(Response::new(Statuses::Unknown { is_sent: false, draining }))
    }
}

impl Stream for Statuses {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Self::Known(statuses) => Pin::new(statuses).poll_next(cx),
            Self::Unknown { is_sent, draining } => {
                if std::mem::replace(is_sent, true) {
                    draining.as_mut().poll(cx).map(|()| None)
                } else {
                    let status = ServingStatus::ServiceUnknown.into();
                    Poll::Ready(Some(Ok(HealthCheckResponse { status })))
                }
            }
        }
    }
}
