//! What an answer or a failure means for the reader. Decided here once; nobody else looks at a
//! status code.

use std::time::Duration;

use jiff::fmt::rfc2822;

use super::page::BodyFault;

/// No `Retry-After` holds a workspace up for longer than this: beyond an hour it is more likely a
/// mistake than a wish, and polling comes back to the list anyway.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What came of one request.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// A status line and its headers.
    Answer {
        status: u16,
        retry_after: Option<&'a str>,
        /// The wall clock, for a `Retry-After` that is a date.
        now_ms: i64,
        /// The request carried a page token.
        with_token: bool,
    },
    /// No answer, or not all of it: refused, reset, timed out, cut off.
    NetworkFault,
    /// An answer of status 2xx whose body is not a page.
    Body(BodyFault),
}

/// What the reader does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Read the body.
    Good,
    /// Try again, later; `after` is what the server asked for.
    Retry { after: Option<Duration> },
    /// The credentials are refused.
    Unauthorized,
    /// The credentials' role lacks the right to read this.
    Forbidden,
    /// The server has no such list. Never an empty listing.
    NotOffered,
    /// The page token is refused: the walk has to start over.
    BadToken,
    /// Not of the documented shape.
    Malformed,
    /// Any other refusal.
    Rejected,
}

/// The one classifier. A redirect is [`Class::Rejected`]: Atlar documents none, and following one
/// would carry credentials elsewhere.
pub fn classify(seen: Seen<'_>) -> Class {
    match seen {
        Seen::NetworkFault | Seen::Body(BodyFault::Truncated) => Class::Retry { after: None },
        Seen::Body(_) => Class::Malformed,
        Seen::Answer { status, retry_after, now_ms, with_token } => match status {
            200..=299 => Class::Good,
            400 if with_token => Class::BadToken,
            401 => Class::Unauthorized,
            403 => Class::Forbidden,
            404 | 405 | 410 => Class::NotOffered,
            408 | 425 | 429 | 500..=599 => Class::Retry {
                after: retry_after.and_then(|value| parse_retry_after(value, now_ms)),
            },
            _ => Class::Rejected,
        },
    }
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110, 10.2.3); a date gone by means at once.
/// What is neither counts as absent.
pub fn parse_retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    let asked = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs)
    } else {
        let at_ms = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?.as_millisecond();
        Duration::from_millis(u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0))
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-02-03T09:15:27Z
    const NOW_MS: i64 = 1_770_110_127_000;

    fn answer(status: u16, retry_after: Option<&str>, with_token: bool) -> Class {
        classify(Seen::Answer { status, retry_after, now_ms: NOW_MS, with_token })
    }

    #[test]
    fn table_of_status_codes() {
        let retry = Class::Retry { after: None };
        let table = [
            (200, Class::Good),
            (204, Class::Good),
            (301, Class::Rejected),
            (304, Class::Rejected),
            (400, Class::Rejected),
            (401, Class::Unauthorized),
            (403, Class::Forbidden),
            (404, Class::NotOffered),
            (405, Class::NotOffered),
            (408, retry),
            (409, Class::Rejected),
            (410, Class::NotOffered),
            (412, Class::Rejected),
            (422, Class::Rejected),
            (425, retry),
            (429, retry),
            (500, retry),
            (502, retry),
            (503, retry),
            (504, retry),
            (599, retry),
        ];
        for (status, class) in table {
            assert_eq!(answer(status, None, false), class, "{status}");
        }
        assert_eq!(answer(400, None, true), Class::BadToken);
    }

    #[test]
    fn table_of_failures() {
        let retry = Class::Retry { after: None };
        assert_eq!(classify(Seen::NetworkFault), retry);
        assert_eq!(classify(Seen::Body(BodyFault::Truncated)), retry);
        for fault in [BodyFault::Html, BodyFault::NotJson, BodyFault::ItemsMissing] {
            assert_eq!(classify(Seen::Body(fault)), Class::Malformed);
        }
    }

    #[test]
    fn table_of_retry_after() {
        let table = [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(3600)),
            ("Tue, 03 Feb 2026 09:15:57 GMT", Some(30)),
            ("Tue, 03 Feb 2026 09:15:00 GMT", Some(0)),
            ("Wed, 03 Feb 2027 09:15:00 GMT", Some(3600)),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
        ];
        for (value, seconds) in table {
            let expected = Class::Retry { after: seconds.map(Duration::from_secs) };
            for status in [429, 503] {
                assert_eq!(answer(status, Some(value), true), expected, "{value:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn only_success_is_read_and_only_faults_in_passing_are_tried_again(
            status in 100u16..1000, with_token: bool, retry_after in proptest::option::of(".*"),
        ) {
            let class = answer(status, retry_after.as_deref(), with_token);
            prop_assert_eq!(class == Class::Good, (200..300).contains(&status));
            let passing = [408, 425, 429].contains(&status) || (500..600).contains(&status);
            prop_assert_eq!(matches!(class, Class::Retry { .. }), passing);
            if let Class::Retry { after: Some(after) } = class {
                prop_assert!(after <= RETRY_AFTER_MAX);
            }
        }
    }
}
