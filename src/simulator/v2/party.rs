//! Accounts, counterparties and external accounts in v2's words.

use serde_json::{Map, Value, json};

use super::{Rewrite, bic_of, identifiers, market, routing, taken};
use crate::simulator::bank::Bank;
use crate::simulator::record::Kind;

pub(super) fn account(r: &mut Rewrite<'_>) {
    let of_bank = bic_of(r.take("bank"));
    let bic = r.take("bic").or(of_bank);
    for gone in ["owner", "balance", "affiliation"] {
        r.old.remove(gone);
    }
    r.keep(&["id", "organizationId"]);
    r.require("thirdPartyId", "");
    let affiliation = r.named_uuid("affiliation");
    r.put("affiliationId", affiliation);
    r.require("entityId", "");
    let numbers = identifiers(r.take("identifiers"));
    let place = market(&numbers, bic.as_ref());
    r.require("market", place);
    r.keep(&["currency"]);
    r.require("name", "");
    r.keep(&["alias"]);
    let routing = routing(r.settings, bic, &numbers);
    r.put("identifiers", numbers);
    r.put("routing", routing);
    r.require("fictive", false);
    r.metadata();
    r.times(true);
}

pub(super) fn counterparty(r: &mut Rewrite<'_>, bank: &Bank) {
    r.keep(&["id", "organizationId"]);
    let name = r.take("name").unwrap_or_else(|| "".into());
    r.put("legalName", name);
    r.keep(&["partyType", "alias"]);
    if let Some(Value::Object(mut contact)) = r.take("contactDetails") {
        for (from, to) in [
            ("address", "address"),
            ("email", "email"),
            ("phone", "phone"),
            ("nationalId", "nationalIdentifier"),
        ] {
            let value = taken(&mut contact, from);
            r.put_some(to, value);
        }
        for (name, value) in contact {
            r.put(&name, value);
        }
    }
    r.old.remove("identifiers");
    let left_out = r.settings.traps.accounts_left_out && r.mixed("accounts").is_multiple_of(4);
    match r.take("externalAccounts") {
        Some(Value::Array(accounts)) if !left_out => {
            let accounts = accounts.into_iter().map(|account| embedded(r, bank, account));
            let accounts: Vec<_> = accounts.collect();
            r.put("accounts", accounts);
        }
        _ => {}
    }
    r.keep(&["externalId"]);
    r.metadata();
    r.times(true);
}

/// An account inside its counterparty is what the list of external accounts has.
fn embedded(r: &Rewrite<'_>, bank: &Bank, account: Value) -> Value {
    let listed = account.get("id").and_then(Value::as_str);
    let listed = listed.and_then(|id| bank.table(Kind::ExternalAccount).find(id));
    match (account, listed) {
        (Value::Object(old), Some(record)) => {
            let mut inner = Rewrite::new(r.settings, record, old);
            external_account(&mut inner);
            Value::Object(inner.finish())
        }
        (odd, _) => odd,
    }
}

pub(super) fn external_account(r: &mut Rewrite<'_>) {
    r.keep(&["id", "organizationId", "counterpartyId"]);
    let bic = bic_of(r.take("bank"));
    let numbers = identifiers(r.take("identifiers"));
    let place = market(&numbers, bic.as_ref());
    r.put("market", place);
    r.keep(&["alias"]);
    let number = numbers.get(0).and_then(|first| first.get("number")).cloned();
    let name = r.new.get("alias").cloned().or(number).unwrap_or_else(|| "".into());
    r.put("name", name);
    let routing = routing(r.settings, bic, &numbers);
    r.put("identifiers", numbers);
    r.put("routing", routing);
    r.keep(&["externalId"]);
    r.metadata();
    r.times(true);
}

/// The copy of an account inside a payment, and who holds it.
pub(super) fn snapshot(
    r: &Rewrite<'_>,
    kind: &str,
    account: &mut Map<String, Value>,
    currency: Option<Value>,
) -> Value {
    let bic = bic_of(taken(account, "bank"));
    let numbers = identifiers(taken(account, "identifiers"));
    let mut snapshot = json!({
        "type": kind,
        "id": taken(account, "id").unwrap_or_default(),
        "organizationId": r.settings.organization_id,
        "market": market(&numbers, bic.as_ref()),
        "routing": routing(r.settings, bic, &numbers),
        "identifiers": numbers,
    });
    if let (Some(currency), Some(members)) = (currency, snapshot.as_object_mut()) {
        members.insert("currency".to_owned(), currency);
    }
    snapshot
}
