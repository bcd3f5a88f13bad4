//! The conclusions of the resolver and of the scan: pure functions, which the model of
//! `tests/model` uses too.

/// Number of consecutive lists that must not show a create. A single list soon after the
/// create proves nothing.
pub const MIN_EMPTY_PROBES: u32 = 3;

/// The number of rows that a scan releases without regard to their share of all rows.
const MAX_RELEASED: usize = 10;

/// The conclusion from probes that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// None yet.
    Unproved,
    /// The create may be sent again if its caller retries.
    MayResend,
    /// The configuration does not exist.
    Proved,
}

/// The time since a sending that counts: the smaller of the ages of the two clocks. The wall
/// clock may jump, and a row may be from an earlier process.
pub fn age<T: Ord>(wall: T, monotonic: T) -> T {
    wall.min(monotonic)
}

/// Concludes from `empty_probes`, the last of which began at that `age` of the sending.
pub fn absence<T: PartialOrd>(
    empty_probes: u32,
    age: &T,
    retry_after: &T,
    give_up_after: &T,
) -> Absence {
    if empty_probes < MIN_EMPTY_PROBES || age < retry_after {
        Absence::Unproved
    } else if age < give_up_after {
        Absence::MayResend
    } else {
        Absence::Proved
    }
}

/// Whether a scan that listed `known` configurations of the ledger, and missed `missing` of its
/// `live` ones, probably read another account or region. A ledger with one live row releases it:
/// its tenant may have had no other.
#[must_use]
pub const fn most_are_missing(missing: usize, live: usize, known: usize) -> bool {
    let is_most = missing > MAX_RELEASED && missing * 2 > live;
    is_most || (missing > 0 && live > 1 && known == 0)
}
