//! Publishes readiness to `/readyz` and to the gRPC health service.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    proto::v1::ingest_service_server::SERVICE_NAME, reconcile::Completeness,
    server::admin::Readiness,
};

/// Returns the health of a gateway that is not ready.
pub(super) async fn starting() -> HealthReporter {
    let health = HealthReporter::new();
    for service in ["", SERVICE_NAME] {
        health.set_service_status(service, ServingStatus::NotServing).await;
    }
    health
}

/// Publishes that the gateway is ready from the rebuild of the ledger until `shutdown`.
pub(super) async fn announce(
    mut completeness: watch::Receiver<Completeness>,
    shutdown: CancellationToken,
    readiness: watch::Sender<Readiness>,
    health: HealthReporter,
) {
    let serve = async |status| {
        for service in ["", SERVICE_NAME] {
            health.set_service_status(service, status).await;
        }
    };
    let is_complete = tokio::select! {
        is_complete = async { completeness.wait_for(Completeness::is_complete).await.is_ok() } => is_complete,
        () = shutdown.cancelled() => false,
    };
    if is_complete {
        readiness.send_replace(Readiness::Ready);
        serve(ServingStatus::Serving).await;
        shutdown.cancelled().await;
    }
    tracing::info!("draining: running calls finish, new calls are rejected");
    readiness.send_replace(Readiness::NotReady("draining".into()));
    serve(ServingStatus::NotServing).await;
    // This also ends the watches, which would keep their connections open.
    for service in ["", SERVICE_NAME] {
        health.clone().clear_service_status(service).await;
    }
}
