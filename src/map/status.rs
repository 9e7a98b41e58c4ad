//! The one status table.
//!
//! | sent by Atlar | status |
//! |---|---|
//! | `INITIATED`, `PENDING`, `SUBMITTED`, `INFLIGHT`, `CREATED`, `APPROVED`, `PENDING_SUBMISSION`, `SENT`, `PENDING_AT_BANK`, `ACCEPTED`, `EXPECTED` | `PENDING` |
//! | `EXECUTED`, `REGISTERED`, `RECONCILED`, `BOOKED`, `NOT_RECONCILED`, `PARTIALLY_RECONCILED` | `SUCCEEDED` |
//! | `FAILED`, `REJECTED`, `RETURNED` | `FAILED` |
//! | `CANCELLED`, `ARCHIVED` | `CANCELLED` |
//! | anything else, or nothing | `UNKNOWN` |

/// What an unknown or missing status becomes.
pub const UNKNOWN: &str = "UNKNOWN";

/// The published status of a raw one. Total; the raw status is published beside it.
pub fn status(raw: Option<&str>) -> &'static str {
    match raw.unwrap_or_default() {
        "INITIATED" | "PENDING" | "SUBMITTED" | "INFLIGHT" | "CREATED" | "APPROVED"
        | "PENDING_SUBMISSION" | "SENT" | "PENDING_AT_BANK" | "ACCEPTED" | "EXPECTED" => "PENDING",
        "EXECUTED"
        | "REGISTERED"
        | "RECONCILED"
        | "BOOKED"
        | "NOT_RECONCILED"
        | "PARTIALLY_RECONCILED" => "SUCCEEDED",
        "FAILED" | "REJECTED" | "RETURNED" => "FAILED",
        "CANCELLED" | "ARCHIVED" => "CANCELLED",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/status.md` says exactly what the function does.
    #[test]
    fn the_documented_table_is_the_function() {
        let document = include_str!("../../docs/status.md");
        let mut words = 0;
        for line in document.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = line.split('|').skip(1).map(str::trim);
            let (raw, want) = (cells.next().unwrap(), cells.next().unwrap().trim_matches('`'));
            for word in raw.split(['`', ',', ' ']).filter(|word| !word.is_empty()) {
                assert_eq!(status(Some(word)), want, "{word}");
                words += 1;
            }
        }
        assert_eq!(words, 22);
    }

    #[test]
    fn everything_else_is_unknown() {
        for raw in [None, Some(""), Some("executed"), Some("UNKNOWN"), Some("SETTLED")] {
            assert_eq!(status(raw), UNKNOWN, "{raw:?}");
        }
    }
}
