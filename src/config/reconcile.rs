//! Sections `[settle]` and `[sweep]`: how what is in doubt becomes certain.

use std::time::Duration;

use super::section::Section;

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
            first_probe: section.milliseconds("first_probe_ms", 1000, 10..=600_000),
            retry_after: section.milliseconds("retry_after_ms", 60_000, 1000..=3_600_000),
            give_up_after: section.milliseconds("give_up_after_ms", 900_000, 1000..=86_400_000),
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
        Self { interval: section.milliseconds("interval_ms", 60_000, 100..=86_400_000) }
    }
}
