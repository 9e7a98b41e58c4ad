//! Statement entries, booked and pending, and external payments in v2's words.

use serde_json::{Map, Value, json};

use super::{Rewrite, bic_of, identifiers, market, routing, taken};
use crate::simulator::options::Settings;
use crate::simulator::record::Record;

/// A pending entry, made from an entry as v1 would write it; v1 itself has none.
pub(in crate::simulator) fn pending(settings: &Settings, entry: &Record) -> Option<Value> {
    let Ok(Value::Object(old)) = serde_json::from_slice(&entry.v1) else { return None };
    let mut rewrite = Rewrite::new(settings, entry, old);
    transaction(&mut rewrite);
    rewrite.put("etag", format!("version:{}", entry.version));
    let mut members = rewrite.finish();
    for booked_only in ["reconciliationStatus", "attachedTransactables"] {
        members.remove(booked_only);
    }
    Some(Value::Object(members))
}

pub(super) fn transaction(r: &mut Rewrite<'_>) {
    r.keep(&["id", "organizationId"]);
    r.account_id();
    let negative = amount(r);
    r.keep(&["date", "valueDate"]);
    reconciliation(r, negative);
    r.require("description", "");
    remittance(r);
    characteristics(r);
    let mut mandate = None;
    if let Some(details) = r.take("counterpartyDetails") {
        let (party, reference) = other_side(r.settings, details);
        mandate = reference;
        r.put_some("counterparty", party);
    }
    references(r, mandate);
    r.metadata();
    r.times(false);
}

/// Puts the amount; true if money leaves the account.
fn amount(r: &mut Rewrite<'_>) -> bool {
    r.keep(&["amount"]);
    let value = r.new.get("amount").and_then(|amount| amount.get("value"));
    value.and_then(Value::as_i64).is_some_and(|value| value < 0)
}

/// `BOOKED` is `NOT_RECONCILED`; what an entry is matched with is a list.
fn reconciliation(r: &mut Rewrite<'_>, negative: bool) {
    let (mut status, mut attached) = (json!("NOT_RECONCILED"), Vec::new());
    match r.take("reconciliation") {
        Some(Value::Object(mut matched)) => {
            if let Some(found) = taken(&mut matched, "status").filter(|found| found != "BOOKED") {
                status = found;
            }
            if let Some(id) = taken(&mut matched, "transactableId") {
                let kind = match taken(&mut matched, "transactableType") {
                    Some(kind) if kind == "PAYMENT" && negative => json!("CREDIT_TRANSFER"),
                    Some(kind) if kind == "PAYMENT" => json!("DIRECT_DEBIT"),
                    other => other.unwrap_or_default(),
                };
                attached.push(json!({ "type": kind, "id": id }));
            }
        }
        Some(odd) => status = odd,
        None => {}
    }
    r.put("reconciliationStatus", status);
    r.put("attachedTransactables", attached);
}

/// Only the text is left; its type has no place in v2.
pub(super) fn remittance(r: &mut Rewrite<'_>) {
    match r.take("remittanceInformation") {
        Some(Value::Object(mut remittance)) => {
            let value = taken(&mut remittance, "value");
            r.put_some("reference", value);
        }
        other => r.put_some("reference", other),
    }
}

fn characteristics(r: &mut Rewrite<'_>) {
    let mut found = match r.take("characteristics") {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let returned = taken(&mut found, "returned").unwrap_or_else(|| false.into());
    r.put("returned", returned);
    if let Some(Value::Object(mut code)) = taken(&mut found, "bankTransactionCode") {
        code.retain(|_, value| super::is_something(value));
        // v2 requires the domain: banks with codes of their own only are given an empty one.
        code.entry("domain").or_insert_with(|| "".into());
        r.put("bankTransactionCode", code);
    }
    if let Some(Value::Object(mut reason)) = taken(&mut found, "returnReason") {
        reason.retain(|_, value| super::is_something(value));
        r.put("returnReason", reason);
    }
    if let Some(held) = taken(&mut found, "virtualAccount") {
        let account = account(r.settings, held);
        r.put("virtualAccount", account);
    }
    for (name, value) in found {
        if super::is_something(&value) {
            r.put(&name, value);
        }
    }
}

/// The other side and its mandate. It is no link to a counterparty: there is no id.
fn other_side(settings: &Settings, details: Value) -> (Option<Value>, Option<Value>) {
    let Value::Object(mut details) = details else { return (Some(details), None) };
    let mandate = taken(&mut details, "mandateReference");
    if let Some(Value::Object(mut contact)) = taken(&mut details, "contactDetails")
        && let Some(address) = taken(&mut contact, "address")
    {
        details.insert("address".to_owned(), address);
    }
    if let Some(held) = taken(&mut details, "externalAccount") {
        details.insert("account".to_owned(), account(settings, held));
    }
    details.retain(|_, value| super::is_something(value));
    ((!details.is_empty()).then_some(Value::Object(details)), mandate)
}

/// An account of the other side, or a virtual one: always a list of numbers and the raw one.
fn account(settings: &Settings, held: Value) -> Value {
    let Value::Object(mut held) = held else { return held };
    let bic = bic_of(taken(&mut held, "bank"));
    let number = taken(&mut held, "identifier");
    let raw = taken(&mut held, "rawIdentifier");
    let numbers = identifiers(Some(number.clone().into_iter().collect()));
    let raw = raw.or_else(|| number?.get("number").cloned()).unwrap_or_else(|| "".into());
    let place = taken(&mut held, "market").unwrap_or_else(|| market(&numbers, bic.as_ref()));
    let routing = routing(settings, bic, &numbers);
    held.insert("market".to_owned(), place);
    held.insert("routing".to_owned(), routing);
    held.insert("identifiers".to_owned(), numbers);
    held.insert("rawIdentifier".to_owned(), raw);
    Value::Object(held)
}

/// The mandate, and (v1 has no place for it) the end-to-end id.
fn references(r: &mut Rewrite<'_>, mandate: Option<Value>) {
    let mut references = Map::new();
    if let Some(mandate) = mandate {
        references.insert("mandateReference".to_owned(), mandate);
    }
    let drawn = r.mixed("end-to-end");
    let end_to_end = match drawn % 10 {
        0..4 => Some("NOTPROVIDED".to_owned()),
        4..7 => Some(format!("E2E-{:08}", (drawn >> 8) % 100_000_000)),
        _ => None,
    };
    if let Some(end_to_end) = end_to_end.filter(|_| r.settings.traps.more_in_v2) {
        references.insert("endToEndId".to_owned(), end_to_end.into());
    }
    if !references.is_empty() {
        r.put("references", references);
    }
}

/// An extension of ours: v2's spelling of what v1 shows under the same name.
pub(super) fn external_payment(r: &mut Rewrite<'_>) {
    r.keep(&["id", "organizationId"]);
    r.account_id();
    r.keep(&["amount", "date", "status", "scheme", "mandateReference"]);
    remittance(r);
    let mut attached = Vec::new();
    match r.take("reconciliation") {
        Some(Value::Object(mut matched)) => {
            let status = taken(&mut matched, "status");
            r.put_some("reconciliationStatus", status);
            if let Some(id) = taken(&mut matched, "bookedTransactionId") {
                attached.push(json!({ "type": "TRANSACTION", "id": id }));
            }
        }
        other => r.put_some("reconciliationStatus", other),
    }
    r.put("attachedTransactions", attached);
    if let Some(details) = r.take("counterparty") {
        let (party, _) = other_side(r.settings, details);
        r.put_some("counterparty", party);
    }
    r.metadata();
    r.times(true);
}
