//! The content fingerprint: 16 bytes that are equal when two records mean the same.
//!
//! By rules 1, hashed is a canonical text of the record as received, followed by the outcome of its
//! joins:
//!
//! - members sorted by name, the last of two members with one name counts;
//! - members and elements that mean nothing (`null`, `""`, `{}`, `[]`) are dropped, since Atlar
//!   sends them and a missing member side by side;
//! - numbers as sent, strings unescaped and escaped again in one way;
//! - without `version`, `etag` and `updated` of the record and of records inside it (objects with
//!   an `id`): they move without meaning. Inside metadata maps these names are the user's, and
//!   count;
//! - without an account's embedded `balance`, which is a stream of its own.
//!
//! blake3 and not a faster hash, because remittance texts are written by strangers: two texts that
//! collide on purpose would hide a payment.

use std::fmt;

use super::rules::Rules;
use crate::json::Json;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A fingerprint and the number of the rules it was made by. Two of different rules say nothing
/// about each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Print {
    pub algorithm: u8,
    pub fingerprint: Fingerprint,
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.fingerprint)
    }
}

/// What the joins of a record came to: compared is this outcome, never the tables joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinOutcome<'a> {
    /// Name of the account's bank from the third-party list.
    pub bank_name: Option<&'a str>,
    /// Whether the other side of a payment is one of our own accounts.
    pub own_counterparty: bool,
    /// The accounts of a counterparty that does not embed them, as one text.
    pub external_accounts: Option<&'a str>,
}

/// Fingerprint of `record` by these rules; `embeds_balance` leaves out a top-level `balance`
/// (accounts).
pub fn content(
    rules: Rules,
    record: &Json<'_>,
    embeds_balance: bool,
    joined: JoinOutcome<'_>,
) -> Print {
    let mut text = Vec::with_capacity(1024);
    match rules {
        Rules::One => {}
        // Another text for every record, and nothing else: what a test needs of other rules.
        #[cfg(feature = "crash-points")]
        Rules::Next => text.extend_from_slice(b"2\n"),
    }
    let place = Place { record: true, free: false, root: embeds_balance };
    write_value(&mut text, record, place);
    text.push(b'\n');
    if let Some(name) = joined.bank_name {
        write_string(&mut text, name);
    }
    text.push(b'\n');
    text.push(if joined.own_counterparty { b'1' } else { b'0' });
    if let Some(accounts) = joined.external_accounts {
        text.push(b'\n');
        write_string(&mut text, accounts);
    }
    let hash = blake3::hash(&text);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    Print { algorithm: rules.number(), fingerprint: Fingerprint(bytes) }
}

/// Where in the record the walk is.
#[derive(Clone, Copy)]
struct Place {
    /// An object here is a record: its version and time of update are not content.
    record: bool,
    /// Below a metadata map: every name is the user's.
    free: bool,
    /// The record itself, whose embedded balance is left out.
    root: bool,
}

fn write_value(out: &mut Vec<u8>, value: &Json<'_>, place: Place) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(digits) => out.extend_from_slice(digits.as_bytes()),
        Json::String(text) => write_string(out, text),
        Json::Array(items) => {
            out.push(b'[');
            for item in items.iter().filter(|item| !item.is_nothing()) {
                write_value(out, item, inside(item, place));
                out.push(b',');
            }
            out.push(b']');
        }
        Json::Object(_) => write_object(out, value, place),
    }
}

