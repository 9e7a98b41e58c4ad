//! Writes JSON text straight into a string, in the order of the calls.
//!
//! A record is written once and then served as it is, so the order of members is the
//! documentation's and the cost is paid when a record changes, never per request.

use std::fmt::{Display, Write};

/// The ways in which Atlar says that there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    Missing,
    Null,
    EmptyText,
    EmptyObject,
}

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

/// Writes one object.
pub(super) fn object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    fill(&mut Object { out, empty: true });
    out.push('}');
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        text(self.out, key);
        self.out.push(':');
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        text(self.out, value);
    }

    /// A value whose text needs no escape: a number, a date, an instant.
    pub(super) fn shown(&mut self, key: &str, value: impl Display) {
        self.key(key);
        self.out.push('"');
        display(self.out, value);
        self.out.push('"');
    }

    pub(super) fn int(&mut self, key: &str, value: impl Into<i64>) {
        self.key(key);
        display(self.out, value.into());
    }

    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn null(&mut self, key: &str) {
        self.key(key);
        self.out.push_str("null");
    }

    pub(super) fn nothing(&mut self, key: &str, how: Nothing) {
        match how {
            Nothing::Missing => {}
            Nothing::Null => self.null(key),
            Nothing::EmptyText => self.text(key, ""),
            Nothing::EmptyObject => self.object(key, |_| {}),
        }
    }

    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        object(self.out, fill);
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &str, items: &[&str]) {
        self.key(key);
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            text(self.out, item);
        }
        self.out.push(']');
    }

    /// A list of objects.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Object<'_>, T),
    ) {
        self.key(key);
        self.out.push('[');
        let mut first = true;
        for item in items {
            if !first {
                self.out.push(',');
            }
            first = false;
            object(self.out, |member| fill(member, item));
        }
        self.out.push(']');
    }
}

/// Appends a JSON string, escaped.
pub(super) fn text(out: &mut String, value: &str) {
    out.push('"');
    if value.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        for character in value.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                control if control < ' ' => {
                    display(out, format_args!("\\u{:04x}", u32::from(control)));
                }
                plain => out.push(plain),
            }
        }
    } else {
        out.push_str(value);
    }
    out.push('"');
}

fn display(out: &mut String, value: impl Display) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_json_reader_reads() {
        let mut out = String::new();
        object(&mut out, |o| {
            o.text("name", "a \"b\" \\ c\n");
            o.int("value", -5);
            o.boolean("flag", true);
            o.nothing("gone", Nothing::Missing);
            o.nothing("null", Nothing::Null);
            o.nothing("object", Nothing::EmptyObject);
            o.nothing("text", Nothing::EmptyText);
            o.list("items", [1, 2], |item, n| item.int("n", n));
        });
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        let expected = serde_json::json!({
            "name": "a \"b\" \\ c\n", "value": -5, "flag": true, "null": null, "object": {},
            "text": "", "items": [{"n": 1}, {"n": 2}],
        });
        assert_eq!(read, expected);
    }
}
