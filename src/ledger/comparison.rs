//! The comparison with AWS that a ledger needs, because it may lack configurations that AWS has.

use std::fmt;

/// The comparison with AWS that the ledger needs before anything is created. The numbers are
/// what the database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Comparison {
    /// None: the ledger is the one that a gateway closed, and nothing has changed it since.
    NotNeeded = 0,
    /// One scan that finds nothing. The ledger was not closed by a gateway, or was changed since:
    /// after a crash, a restart of the machine, or a write by another program.
    OneScan = 1,
    /// Two scans that find nothing. The ledger is new, a copy or restored, or it lacked a
    /// configuration.
    TwoScans = 2,
}

impl Comparison {
    /// The comparison of that number. An unknown number needs the longest one.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::NotNeeded,
            1 => Self::OneScan,
            _ => Self::TwoScans,
        }
    }

    /// Whether the ledger is complete after this number of consecutive scans that found nothing.
    /// `is_late`: the last one began when AWS lists everything that was created before the start.
    #[must_use]
    pub const fn is_met(self, scans_without_finds: u32, is_late: bool) -> bool {
        match self {
            Self::NotNeeded => true,
            Self::OneScan => scans_without_finds >= 1,
            Self::TwoScans => scans_without_finds >= 2 && is_late,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNeeded => "none",
            Self::OneScan => {
                "one scan: the ledger was not closed by a gateway"
            }
            Self::TwoScans => {
                "two scans: the ledger is new, changed, a copy or restored, or lacked a configuration"
            }
        })
    }
}
