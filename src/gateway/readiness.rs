//! Publishes readiness to `/readyz` and to the gRPC health service.

use std::collections::BTreeSet;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    proto::v1::ingest_service_server::SERVICE_NAME,
    reconcile::{Completeness, Problem, Reading},
    server::admin::Readiness,
};

/// Returns the reason why a gateway with an incomplete ledger is not ready.
fn comparing(completeness: Completeness) -> Option<String> {
    match completeness {
        Completeness::Complete => None,
        Completeness::Incomplete { reading: None, .. } => {
            Some("comparing the ledger with AWS".into())
        }
        Completeness::Incomplete { reading: Some(Reading { done, all }), .. } => Some(format!(
            "comparing the ledger with AWS: read {done} of {all} configurations that the ledger may lack"
        )),
    }
}

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
    let mut announced = None;
    loop {
        let (known, problems_now) =
            (*completeness.borrow_and_update(), problems.borrow_and_update().clone());
        let ready = current(known, &problems_now);
        readiness.send_if_modified(|old| std::mem::replace(old, ready.clone()) != ready);
        // The progress of a scan is not worth a line of the log.
        let apart_from_progress = current(known.without_progress(), &problems_now);
        if announced.as_ref() != Some(&apart_from_progress) {
            match &apart_from_progress {
                Readiness::Ready => {
                    tracing::info!("the gateway is ready");
                    serve(ServingStatus::Serving).await;
                }
                Readiness::NotReady(reasons) => {
                    tracing::warn!(%reasons, "the gateway is not ready");
                    serve(ServingStatus::NotServing).await;
                }
            }
            announced = Some(apart_from_progress);
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
    let reasons = problems.iter().map(ToString::to_string).chain(comparing(completeness));
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
        let comparing = "comparing the ledger with AWS";
        assert_eq!(current(complete, &[].into()), Readiness::Ready);
        let incomplete = Completeness::unknown();
        assert_eq!(current(incomplete, &[].into()), Readiness::NotReady(comparing.into()));
        let reading = Some(Reading { done: 3, all: 7 });
        let reading = Completeness::Incomplete { not_before: tokio::time::Instant::now(), reading };
        let expected = format!("{comparing}: read 3 of 7 configurations that the ledger may lack");
        assert_eq!(current(reading, &[].into()), Readiness::NotReady(expected.into()));
        let problems = [Problem::NoCredentials, Problem::LedgerUnavailable].into();
        let expected = "the ledger cannot be written; no AWS credentials: the log has the reason; comparing the ledger with AWS";
        assert_eq!(current(incomplete, &problems), Readiness::NotReady(expected.into()));
    }
}