fn write_object(out: &mut Vec<u8>, object: &Json<'_>, place: Place) {
    let mut members: Vec<(&str, &Json<'_>)> = object
        .members()
        .iter()
        .map(|(name, value)| (name.as_ref(), value))
        .filter(|(name, _)| !is_volatile(name, place))
        .collect();
    // Stable: of two members with one name the later one stays last, and the last one counts.
    members.sort_by_key(|(name, _)| *name);
    out.push(b'{');
    for (at, (name, value)) in members.iter().enumerate() {
        let overridden = members.get(at + 1).is_some_and(|(next, _)| next == name);
        if overridden || value.is_nothing() {
            continue;
        }
        write_string(out, name);
        out.push(b':');
        let mut below = inside(value, place);
        below.free |= matches!(*name, "externalMetadata" | "metadata");
        write_value(out, value, below);
        out.push(b',');
    }
    out.push(b'}');
}

fn inside(value: &Json<'_>, place: Place) -> Place {
    Place { record: value.get("id").text().is_some(), free: place.free, root: false }
}

fn is_volatile(name: &str, place: Place) -> bool {
    let moves = matches!(name, "version" | "etag" | "updated");
    !place.free && ((place.record && moves) || (place.root && name == "balance"))
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Fingerprint {
        let json = Json::parse(text.as_bytes()).unwrap();
        content(Rules::One, &json, true, JoinOutcome::default()).fingerprint
    }

    #[track_caller]
    fn check_same(left: &str, right: &str) {
        assert_eq!(of(left), of(right), "{left}  {right}");
    }

    #[track_caller]
    fn check_differs(left: &str, right: &str) {
        assert_ne!(of(left), of(right), "{left}  {right}");
    }

    #[test]
    fn what_means_the_same_hashes_the_same() {
        check_same(r#"{"a":1,"b":"x"}"#, r#" { "b" : "x" , "a" : 1 } "#);
        check_same(r#"{"a":"\u00e9"}"#, r#"{"a":"é"}"#);
        check_same(r#"{"a":1,"b":null,"c":"","d":{},"e":[],"f":{"g":null}}"#, r#"{"a":1}"#);
        check_same(r#"{"l":[null,"x",""]}"#, r#"{"l":["x"]}"#);
        check_same(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
        check_same(r#"{"a":1,"a":null}"#, r#"{}"#);
    }

    #[test]
    fn what_moves_without_meaning_is_left_out() {
        check_same(
            r#"{"id":"1","version":1,"updated":"x"}"#,
            r#"{"id":"1","version":2,"etag":"y"}"#,
        );
        check_same(
            r#"{"externalAccounts":[{"id":"9","version":1,"updated":"a"}]}"#,
            r#"{"externalAccounts":[{"id":"9","version":4,"updated":"b"}]}"#,
        );
        check_same(r#"{"id":"1","balance":{"amount":1}}"#, r#"{"id":"1","balance":{"amount":2}}"#);
    }

    #[test]
    fn what_means_something_else_hashes_differently() {
        check_differs(r#"{"a":1}"#, r#"{"a":"1"}"#);
        check_differs(r#"{"a":1.0}"#, r#"{"a":1}"#);
        check_differs(r#"{"a":0}"#, r#"{}"#);
        check_differs(r#"{"a":false}"#, r#"{}"#);
        check_differs(r#"{"a":["x","y"]}"#, r#"{"a":["y","x"]}"#);
        check_differs(r#"{"a":"b\",\"c"}"#, r#"{"a":"b","c":""}"#);
        check_differs(
            r#"{"externalMetadata":{"version":"1"}}"#,
            r#"{"externalMetadata":{"version":"2"}}"#,
        );
        check_differs(
            r#"{"metadata":{"id":"x","updated":"1"}}"#,
            r#"{"metadata":{"id":"x","updated":"2"}}"#,
        );
        check_differs(r#"{"details":{"version":1}}"#, r#"{"details":{"version":2}}"#);
    }

    #[test]
    fn the_outcome_of_joins_counts_and_the_balance_only_where_it_is_its_own_stream() {
        let json = Json::parse(br#"{"id":"1","balance":{"x":1}}"#).unwrap();
        let none = JoinOutcome::default();
        let bank = JoinOutcome { bank_name: Some("B"), ..none };
        let own = JoinOutcome { own_counterparty: true, ..none };
        let all = [none, bank, own].map(|joined| content(Rules::One, &json, true, joined));
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        let without = content(Rules::One, &json, false, none);
        assert_ne!(content(Rules::One, &json, true, none), without);
    }

    #[test]
    fn the_rules_are_fixed() {
        // State topics hold such fingerprints: other ones need another number.
        let json = Json::parse(br#"{"id":"1","version":3,"b":[null,1.50],"a":"x"}"#).unwrap();
        let joined =
            JoinOutcome { bank_name: Some("B"), own_counterparty: true, ..JoinOutcome::default() };
        let print = content(Rules::One, &json, true, joined);
        assert_eq!(print.to_string(), "1:fa74497c3aeb47a52f786e4ca57ce302");
    }
}
