//! Publishes readiness to `/readyz` and to the gRPC health service.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

use crate::{proto::v1::ingest_service_server::SERVICE_NAME, server::admin::Readiness};

/// Publishes that the gateway is ready once the ledger is rebuilt, until `shutdown`.
pub(super) async fn announce(
    mut complete: watch::Receiver<bool>,
    shutdown: CancellationToken,
    readiness: watch::Sender<Readiness>,
    health: tonic_health::server::HealthReporter,
) {
    let serve = async |status| {
        for service in ["", SERVICE_NAME] {
            health.set_service_status(service, status).await;
        }
    };
    serve(ServingStatus::NotServing).await;
    let is_complete = tokio::select! {
        is_complete = async { complete.wait_for(|complete| *complete).await.is_ok() } => is_complete,
        () = shutdown.cancelled() => false,
    };
    if is_complete {
        readiness.send_replace(Readiness::Ready);
        serve(ServingStatus::Serving).await;
        shutdown.cancelled().await;
    }
    tracing::info!("draining: calls under way are finished, new ones refused");
    readiness.send_replace(Readiness::NotReady("draining".into()));
    serve(ServingStatus::NotServing).await;
    // Ends the watches too, which would hold their connections open.
    for service in ["", SERVICE_NAME] {
        health.clone().clear_service_status(service).await;
    }
}
