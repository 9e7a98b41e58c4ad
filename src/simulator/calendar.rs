//! Days and instants as Atlar writes them.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// The UTC day of an instant.
pub(super) fn day_of(at_ms: i64) -> Date {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(at).date()
}

/// The day `days` later (earlier where negative).
pub(super) fn shift(day: Date, days: i64) -> Date {
    day.saturating_add(days.days())
}

/// The day at a place whose clocks are so many hours ahead of UTC.
pub(super) fn local_day_of(at_ms: i64, hours_ahead: i64) -> Date {
    day_of(at_ms.saturating_add(hours_ahead * 60 * 60 * 1000))
}

/// `2026-02` for months counted from year 0.
pub(super) fn month_text(month: i32) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

/// An RFC 3339 instant in UTC: nine decimals, or three where the part below the millisecond is
/// not given (some of Atlar's samples have only those).
pub(super) fn instant(at_ms: i64, below_ms_ns: Option<u32>) -> String {
    match below_ms_ns {
        None => {
            let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
            format!("{at:.3}")
        }
        Some(ns) => {
            let total = i128::from(at_ms) * 1_000_000 + i128::from(ns % 1_000_000);
            let at = Timestamp::from_nanosecond(total).unwrap_or(Timestamp::UNIX_EPOCH);
            format!("{at:.9}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_months_read_as_documented() {
        assert_eq!(instant(1_770_110_127_104, Some(882_317)), "2026-02-03T09:15:27.104882317Z");
        assert_eq!(instant(1_770_110_127_000, Some(0)), "2026-02-03T09:15:27.000000000Z");
        assert_eq!(instant(1_770_110_127_100, None), "2026-02-03T09:15:27.100Z");
        let day = day_of(1_770_110_127_104);
        assert_eq!(day.to_string(), "2026-02-03");
        assert_eq!(shift(day, -34).to_string(), "2025-12-31");
        assert_eq!(month_text(2026 * 12 + 1), "2026-02");
        assert_eq!(month_text(2025 * 12 + 11), "2025-12");
    }
}
