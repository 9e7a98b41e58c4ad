//! Whether two records of one entity say the same, by what is published of them.
//!
//! Records of one generation of the API are compared in all they say, but for what moves without
//! meaning. Those of two generations are another matter: when a workspace moves from one to the
//! other, every record looks different, and none has changed. Compared is what is published, after
//! a small word table ([`WORDS`]), over the fields that both generations have: [`LEFT_OUT`] names
//! the others. Anything else that differs is a difference.

use serde_json::{Map, Value};

use crate::domain::{Entity, Identifier, Record};

use super::metadata::{self, Metadata};

/// Words of v1 and what v2 calls them.
pub const WORDS: &[(&str, &str)] = &[
    ("BOOKED", "NOT_RECONCILED"),
    ("BBAN", "NUMBER"),
    ("ACCOUNT_NUMBER", "NUMBER"),
    ("SE_BG", "SE_BANKGIRO"),
    ("SE_PG", "SE_PLUSGIRO"),
];

/// Fields that are not compared, and why. No entity: of every one.
pub const LEFT_OUT: &[(Option<Entity>, &str, &str)] = &[
    (None, "raw", "the JSON as received is another text in each generation"),
    (None, "version", "counted per generation"),
    (None, "updated_at", "moves without meaning"),
    (Some(Entity::Account), "owner_name", V1_ONLY),
    (Some(Entity::Account), "metadata.owner/name", V1_ONLY),
    (Some(Entity::Account), "bank_id", BANK_ID),
    (Some(Entity::Account), "metadata.bank/id", BANK_ID),
    (Some(Entity::Account), "routing", V2_ONLY),
    (Some(Entity::Account), "identifiers.holder_name", V1_ONLY),
    (Some(Entity::Counterparty), "alias", V2_ONLY),
    (Some(Entity::Counterparty), "external_accounts.bank_id", BANK_ID),
    (Some(Entity::Counterparty), "external_accounts.bank_name", V1_ONLY),
    (Some(Entity::Counterparty), "external_accounts.routing", V2_ONLY),
    (Some(Entity::Counterparty), "metadata.routing_number", V2_ONLY),
    (Some(Entity::Counterparty), "external_accounts.identifiers.holder_name", V1_ONLY),
    (Some(Entity::Counterparty), "external_accounts.updated_at", "moves without meaning"),
    (Some(Entity::Payment), "end_to_end_id", V2_ONLY),
    (Some(Entity::Payment), "remittance_type", V1_ONLY),
    (Some(Entity::Payment), "counterparty.routing", V2_ONLY),
    (Some(Entity::Payment), "counterparty.identifiers.holder_name", V1_ONLY),
    (Some(Entity::ExternalPayment), "remittance_type", V1_ONLY),
    (Some(Entity::ExternalPayment), "counterparty.routing", V2_ONLY),
    (Some(Entity::ExternalPayment), "counterparty.identifiers.holder_name", V1_ONLY),
];

/// Of these, what says nothing within one generation either.
const MEANINGLESS: &[&str] = &["raw", "version", "updated_at", "external_accounts.updated_at"];

/// Beside these, of direct debits.
pub const LEFT_OUT_OF_DIRECT_DEBITS: &[(&str, &str)] =
    &[("reconciliation_status", V1_ONLY), ("counterparty.name", V2_ONLY)];

const V1_ONLY: &str = "v1 only";
const V2_ONLY: &str = "v2 only";
const BANK_ID: &str = "the bank's own id is v1 only";

/// Whether `published` and `seen`, the mapped records of one entity from one generation, say the
/// same but for what moves without meaning. Symmetric.
pub fn same_content(published: &Record, seen: &Record) -> bool {
    if (published.entity(), published.id()) != (seen.entity(), seen.id()) {
        return false;
    }
    let content = |record: &Record| {
        let mut value = serde_json::to_value(record).ok()?;
        MEANINGLESS.iter().for_each(|path| leave_out(&mut value, path));
        Some(value)
    };
    match (content(published), content(seen)) {
        (Some(published), Some(seen)) => published == seen,
        _ => false,
    }
}

/// Whether `published` and `seen`, the mapped records of one entity from different generations,
/// are equal in meaning. Symmetric.
pub fn same_meaning(published: &Record, seen: &Record) -> bool {
    if (published.entity(), published.id()) != (seen.entity(), seen.id()) {
        return false;
    }
    let (Some(mut published), Some(mut seen)) = (common(published), common(seen)) else {
        return false;
    };
    // Only v2 says what kind of account it is; `INTERNAL` is what stands for nothing.
    let account_type = key("account_type");
    let unsaid = |record: &Value| record["metadata"][&account_type] == "INTERNAL";
    if unsaid(&published) || unsaid(&seen) {
        for record in [&mut published, &mut seen] {
            remove(record, &["metadata", &account_type]);
        }
    }
    published == seen
}

