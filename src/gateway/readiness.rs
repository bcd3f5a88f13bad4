//! Publishes readiness to `/readyz` and to the gRPC health service.

use std::collections::BTreeSet;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    proto::v1::ingest_service_server::SERVICE_NAME,
    reconcile::{Completeness, Problem},
    server::admin::Readiness,
};

/// The reason of a gateway whose ledger is not complete.
const COMPARING: &str = "comparing the ledger with AWS";

/// Returns the health of a gateway that is not ready.
pub(super) async fn starting() -> HealthReporter {
    let health = HealthReporter::new();
    for service in ["", SERVICE_NAME] {
        health.set_service_status(service, ServingStatus::NotServing).await;
    }
    health
}

/// Publishes whether the gateway is ready until `shutdown`: when the ledger is complete, and no
/// problem is present.
pub(super) async fn announce(
    mut completeness: watch::Receiver<Completeness>,
    mut problems: watch::Receiver<BTreeSet<Problem>>,
    shutdown: CancellationToken,
    readiness: watch::Sender<Readiness>,
    health: HealthReporter,
) {
    let serve = async |status| {
        for service in ["", SERVICE_NAME] {
            health.set_service_status(service, status).await;
        }
    };
    loop {
        let ready = current(*completeness.borrow_and_update(), &problems.borrow_and_update());
        let status = match ready {
            Readiness::Ready => ServingStatus::Serving,
            Readiness::NotReady(_) => ServingStatus::NotServing,
        };
        if readiness.send_if_modified(|old| std::mem::replace(old, ready.clone()) != ready) {
            match &ready {
                Readiness::Ready => tracing::info!("the gateway is ready"),
                Readiness::NotReady(reasons) => {
                    tracing::warn!(%reasons, "the gateway is not ready");
                }
            }
            serve(status).await;
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Ok(()) = completeness.changed() => {}
            Ok(()) = problems.changed() => {}
        }
    }
    tracing::info!("draining: running calls finish, new calls are rejected");
    readiness.send_replace(Readiness::NotReady("draining".into()));
    serve(ServingStatus::NotServing).await;
    // This also ends the watches, which would keep their connections open.
    for service in ["", SERVICE_NAME] {
        health.clone().clear_service_status(service).await;
    }
}

/// Returns the readiness, with every reason against it.
fn current(completeness: Completeness, problems: &BTreeSet<Problem>) -> Readiness {
    let comparing = (!completeness.is_complete()).then(|| COMPARING.to_owned());
    let reasons = problems.iter().map(ToString::to_string).chain(comparing);
    let reasons: Vec<_> = reasons.collect();
    if reasons.is_empty() {
        Readiness::Ready
    } else {
        Readiness::NotReady(reasons.join("; ").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_named() {
        let complete = Completeness::Complete;
        let incomplete = Completeness::Incomplete { not_before: tokio::time::Instant::now() };
        assert_eq!(current(complete, &[].into()), Readiness::Ready);
        assert_eq!(current(incomplete, &[].into()), Readiness::NotReady(COMPARING.into()));
        let problems = [Problem::NoCredentials, Problem::LedgerUnavailable].into();
        let expected =
            "the ledger cannot be written; no AWS credentials; comparing the ledger with AWS";
        assert_eq!(current(incomplete, &problems), Readiness::NotReady(expected.into()));
    }
}
