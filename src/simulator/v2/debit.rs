//! Direct debits in v2's words.

use serde_json::{Map, Value, json};

use super::movement::remittance;
use super::party::snapshot;
use super::{Rewrite, taken};
use crate::simulator::bank::Bank;
use crate::simulator::record::Kind;

pub(super) fn direct_debit(r: &mut Rewrite<'_>, bank: &Bank) {
    r.keep(&["id", "organizationId", "amount", "date"]);
    let status = r.take("status").unwrap_or_default();
    let executed = status == "RECONCILED" && r.settings.traps.no_reconciled_in_v2;
    r.put("status", if executed { json!("EXECUTED") } else { status });
    r.rename("directDebitSchemeType", "scheme");
    let currency = r.new.get("amount").and_then(|amount| amount.get("currency")).cloned();
    if let Some(Value::Object(mut source)) = r.take("sourceExternalAccount") {
        let id = taken(&mut source, "counterpartyId");
        let holder = json!({ "type": "COUNTERPARTY", "id": id, "legalName": holder(&source) });
        let source = snapshot(r, "EXTERNAL_ACCOUNT", &mut source, None);
        r.put("source", source);
        r.put("sourceHolder", holder);
    }
    if let Some(Value::Object(mut own)) = r.take("destinationAccount") {
        let entity = own.get("id").and_then(Value::as_str).and_then(|id| entity_of(bank, id));
        let holder = json!({ "type": "ENTITY", "id": entity, "legalName": holder(&own) });
        let own = snapshot(r, "ACCOUNT", &mut own, currency);
        r.put("destination", own);
        r.put("destinationHolder", holder);
    }
    r.require("approvalSteps", json!([]));
    mandate(r);
    remittance(r);
    r.put_new("reference", "");
    let attached = match r.take("attachedTransactions") {
        Some(Value::Array(attached)) => attached.into_iter().map(attachment).collect(),
        _ => json!([]),
    };
    r.put("attachedTransactions", attached);
    // What it is matched with stands in the attached transactions.
    r.old.remove("reconciliation");
    r.metadata();
    r.times(true);
}

fn mandate(r: &mut Rewrite<'_>) {
    let Some(Value::Object(mut mandate)) = r.take("mandate") else { return };
    let mut kept = Map::new();
    for name in ["id", "creditorReference", "mandateReference", "signatureDate", "version"] {
        kept.extend(taken(&mut mandate, name).map(|value| (name.to_owned(), value)));
    }
    r.put("mandate", kept);
}

fn attachment(attached: Value) -> Value {
    match attached.get("transactionId") {
        Some(id) => json!({ "type": "TRANSACTION", "id": id }),
        None => attached,
    }
}

fn holder(account: &Map<String, Value>) -> Value {
    let first = account.get("identifiers").and_then(|numbers| numbers.get(0));
    first.and_then(|number| number.get("holderName")).cloned().unwrap_or_else(|| "".into())
}

fn entity_of(bank: &Bank, account_id: &str) -> Option<Value> {
    bank.payload(Kind::Account, account_id)?.get("entityId").cloned()
}
