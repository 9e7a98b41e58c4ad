//! v2 payloads (`reference/atlar-api.md` sections 1 and 5), made from the v1 text of the same
//! record: the same id, amounts, dates, version and creation, in v2's words.
//!
//! A member that v1 does not document is kept as it is and wins, so that whatever is patched onto
//! a record shows in both generations. A record that is not an object is served as it is.

mod debit;
mod movement;
mod party;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::bank::Bank;
use super::dice::{mix, named_uuid};
use super::options::Settings;
use super::record::{Kind, Record};

pub(super) use self::movement::pending;

/// The record as v2 serves it.
pub(super) fn form(bank: &Bank, kind: Kind, record: &Record) -> Bytes {
    if kind == Kind::ThirdParty || kind.is_v2_only() {
        return record.v1.clone();
    }
    record.v2(|| {
        let Ok(Value::Object(old)) = serde_json::from_slice(&record.v1) else {
            return record.v1.clone();
        };
        let mut rewrite = Rewrite::new(&bank.settings, record, old);
        match kind {
            Kind::Account => party::account(&mut rewrite),
            Kind::Counterparty => party::counterparty(&mut rewrite, bank),
            Kind::ExternalAccount => party::external_account(&mut rewrite),
            Kind::Transaction => movement::transaction(&mut rewrite),
            Kind::ExternalPayment => movement::external_payment(&mut rewrite),
            Kind::DirectDebit => debit::direct_debit(&mut rewrite, bank),
            Kind::ThirdParty | Kind::PendingTransaction | Kind::Balance => {}
        }
        let mut text = Value::Object(rewrite.finish()).to_string();
        // It is kept: a large world would pay for every spare byte.
        text.shrink_to_fit();
        Bytes::from(text)
    })
}

/// One record on its way from v1 to v2: members are taken from the old one and put into the new.
struct Rewrite<'a> {
    settings: &'a Settings,
    id: &'a str,
    version: u32,
    touched: Option<&'a str>,
    old: Map<String, Value>,
    new: Map<String, Value>,
}

impl<'a> Rewrite<'a> {
    fn new(settings: &'a Settings, record: &'a Record, old: Map<String, Value>) -> Rewrite<'a> {
        let (id, version, touched) = (&*record.id, record.version, record.touched.as_deref());
        Rewrite { settings, id, version, touched, old, new: Map::new() }
    }

    /// A member of the old record; nothing, however it is written, is absence.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.old.remove(name).filter(is_something)
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.new.insert(name.to_owned(), value.into());
    }

    fn put_some(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// A member that v2 always has and v1 did not tell.
    fn put_new(&mut self, name: &str, value: impl Into<Value>) {
        self.new.entry(name).or_insert_with(|| value.into());
    }

    /// Members that have one name in both generations.
    fn keep(&mut self, names: &[&str]) {
        for name in names {
            self.rename(name, name);
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        let value = self.take(from);
        self.put_some(to, value);
    }

    /// A member that v2 always has.
    fn require(&mut self, name: &str, otherwise: impl Into<Value>) {
        let value = self.take(name).unwrap_or_else(|| otherwise.into());
        self.put(name, value);
    }

    /// `account.id`, or whatever is in its place.
    fn account_id(&mut self) {
        match self.take("account") {
            Some(Value::Object(mut account)) => self.put_some("accountId", account.remove("id")),
            other => self.put_some("accountId", other),
        }
    }

    /// `externalMetadata`; now and then v2 too writes nothing as something.
    fn metadata(&mut self) {
        self.rename("externalMetadata", "metadata");
        if self.settings.traps.mixed_nothing && !self.new.contains_key("metadata") {
            match self.mixed("metadata") % 8 {
                0 => self.put("metadata", Value::Null),
                1 => self.put("metadata", json!({})),
                _ => {}
            }
        }
    }

    /// Creation, last change and version; `etag` repeats the version.
    fn times(&mut self, etag: bool) {
        self.keep(&["created"]);
        let created = self.new.get("created").cloned();
        let touched = self.touched.map(Value::from);
        let updated = self.take("updated").or(touched).or(created);
        self.put_some("updated", updated);
        // A version that is not a number is served as it was put.
        self.require("version", self.version);
        let version = self.new.get("version").cloned().unwrap_or_default();
        self.old.remove("etag");
        if etag {
            self.put("etag", format!("version:{version}"));
        }
    }

    /// A number that belongs to this record and this use of it.
    fn mixed(&self, what: &str) -> u64 {
        mix(self.settings.seed, &[self.id.as_bytes(), what.as_bytes()])
    }

    fn named_uuid(&self, what: &str) -> String {
        named_uuid(self.settings.seed, &[self.id.as_bytes(), what.as_bytes()])
    }

    /// What is left of the old record was never documented: it stays.
    fn finish(mut self) -> Map<String, Value> {
        self.new.append(&mut self.old);
        self.new
    }
}

/// Atlar's four ways to say that there is nothing are one.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// The member of this name, out of an object.
fn taken(from: &mut Map<String, Value>, name: &str) -> Option<Value> {
    from.remove(name).filter(is_something)
}

/// An account number in v2's words: no holder, national numbers of every kind are `NUMBER`.
fn identifier(number: Value) -> Value {
    let Value::Object(mut members) = number else { return number };
    members.remove("holderName");
    if let Some(Value::String(kind)) = members.get_mut("type") {
        match kind.as_str() {
            "BBAN" | "ACCOUNT_NUMBER" => *kind = "NUMBER".to_owned(),
            "SE_BG" => *kind = "SE_BANKGIRO".to_owned(),
            "SE_PG" => *kind = "SE_PLUSGIRO".to_owned(),
            _ => {}
        }
    }
    Value::Object(members)
}

fn identifiers(numbers: Option<Value>) -> Value {
    match numbers {
        Some(Value::Array(numbers)) => numbers.into_iter().map(identifier).collect(),
        None => json!([]),
        Some(odd) => odd,
    }
}

/// How the bank is reached: its BIC, and a national number where the account tells it.
fn routing(settings: &Settings, bic: Option<Value>, numbers: &Value) -> Value {
    let mut routing: Vec<Value> =
        bic.into_iter().map(|bic| json!({ "type": "BIC", "number": bic })).collect();
    let first = numbers.get(0).and_then(|first| first.get("number")).and_then(Value::as_str);
    let market = numbers.get(0).and_then(|first| first.get("market")).and_then(Value::as_str);
    let national = match market {
        Some("DE") => first.and_then(|iban| iban.get(4..12)).map(|code| ("DE_BLZ", code)),
        Some("GB") => first.and_then(|iban| iban.get(8..14)).map(|code| ("GB_DSC", code)),
        Some("US") => first.and_then(|number| number.get(..9)).map(|code| ("US_ABA", code)),
        _ => None,
    };
    if let Some((kind, code)) = national.filter(|_| settings.traps.more_in_v2) {
        routing.push(json!({ "type": kind, "number": code }));
    }
    Value::Array(routing)
}

/// The market of an account: of its first number, else the country in the BIC.
fn market(numbers: &Value, bic: Option<&Value>) -> Value {
    let of_number = numbers.get(0).and_then(|first| first.get("market")).cloned();
    let of_bic = || bic.and_then(Value::as_str).and_then(|bic| bic.get(4..6)).map(Value::from);
    of_number.or_else(of_bic).unwrap_or_else(|| "".into())
}

fn bic_of(bank: Option<Value>) -> Option<Value> {
    match bank {
        Some(Value::Object(mut bank)) => taken(&mut bank, "bic"),
        _ => None,
    }
}
