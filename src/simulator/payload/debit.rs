//! Direct debits as v1 writes them: collections the organisation starts.

use jiff::civil::Date;

use super::movement::remittance;
use super::{Money, amount, metadata, name_then, number};
use crate::simulator::Traps;
use crate::simulator::cast::{Own, Party, PartyAccount};
use crate::simulator::dice::Dice;
use crate::simulator::write::{Object, object};

/// A direct debit before it is written.
pub(in crate::simulator) struct Debit<'a> {
    pub(in crate::simulator) id: &'a str,
    pub(in crate::simulator) organization_id: &'a str,
    /// Where the money goes.
    pub(in crate::simulator) own: &'a Own,
    /// Where it comes from.
    pub(in crate::simulator) party: &'a Party,
    pub(in crate::simulator) held: &'a PartyAccount,
    pub(in crate::simulator) minor_units: i64,
    pub(in crate::simulator) date: Date,
    pub(in crate::simulator) status: &'static str,
    /// The statement entry it was matched with.
    pub(in crate::simulator) booked_transaction_id: Option<&'a str>,
    pub(in crate::simulator) scheme: &'static str,
    pub(in crate::simulator) mandate_id: &'a str,
    pub(in crate::simulator) mandate_reference: &'a str,
    pub(in crate::simulator) signed: Date,
    pub(in crate::simulator) remittance: &'a str,
    pub(in crate::simulator) created: &'a str,
    pub(in crate::simulator) updated: &'a str,
    pub(in crate::simulator) version: u32,
    pub(in crate::simulator) old: bool,
}

pub(in crate::simulator) fn direct_debit(
    debit: &Debit<'_>,
    traps: &Traps,
    dice: &mut Dice,
) -> String {
    let money = Money { market: debit.own.market, minor_units: debit.minor_units };
    let mut out = String::with_capacity(1800);
    object(&mut out, |o| {
        o.text("id", debit.id);
        o.text("organizationId", debit.organization_id);
        amount(o, "amount", money);
        o.shown("date", debit.date);
        o.text("status", debit.status);
        o.text("directDebitSchemeType", debit.scheme);
        o.object("destinationAccount", |o| {
            o.text("id", &debit.own.id);
            o.text("name", name_then(debit.own, debit.old, traps));
            o.object("bank", |o| o.text("bic", debit.own.market.bic));
            o.list("identifiers", &debit.own.numbers, |o, one| number(o, one, &debit.own.owner));
        });
        o.object("sourceExternalAccount", |o| source(o, debit));
        o.object("mandate", |o| mandate(o, debit));
        remittance(o, "UNSTRUCTURED", debit.remittance);
        o.object("reconciliation", |o| {
            let matched = debit.booked_transaction_id.is_some();
            o.text("status", if matched { "RECONCILED" } else { "EXPECTED" });
            o.text("transactableId", debit.id);
            o.text("transactableType", "PAYMENT");
        });
        o.list("attachedTransactions", debit.booked_transaction_id, |o, booked| {
            o.text("event", "RECONCILED");
            o.text("transactionId", booked);
        });
        metadata(o, "externalMetadata", "subscription", dice, traps);
        o.shown("etag", format_args!("version:{}", debit.version));
        o.int("version", debit.version);
        o.text("created", debit.created);
        if !traps.no_updated {
            o.text("updated", debit.updated);
        }
    });
    out
}

fn source(o: &mut Object<'_>, debit: &Debit<'_>) {
    o.text("id", &debit.held.id);
    o.text("organizationId", debit.organization_id);
    o.text("counterpartyId", &debit.party.id);
    o.object("bank", |o| o.text("bic", debit.party.market.bic));
    o.list("identifiers", &debit.held.numbers, |o, one| number(o, one, &debit.party.name));
}

fn mandate(o: &mut Object<'_>, debit: &Debit<'_>) {
    o.text("id", debit.mandate_id);
    o.text("organizationId", debit.organization_id);
    o.text("counterpartyId", &debit.party.id);
    o.text("externalAccountId", &debit.held.id);
    o.text("directDebitSchemeType", debit.scheme);
    o.text("status", "ACTIVE");
    o.text("mandateReference", debit.mandate_reference);
    o.text("creditorReference", "DE98ZZZ09999999999");
    o.shown("signatureDate", debit.signed);
    o.text("etag", "version:4");
    o.int("version", 4);
    o.text("created", debit.created);
    o.text("updated", debit.created);
}
