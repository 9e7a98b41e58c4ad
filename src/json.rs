//! A JSON tree that borrows from the received bytes and keeps every number as it was sent.
//!
//! Two things need more than `serde_json::Value` gives: the content hash must see `1.10` and `1.1`
//! as different texts and an integer beyond 64 bits as itself, and the mapping must treat `null`,
//! `""`, `{}` and a missing member alike, because Atlar's answers mix them freely.
//!
//! The parser is ours because every record that is not known byte for byte passes through it: it
//! walks the text once, where splitting each level into raw slices walked it once per level. The
//! tests hold it against `serde_json`, which still unescapes strings.

use std::borrow::Cow;

/// Deepest nesting accepted: the parser calls itself.
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

static NULL: Json<'static> = Json::Null;

impl<'a> Json<'a> {
    /// Parses exactly one JSON value (RFC 8259). Nesting beyond 128 levels is refused.
    pub fn parse(text: &'a [u8]) -> Result<Json<'a>, Error> {
        let valid = std::str::from_utf8(text);
        let mut parser = Parser { text: valid.unwrap_or_default(), at: 0 };
        if let Err(error) = valid {
            return Err(place(text, error.valid_up_to()));
        }
        let value = parser.document();
        value.ok_or_else(|| place(text, parser.at))
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

/// Line and column, from 1, of a byte.
fn place(text: &[u8], at: usize) -> Error {
    let before = text.get(..at).unwrap_or(text);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    Error { line, column }
}

/// Reads RFC 8259. Each method returns `None` at a fault, with `at` near it.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// Exactly one value.
    fn document(&mut self) -> Option<Json<'a>> {
        let value = self.value(DEPTH_MAX)?;
        self.skip_space();
        (self.at == self.text.len()).then_some(value)
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        self.skip_space();
        match self.peek()? {
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b'"' => Some(Json::String(self.string()?)),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => Some(Json::Number(self.number()?)),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Some(Json::Object(members));
        }
        members.reserve(MEMBERS_EXPECTED);
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.must(b':')?;
            members.push((name, self.value(depth)?));
            self.skip_space();
            if self.take(b'}') {
                return Some(Json::Object(members));
            }
            self.must(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Some(Json::Array(items));
            }
            self.must(b',')?;
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        self.must(b'"')?;
        let mut escaped = false;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        if escaped {
            let token = self.text.get(start..self.at)?;
            return serde_json::from_str(token).ok().map(Cow::Owned);
        }
        self.text.get(start + 1..self.at - 1).map(Cow::Borrowed)
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        self.text.get(start..self.at)
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Option<Json<'a>> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn must(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}

/// Members that an object of Atlar's typically has: spares the vector its first steps of growth.
const MEMBERS_EXPECTED: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// Writes a tree back, numbers as they are.
    fn write(json: &Json<'_>, out: &mut String) {
        match json {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(&value.to_string()),
            Json::Number(digits) => out.push_str(digits),
            Json::String(text) => out.push_str(&serde_json::to_string(text).unwrap()),
            Json::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    write(item, out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(&serde_json::to_string(name).unwrap());
                    out.push(':');
                    write(value, out);
                }
                out.push('}');
            }
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
            "[\\x00-\\x7f]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into);
            let map = proptest::collection::btree_map(any::<String>(), inner, 0..6);
            prop_oneof![
                list,
                map.prop_map(|map| serde_json::Value::Object(map.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let json = Json::parse(text.as_bytes()).unwrap();
            let mut back = String::new();
            write(&json, &mut back);
            let tree = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            prop_assert_eq!(tree(&back), tree(&text));
        }

        /// Broken in one place, a text is refused by both or by none; only the escape of half a
        /// surrogate pair, which no text can hold, is passed by one that does not unescape.
        #[test]
        fn refuses_what_serde_json_refuses(
            value in any_json(),
            at in any::<prop::sample::Index>(),
            byte in prop::sample::select(b"{}[]\",:0-9.eE+\\utn \n\t\x00\xff".to_vec()),
            drop in any::<bool>(),
        ) {
            let mut text = value.to_string().into_bytes();
            let at = at.index(text.len());
            if drop { text.remove(at); } else { text[at] = byte; }
            let ours = Json::parse(&text).is_ok();
            let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok()
                && std::str::from_utf8(&text).is_ok();
            let surrogate = text.windows(2).any(|pair| pair == b"\\u");
            prop_assert!(ours == theirs || (theirs && surrogate), "{:?}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn tells_where_a_fault_is() {
        assert_eq!(Json::parse(b"{\n \"a\": x}"), Err(Error { line: 2, column: 7 }));
        assert_eq!(Json::parse(b"\xff"), Err(Error { line: 1, column: 1 }));
    }

    #[test]
    fn refuses_what_is_not_one_value() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":}",
            "1 2",
            "<html>",
            "nul",
            "\"\\u12\"",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            "\"a",
            "\"\\",
            "{\"a\" 1}",
            "[1 2]",
            "\"\t\"",
        ] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert!(Json::parse(deep.as_bytes()).is_err());
    }
}
