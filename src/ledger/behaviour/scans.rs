//! The end of a scan of all configurations at AWS.

use std::{sync::Arc, time::Duration};

use super::{Subject, adoption, observation, resource};
use crate::{
    ledger::{Adopted, Ledger, UnconfirmedRow},
    request::OperationId,
};

/// Uses more rows than one job of a ledger reads.
pub(super) async fn a_row_that_two_scans_missed_is_returned(subject: &Subject<impl Ledger>) {
    let Subject { ledger, reservations, time } = subject;
    let tasks: Vec<_> = (0..2100)
        .map(|_| {
            let adoption = adoption(reservations.make("acme", None, 0));
            let ledger = Arc::clone(ledger);
            tokio::spawn(async move {
                let operation_id = adoption.operation_id;
                assert_eq!(
                    ledger.adopt(adoption).await.unwrap(),
                    Adopted::Inserted { has_new_request_id: false }
                );
                operation_id
            })
        })
        .collect();
    let mut rows = Vec::new();
    for task in tasks {
        rows.push(task.await.unwrap());
    }
    let observe = async |rows: &[OperationId], at| {
        let seen = rows.iter().map(|row| observation(*row, at));
        assert!(ledger.observe(seen.collect()).await.unwrap().is_empty());
    };
    let unconfirmed = |rows: &[OperationId]| -> Vec<UnconfirmedRow> {
        let row = |id: &OperationId| UnconfirmedRow {
            operation_id: *id,
            arn: resource(*id).arn,
            sent_at: id.generated_at(),
        };
        rows.iter().map(row).collect()
    };
    // Rows that became live during a scan are not missed.
    for _ in 0..2 {
        assert_eq!(ledger.finish_scan(time.now()).await.unwrap(), []);
    }
    let scans = [1, 2, 3, 4, 5].map(|scan| time.now() + Duration::from_secs(scan));
    let (seen, unseen) = rows.split_at(50);
    for scan in &scans[..2] {
        observe(seen, *scan).await;
        let expected = if *scan == scans[0] { &[] } else { unseen };
        assert_eq!(ledger.finish_scan(*scan).await.unwrap(), unconfirmed(expected));
    }
    // An observation resets the count of missed scans.
    observe(&rows, scans[2]).await;
    assert_eq!(ledger.finish_scan(scans[2]).await.unwrap(), []);
    assert_eq!(ledger.finish_scan(scans[3]).await.unwrap(), []);
    assert_eq!(ledger.finish_scan(scans[4]).await.unwrap(), unconfirmed(&rows));
}