/// What a record says in either generation, in the words of v2.
fn common(record: &Record) -> Option<Value> {
    let entity = record.entity();
    let mut value = serde_json::to_value(record).ok()?;
    identifier_keys(&mut value);
    bank_reference(&mut value);
    let direct_debit = value["source_resource"] == "direct-debits";
    let left_out = LEFT_OUT.iter().filter(|(of, ..)| of.is_none_or(|of| of == entity));
    for (_, path, _) in left_out {
        leave_out(&mut value, path);
    }
    for (path, _) in LEFT_OUT_OF_DIRECT_DEBITS.iter().filter(|_| direct_debit) {
        leave_out(&mut value, path);
    }
    for status in ["raw_status", "reconciliation_status"] {
        rename(value.get_mut(status));
    }
    for owner in ["", "/counterparty"] {
        identifier_types(value.pointer_mut(&format!("{owner}/identifiers")));
    }
    let accounts = value.get_mut("external_accounts").and_then(Value::as_array_mut);
    for account in accounts.into_iter().flatten() {
        identifier_types(account.get_mut("identifiers"));
    }
    // The other side of which nothing is left is nothing.
    let party = value.get_mut("counterparty").filter(|party| party.is_object());
    if let Some(party) = party
        && party.as_object().is_some_and(|party| party.values().all(Value::is_null))
    {
        *party = Value::Null;
    }
    Some(value)
}

fn key(name: &str) -> String {
    format!("{}{name}", metadata::PREFIX)
}

fn leave_out(value: &mut Value, path: &str) {
    match path.strip_prefix("metadata.") {
        Some(name) => remove(value, &["metadata", &key(name)]),
        None => remove(value, &path.split('.').collect::<Vec<_>>()),
    }
}

/// Takes a member out, in every element of the lists on the way.
fn remove(value: &mut Value, path: &[&str]) {
    match (value, path) {
        (Value::Array(items), path) => items.iter_mut().for_each(|item| remove(item, path)),
        (Value::Object(members), [name]) => {
            members.remove(*name);
        }
        (Value::Object(members), [name, rest @ ..]) => {
            if let Some(inner) = members.get_mut(*name) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

fn rename(word: Option<&mut Value>) {
    let Some(word) = word else { return };
    if let Some((_, new)) = WORDS.iter().find(|(old, _)| *word == *old) {
        *word = Value::from(*new);
    }
}

fn identifier_types(identifiers: Option<&mut Value>) {
    for identifier in identifiers.and_then(Value::as_array_mut).into_iter().flatten() {
        rename(identifier.get_mut("type"));
    }
}

/// Brings the keys `identifier/<market>/<type>` under v2's types. A key holds its number among
/// those of its kind, so the keys are made anew; where they are not what the identifiers give,
/// they stay as they are.
fn identifier_keys(value: &mut Value) {
    let listed = value.get("identifiers").cloned().unwrap_or_default();
    let listed: Vec<Identifier> = serde_json::from_value(listed).unwrap_or_default();
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let prefix = key("identifier/");
    let (held, mut rest): (Map<String, Value>, Map<String, Value>) =
        std::mem::take(metadata).into_iter().partition(|(name, _)| name.starts_with(&prefix));
    let renamed = listed.iter().cloned().map(|mut identifier| {
        let mut kind = identifier.kind.map(Value::from);
        rename(kind.as_mut());
        identifier.kind = kind.and_then(|kind| kind.as_str().map(str::to_owned));
        identifier
    });
    let as_listed = held == keys(&listed);
    rest.extend(if as_listed { keys(&renamed.collect::<Vec<_>>()) } else { held });
    *metadata = rest;
}

fn keys(identifiers: &[Identifier]) -> Map<String, Value> {
    let keys = Metadata::default().put_identifiers(identifiers).done();
    keys.into_iter().map(|(name, value)| (name, Value::from(value))).collect()
}

/// The bank reference is the end-to-end id where there is one, which v1 does not say; then the
/// mandate reference stands in, as v1 would put it.
fn bank_reference(value: &mut Value) {
    let name = key("bank_reference");
    let end_to_end_id = value.get("end_to_end_id").filter(|id| id.is_string());
    if end_to_end_id.is_none() || end_to_end_id != value["metadata"].get(&name) {
        return;
    }
    let mandate_reference = value["mandate_reference"].clone();
    if mandate_reference.is_null() {
        remove(value, &["metadata", &name]);
    } else {
        value["metadata"][&name] = mandate_reference;
    }
}

#[cfg(test)]
mod tests;
