//! Sections `[settle]` and `[sweep]`: how what is in doubt becomes certain.

use std::time::Duration;

use super::{reference::Key, section::Section};

/// The times of a create whose outcome is unknown, from the moment it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolutionTimes {
    /// Until AWS is first asked. Default 1 s; later probes are ever further apart.
    pub first_probe: Duration,
    /// Absent at AWS this long: the create may safely be sent again. Longer than an
    /// attempt, which may still be under way. Default 60 s.
    pub retry_after: Duration,
    /// Absent at AWS this long: it is rejected, and its quota returned. Default
    /// 15 min.
    pub give_up_after: Duration,
}

impl ResolutionTimes {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            first_probe: section.milliseconds(
                Key::new(
                    "first_probe_ms",
                    "Time from the sending of a create to the first look for it at AWS. Later looks are \
                     further apart. The caller waits three times as long for the outcome.",
                ),
                1000,
                10..=600_000,
            ),
            retry_after: section.milliseconds(
                Key::new(
                    "retry_after_ms",
                    "Time from the sending after which a create that AWS does not list may be sent \
                     again, if its caller retries. Longer than `upstream.attempt_timeout_ms`.",
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

/// The slow walk over everything that AWS has.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanTimes {
    /// From the end of one walk to the start of the next. Default 60 s.
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
