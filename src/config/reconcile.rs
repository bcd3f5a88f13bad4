//! Sections `[settle]` and `[sweep]`: the resolution of in-doubt creates, and the scan.

use std::time::Duration;

use super::{reference::Key, section::Section};

/// The times of the resolution of an in-doubt create, since it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolutionTimes {
    /// Time to the first probe. Later probes are further apart. Default 1 s.
    pub first_probe: Duration,
    /// Time after which a create that AWS does not list may be sent again. Longer than an
    /// attempt, which may still be running. Default 60 s.
    pub retry_after: Duration,
    /// Time after which a create that AWS does not list is rejected, and its quota released.
    /// Default 15 min.
    pub give_up_after: Duration,
}

impl ResolutionTimes {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            first_probe: section.milliseconds(
                Key::new(
                    "first_probe_ms",
                    "Time from the sending of a create to the first probe for it at AWS. Later \
                     probes are further apart. The caller waits three times as long for the \
                     outcome.",
                ),
                1000,
                10..=600_000,
            ),
            retry_after: section.milliseconds(
                Key::new(
                    "retry_after_ms",
                    "Time from the sending after which a create that AWS does not list may be sent \
                     again, if its caller retries. Until then AWS's response that a configuration \
                     does not exist is not believed. The comparison of a new or restored ledger \
                     with AWS takes at least this long. Longer than `upstream.attempt_timeout_ms`.",
                ),
                60_000,
                1000..=3_600_000,
            ),
            give_up_after: section.milliseconds(
                Key::new(
                    "give_up_after_ms",
                    "Time from the sending after which a create that AWS does not list is rejected and \
                     its quota released.",
                ),
                900_000,
                1000..=86_400_000,
            ),
        }
    }
}

/// The times of the scan.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanTimes {
    /// Time from the end of a scan to the start of the next. Default 60 s.
    pub interval: Duration,
}

impl ScanTimes {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            interval: section.milliseconds(
                Key::new("interval_ms", "Time from the end of a scan to the start of the next."),
                60_000,
                100..=86_400_000,
            ),
        }
    }
}
