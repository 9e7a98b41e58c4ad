//! Instants and business dates as Avro carries them.

use std::fmt;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// An instant: milliseconds since 1970-01-01T00:00:00Z (`timestamp-millis`). As text RFC 3339 with
/// three digits of a second; outside the years RFC 3339 can write, the number itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A day without a zone: days since 1970-01-01 (`date`). As text `yyyy-mm-dd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

impl Timestamp {
    /// Reads RFC 3339 with any fraction of a second; what is finer than a millisecond is cut, so
    /// that an instant never moves into the future.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        let nanos = instant.as_nanosecond();
        i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Timestamp)
    }
}

impl Date {
    /// Reads `yyyy-mm-dd` and nothing else: a text with a time of day is not a business date.
    pub fn parse(text: &str) -> Option<Date> {
        if text.len() != 10 {
            return None;
        }
        let day: jiff::civil::Date = text.parse().ok()?;
        let epoch = jiff::civil::date(1970, 1, 1);
        epoch.until(day).ok().map(|span| Date(span.get_days()))
    }

    fn civil(self) -> Option<jiff::civil::Date> {
        let span = jiff::Span::new().try_days(self.0).ok()?;
        jiff::civil::date(1970, 1, 1).checked_add(span).ok()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.civil() {
            Some(day) => write!(f, "{day}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i32(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Timestamp);
        }
        let text = deserializer.deserialize_str(Text)?;
        Timestamp::parse(&text)
            .or_else(|| text.parse().ok().map(Timestamp))
            .ok_or_else(|| D::Error::custom("not an RFC 3339 instant"))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i32::deserialize(deserializer).map(Date);
        }
        let text = deserializer.deserialize_str(Text)?;
        Date::parse(&text)
            .or_else(|| text.parse().ok().map(Date))
            .ok_or_else(|| D::Error::custom("not a date of the form yyyy-mm-dd"))
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_cut_to_milliseconds() {
        let check = |text: &str, want: Option<i64>| {
            assert_eq!(Timestamp::parse(text).map(|t| t.0), want, "{text}");
        };
        check("2026-02-03T09:15:27.104882317Z", Some(1_770_110_127_104));
        check("2026-02-03T09:15:27.104999999Z", Some(1_770_110_127_104));
        check("2026-02-03T09:15:27Z", Some(1_770_110_127_000));
        check("2026-02-03T10:15:27+01:00", Some(1_770_110_127_000));
        check("1969-12-31T23:59:59.9999Z", Some(-1));
        check("2026-02-03", None);
        check("2026-02-03T09:15:27", None);
        check("yesterday", None);
        check("", None);
    }

    #[test]
    fn dates_are_days_since_the_epoch() {
        let check = |text: &str, want: Option<i32>| {
            assert_eq!(Date::parse(text).map(|d| d.0), want, "{text}");
        };
        check("1970-01-01", Some(0));
        check("1969-12-31", Some(-1));
        check("2026-02-03", Some(20_487));
        check("2024-02-29", Some(19_782));
        check("2023-02-29", None);
        check("2026-2-3", None);
        check("2026-02-03T00:00:00Z", None);
        assert_eq!(Date(20_487).to_string(), "2026-02-03");
        assert_eq!(Date(i32::MAX).to_string(), i32::MAX.to_string());
    }

    #[test]
    fn texts_read_back() {
        for ms in [0, -1, 1_770_110_127_104, i64::MAX, i64::MIN] {
            let text = serde_json::to_string(&Timestamp(ms)).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), Timestamp(ms), "{text}");
        }
        assert_eq!(Timestamp(1_770_110_127_000).to_string(), "2026-02-03T09:15:27.000Z");
    }
}
