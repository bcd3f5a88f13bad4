//! The end of a walk over all that AWS has.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Reservations, resource};
use crate::{
    ledger::{Adopted, Adoption, Ledger, Observation, Reservation},
    request::{IngestConfigurationState, OperationId},
};

/// Of more rows than a ledger looks at at once.
pub(super) async fn what_two_walks_missed_is_told(ledger: Arc<impl Ledger>) {
    let reservations = Reservations::default();
    let tasks: Vec<_> = (0..2100)
        .map(|_| {
            let Reservation { operation_id, tenant, request_id, fingerprint, fields, .. } =
                reservations.make("acme", None, 0);
            let resource = resource(operation_id);
            let adoption =
                Adoption { operation_id, tenant, request_id, fingerprint, resource, fields };
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                assert_eq!(ledger.adopt(adoption).await.unwrap(), Adopted::Live);
                operation_id
            })
        })
        .collect();
    let mut rows = Vec::new();
    for task in tasks {
        rows.push(task.await.unwrap());
    }
    let observe = async |rows: &[OperationId], at| {
        let seen = rows.iter().map(|row| Observation {
            arn: resource(*row).arn,
            state: IngestConfigurationState::Inactive,
            stage_arn: String::new(),
            redundant_ingest: false,
            at,
        });
        ledger.observe(seen.collect()).await.unwrap();
    };
    let missed = async |walk_began| -> Vec<OperationId> {
        let missed = ledger.missed(walk_began).await.unwrap();
        missed.into_iter().map(|missed| missed.operation_id).collect()
    };
    // A walk sees what was live before it began.
    let walks = [1, 2, 3].map(|walk| SystemTime::now() + Duration::from_secs(walk));
    let (seen, unseen) = rows.split_at(50);
    for walk in &walks[..2] {
        observe(seen, *walk).await;
        let expected = if *walk == walks[0] { &[] } else { unseen };
        assert_eq!(missed(*walk).await, expected);
    }
    // What is seen again begins anew.
    observe(&rows, walks[2]).await;
    assert!(missed(walks[2]).await.is_empty());
    assert!(missed(walks[2] + Duration::from_secs(1)).await.is_empty());
}
