//! The deadline of a call: the `grpc-timeout` of the gRPC protocol.

use std::time::Duration;

use http::HeaderMap;

/// The response is sent this long before the caller's deadline, or a tenth of the deadline
/// before it if that is less, so that it arrives in time.
const MARGIN: Duration = Duration::from_millis(5);

/// The limits of deadlines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// Deadline of a caller that sends none.
    pub(super) default: Duration,
    /// Longest deadline.
    pub(super) max: Duration,
}

impl Deadlines {
    /// Returns the time until the response of the call must be sent. Ignores an invalid
    /// `grpc-timeout`, as gRPC servers do.
    #[must_use]
    pub(super) fn of(&self, metadata: &HeaderMap) -> Duration {
        let named = metadata.get("grpc-timeout").and_then(|value| parse(value.as_bytes()));
        let deadline = named.unwrap_or(self.default).min(self.max);
        deadline.saturating_sub(MARGIN.min(deadline / 10))
    }
}

/// Reads one to eight digits and a unit.
fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0u64, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_nothing_else() {
        for (text, expected) in [
            ("1H", Duration::from_hours(1)),
            ("2M", Duration::from_mins(2)),
            ("3S", Duration::from_secs(3)),
            ("40m", Duration::from_millis(40)),
            ("50u", Duration::from_micros(50)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("99999999H", Duration::from_hours(99_999_999)),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "S", "1", "1s", "-1S", "1.5S", "123456789S", "1 S"] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_deadline_is_earlier_than_the_callers() {
        let deadlines = Deadlines { default: Duration::from_secs(30), max: Duration::from_mins(1) };
        let of = |text: &'static str| {
            let mut metadata = HeaderMap::new();
            metadata.insert("grpc-timeout", http::HeaderValue::from_static(text));
            deadlines.of(&metadata)
        };
        assert_eq!(of("1S"), Duration::from_millis(995));
        assert_eq!(of("10m"), Duration::from_millis(9));
        assert_eq!(of("0n"), Duration::ZERO);
        assert_eq!(of("1H"), Duration::from_millis(59_995));
        assert_eq!(of("nonsense"), Duration::from_millis(29_995));
    }
}
