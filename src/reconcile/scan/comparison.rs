//! The comparison of the ledger with AWS at a start: scans, until the ledger knows everything
//! that AWS has.
//!
//! A new ledger may replace a lost one, and a restored one lacks what was created since: AWS may
//! not list that yet, and a list skips a configuration if another one is deleted while its pages
//! are read. So two consecutive scans must find nothing, the second one after AWS lists
//! everything that was created before the start.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{super::Completeness, Scan, ScanResult};
use crate::ledger::{Comparison, LedgerError};

/// The first and the longest pause after a scan that proves nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The number of configurations on a page of AWS.
const PAGE_SIZE: u32 = 100;

impl Scan {
    /// Scans until the ledger is complete, and publishes that.
    pub(super) async fn complete_ledger(&mut self) {
        let started = Instant::now();
        let mut comparing = Comparing {
            comparison: self.until_done("read", async |scan| scan.ledger.comparison().await).await,
            all_visible_at: started + self.config.visible_after,
            scans_without_finds: 0,
        };
        if comparing.comparison != Comparison::NotNeeded {
            tracing::warn!(comparison = %comparing.comparison, "the ledger may lack configurations: creates are rejected until it is compared with AWS");
            self.compare(&mut comparing).await;
            self.until_done("write", async |scan| {
                scan.ledger.set_comparison(Comparison::NotNeeded).await
            })
            .await;
            tracing::info!(took = ?started.elapsed(), "the ledger has everything that AWS has");
        }
        self.completeness.send_replace(Completeness::Complete);
    }

    async fn compare(&mut self, comparing: &mut Comparing) {
        let mut pause = FIRST_PAUSE;
        loop {
            let scan_time = self.expected_scan_time().await;
            let not_before = comparing.earliest_end(scan_time);
            self.completeness.send_replace(Completeness::Incomplete { not_before, reading: None });
            let began = Instant::now();
            match self.scan().await {
                Ok(scanned) => {
                    if scanned.unknown > 0 && comparing.comparison != Comparison::TwoScans {
                        // Durable, so that a start after a crash knows it too.
                        self.until_done("write", async |scan| {
                            scan.ledger.set_comparison(Comparison::TwoScans).await
                        })
                        .await;
                    }
                    if comparing.record(scanned, began) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the comparison of the ledger with AWS failed; creates are rejected until it succeeds");
                }
            }
            sleep(pause).await;
            if comparing.scans_without_finds > 0 {
                pause = FIRST_PAUSE;
                sleep_until(comparing.all_visible_at).await;
            } else {
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }

    /// Returns the expected duration of a scan that lists the known configurations.
    async fn expected_scan_time(&self) -> Duration {
        let live = self.ledger.count_live().await.unwrap_or(0);
        Duration::from_secs_f64(f64::from(live / PAGE_SIZE + 1) / self.config.calls_per_second)
    }

    /// Repeats an access to the ledger until it succeeds.
    async fn until_done<T>(
        &self,
        action: &'static str,
        access: impl AsyncFn(&Self) -> Result<T, LedgerError>,
    ) -> T {
        let mut pause = FIRST_PAUSE;
        loop {
            match access(self).await {
                Ok(value) => return value,
                Err(error) => {
                    tracing::error!(%error, action, "the ledger failed; creates are rejected until it responds");
                    sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }
}

/// The comparison of the ledger with AWS.
struct Comparing {
    comparison: Comparison,
    /// When AWS lists everything that was created before the start.
    all_visible_at: Instant,
    /// The number of consecutive scans that found nothing unknown.
    scans_without_finds: u32,
}

impl Comparing {
    /// Records a complete scan that began at `began`. Returns whether the ledger is complete.
    fn record(&mut self, scanned: ScanResult, began: Instant) -> bool {
        let ScanResult { unknown, own_unreadable, unreadable, most_are_missing } = scanned;
        if unknown > 0 {
            self.comparison = Comparison::TwoScans;
        }
        let is_proof = unknown + own_unreadable + unreadable == 0 && !most_are_missing;
        self.scans_without_finds = if is_proof { self.scans_without_finds + 1 } else { 0 };
        self.comparison.is_met(self.scans_without_finds, began >= self.all_visible_at)
    }

    /// The earliest time at which the ledger can be complete, if a scan takes `scan_time`.
    fn earliest_end(&self, scan_time: Duration) -> Instant {
        let now = Instant::now();
        match self.comparison {
            Comparison::TwoScans => (now + scan_time).max(self.all_visible_at + scan_time),
            Comparison::NotNeeded | Comparison::OneScan => now + scan_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparing(comparison: Comparison) -> Comparing {
        let all_visible_at = Instant::now() + Duration::from_mins(1);
        Comparing { comparison, all_visible_at, scans_without_finds: 0 }
    }

    fn scanned(unknown: u64) -> ScanResult {
        ScanResult { unknown, ..ScanResult::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn one_scan_without_a_find_suffices_after_a_crash() {
        let mut comparing = comparing(Comparison::OneScan);
        assert!(comparing.record(scanned(0), Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_find_shows_that_the_ledger_is_an_older_copy() {
        let mut comparing = comparing(Comparison::OneScan);
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_mins(1));
        assert!(!comparing.record(scanned(1), now));
        assert!(!comparing.record(scanned(0), now));
        assert!(!comparing.record(scanned(0), now));
        assert!(comparing.record(scanned(0), later));
    }

    #[tokio::test(start_paused = true)]
    async fn two_consecutive_scans_must_find_nothing_and_the_second_begins_late_enough() {
        let mut comparing = comparing(Comparison::TwoScans);
        let later = Instant::now() + Duration::from_mins(1);
        assert!(!comparing.record(scanned(0), later));
        assert!(!comparing.record(scanned(2), later));
        assert!(!comparing.record(scanned(0), later));
        assert!(comparing.record(scanned(0), later));
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_that_did_not_read_everything_is_no_proof() {
        for scanned in [
            ScanResult { own_unreadable: 1, ..ScanResult::default() },
            ScanResult { own_unreadable: 1, unknown: 1, ..ScanResult::default() },
            ScanResult { unreadable: 1, ..ScanResult::default() },
            ScanResult { most_are_missing: true, ..ScanResult::default() },
        ] {
            let mut comparing = comparing(Comparison::OneScan);
            assert!(!comparing.record(scanned, Instant::now()));
            assert_eq!(comparing.scans_without_finds, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_end_is_one_scan_after_aws_lists_everything() {
        let (started, scan_time) = (Instant::now(), Duration::from_secs(2));
        let (one, two) = (comparing(Comparison::OneScan), comparing(Comparison::TwoScans));
        assert_eq!(one.earliest_end(scan_time), started + scan_time);
        assert_eq!(two.earliest_end(scan_time), started + Duration::from_secs(62));
        tokio::time::advance(Duration::from_mins(2)).await;
        assert_eq!(two.earliest_end(scan_time), started + Duration::from_secs(122));
    }
}
