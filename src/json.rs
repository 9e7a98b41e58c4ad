//! A JSON tree that borrows from the received bytes and keeps every number as it was sent.
//!
//! Two things need more than `serde_json::Value` gives: the content hash must see `1.10` and `1.1`
//! as different texts and an integer beyond 64 bits as itself, and the mapping must treat `null`,
//! `""`, `{}` and a missing member alike, because Atlar's answers mix them freely. The grammar is
//! still checked by `serde_json`: each level is split into raw slices, then descended into.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting accepted. Skipping a raw slice has no limit of its own, descending needs one.
const DEPTH_MAX: usize = 128;

/// One JSON value, borrowed from the text it was parsed from.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    /// The digits as sent, for example `-12550` or `1.10`.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// Members in the order sent. Of two members with one name, look-ups return the last.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// The text is not one JSON value. Carries a position, never the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON at line {line}, column {column}")]
pub struct Error {
    pub line: usize,
    pub column: usize,
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error { line: error.line(), column: error.column() }
    }
}

static NULL: Json<'static> = Json::Null;

impl<'a> Json<'a> {
    /// Parses exactly one JSON value (RFC 8259). Nesting beyond 128 levels is refused.
    pub fn parse(text: &'a [u8]) -> Result<Json<'a>, Error> {
        let raw: &'a RawValue = serde_json::from_slice(text)?;
        descend(raw.get(), DEPTH_MAX)
    }

    /// The member `name`, or [`Json::Null`] where this is no object or has no such member.
    pub fn get(&self, name: &str) -> &Json<'a> {
        match self {
            Json::Object(members) => {
                members.iter().rev().find(|(key, _)| key == name).map_or(null(), |(_, value)| value)
            }
            _ => null(),
        }
    }

    /// Follows `names` from member to member.
    pub fn at(&self, names: &[&str]) -> &Json<'a> {
        names.iter().fold(self, |value, name| value.get(name))
    }

    /// The string, unless it is empty.
    pub fn text(&self) -> Option<&str> {
        match self {
            Json::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The number, where it is an integer that fits 64 bits.
    pub fn int(&self) -> Option<i64> {
        match self {
            Json::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    pub fn boolean(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements; nothing where this is no array.
    pub fn items(&self) -> &[Json<'a>] {
        match self {
            Json::Array(items) => items,
            _ => &[],
        }
    }

    /// The members in the order sent; nothing where this is no object.
    pub fn members(&self) -> &[(Cow<'a, str>, Json<'a>)] {
        match self {
            Json::Object(members) => members,
            _ => &[],
        }
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Json::Object(_))
    }

    /// True for `null`, `""`, `{}` and `[]`, and for objects and lists of nothing else: Atlar uses
    /// them and a missing member side by side for "no value".
    pub fn is_nothing(&self) -> bool {
        match self {
            Json::Null => true,
            Json::String(text) => text.is_empty(),
            Json::Array(items) => items.iter().all(Json::is_nothing),
            Json::Object(members) => members.iter().all(|(_, value)| value.is_nothing()),
            Json::Bool(_) | Json::Number(_) => false,
        }
    }
}

fn null<'s, 'a>() -> &'s Json<'a> {
    &NULL
}

fn descend<'a>(text: &'a str, depth: usize) -> Result<Json<'a>, Error> {
    let depth = depth.checked_sub(1).ok_or(Error { line: 0, column: 0 })?;
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text)?;
            let members: Result<_, Error> = members
                .into_iter()
                .map(|(name, raw)| Ok((name, descend(raw.get(), depth)?)))
                .collect();
            Json::Object(members?)
        }
        Some(b'[') => {
            let Elements(items) = serde_json::from_str(text)?;
            let items: Result<_, Error> =
                items.into_iter().map(|raw| descend(raw.get(), depth)).collect();
            Json::Array(items?)
        }
        Some(b'"') => {
            let Text(text) = serde_json::from_str(text)?;
            Json::String(text)
        }
        Some(b't') => Json::Bool(true),
        Some(b'f') => Json::Bool(false),
        Some(b'n') => Json::Null,
        _ => Json::Number(text),
    })
}

/// `Cow<str>` that really borrows where the text has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(24);
                while let Some((Text(name), raw)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name, raw));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(raw) = seq.next_element::<&'de RawValue>()? {
                    items.push(raw);
                }
                Ok(Elements(items))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_numbers_as_sent() {
        let json = Json::parse(br#"{"a":1.10,"b":123456789012345678901234567890,"c":-0}"#).unwrap();
        assert_eq!(json.get("a"), &Json::Number("1.10"));
        assert_eq!(json.get("b"), &Json::Number("123456789012345678901234567890"));
        assert_eq!(json.get("b").int(), None);
        assert_eq!(json.get("c").int(), Some(0));
    }

    #[test]
    fn missing_null_empty_string_and_empty_object_all_mean_nothing() {
        let json = Json::parse(br#"{"a":null,"b":"","c":{},"d":{"x":[{}]},"e":0}"#).unwrap();
        for name in ["a", "b", "c", "d", "absent"] {
            assert!(json.get(name).is_nothing(), "{name}");
        }
        assert!(!json.get("e").is_nothing());
        assert!(json.at(&["c", "deep", "er"]).is_nothing());
    }

    #[test]
    fn unescapes_names_and_texts_and_takes_the_last_of_two_members() {
        let json = Json::parse(br#" {"\u0061":"x\n\u00e9","a":"last"} "#).unwrap();
        assert_eq!(json.get("a").text(), Some("last"));
        assert_eq!(json.members()[0].1.text(), Some("x\né"));
    }

    #[test]
    fn refuses_what_is_not_one_value() {
        for text in ["", "{", "[1,]", "{\"a\":}", "1 2", "<html>", "nul", "\"\\u12\""] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert!(Json::parse(deep.as_bytes()).is_err());
    }
}
