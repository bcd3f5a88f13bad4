//! The doubt about a ledger: whether it may lack configurations that AWS has.

use std::fmt;

/// The reason to doubt that the ledger knows everything that AWS has. The numbers are what the
/// database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Doubt {
    /// There is none.
    None = 0,
    /// The process that had it open has ended without closing it: it may be an older copy.
    Unclean = 1,
    /// It is new, a copy, or restored, or it lacked a configuration.
    Lost = 2,
}

impl Doubt {
    /// The doubt of that number. An unknown number is the greatest doubt.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Unclean,
            _ => Self::Lost,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Unclean => "it was not closed properly",
            Self::Lost => "it is new, a copy or restored, or it lacked a configuration",
        })
    }
}
