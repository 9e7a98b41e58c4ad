//! Statement entries and awaited payments as v1 writes them.

use jiff::civil::Date;

use super::{
    Money, NO_OBJECT, Times, account_trx, amount, metadata, national_id, nothing, number,
    odd_amount, party_type,
};
use crate::simulator::Traps;
use crate::simulator::cast::{Movement, Own, Party, PartyAccount};
use crate::simulator::dice::Dice;
use crate::simulator::market::{Market, Number};
use crate::simulator::write::{Nothing, Object, object};

/// The other side of a statement entry.
pub(in crate::simulator) enum Other<'a> {
    Bank,
    Party(&'a Party, Option<&'a PartyAccount>),
    /// Another account of the organisation: a transfer.
    Own(&'a Own),
}

/// A statement entry before it is written.
pub(in crate::simulator) struct Entry<'a> {
    pub(in crate::simulator) id: &'a str,
    pub(in crate::simulator) organization_id: &'a str,
    pub(in crate::simulator) own: &'a Own,
    pub(in crate::simulator) other: Other<'a>,
    pub(in crate::simulator) movement: &'a Movement,
    pub(in crate::simulator) minor_units: i64,
    pub(in crate::simulator) date: Date,
    pub(in crate::simulator) value_date: Option<Date>,
    pub(in crate::simulator) remittance_type: &'a str,
    pub(in crate::simulator) remittance: &'a str,
    pub(in crate::simulator) returned: Option<(&'static str, &'static str)>,
    /// The amount in the other side's currency and the rate.
    pub(in crate::simulator) exchange: Option<(Money, &'a str)>,
    pub(in crate::simulator) virtual_account: bool,
    pub(in crate::simulator) status: &'static str,
    /// Type and id of what it was matched with.
    pub(in crate::simulator) matched: Option<(&'static str, &'a str)>,
    pub(in crate::simulator) created: &'a str,
    pub(in crate::simulator) updated: &'a str,
    pub(in crate::simulator) version: u32,
    /// It was made before the world began.
    pub(in crate::simulator) old: bool,
    /// `stringValue` has another scale than the currency.
    pub(in crate::simulator) odd_decimals: bool,
}

pub(in crate::simulator) fn transaction(
    entry: &Entry<'_>,
    traps: &Traps,
    dice: &mut Dice,
) -> String {
    let money = Money { market: entry.own.market, minor_units: entry.minor_units };
    let mut out = String::with_capacity(1500);
    object(&mut out, |o| {
        o.text("id", entry.id);
        o.text("organizationId", entry.organization_id);
        account_trx(o, entry.own, entry.old, traps);
        if entry.odd_decimals {
            odd_amount(o, "amount", money);
        } else {
            amount(o, "amount", money);
        }
        o.shown("date", entry.date);
        match entry.value_date {
            Some(day) => o.shown("valueDate", day),
            None => {
                o.nothing("valueDate", nothing(dice, traps, &[Nothing::Null, Nothing::EmptyText]))
            }
        }
        o.text("description", entry.remittance);
        remittance(o, entry.remittance_type, entry.remittance);
        o.object("reconciliation", |o| {
            o.text("status", entry.status);
            o.text("bookedTransactionId", entry.id);
            if let Some((kind, id)) = entry.matched {
                o.text("transactableId", id);
                o.text("transactableType", kind);
            }
        });
        o.object("characteristics", |o| characteristics(o, entry, money, traps, dice));
        if !matches!(entry.other, Other::Bank) {
            o.object("counterpartyDetails", |o| other_side(o, entry, traps, dice));
        } else {
            o.nothing("counterpartyDetails", nothing(dice, traps, NO_OBJECT));
        }
        metadata(o, "externalMetadata", "ledger", dice, traps);
        if traps.unknown_fields && dice.chance(20) {
            o.object("bankReferences", |o| o.text("servicer", &dice.digits(8)));
        }
        o.text("created", entry.created);
        if !traps.no_updated {
            o.text("updated", entry.updated);
        }
        o.int("version", entry.version);
    });
    out
}

pub(super) fn remittance(o: &mut Object<'_>, kind: &str, value: &str) {
    o.object("remittanceInformation", |o| {
        o.text("type", kind);
        o.text("value", value);
    });
}

fn characteristics(
    o: &mut Object<'_>,
    entry: &Entry<'_>,
    money: Money,
    traps: &Traps,
    dice: &mut Dice,
) {
    let movement = entry.movement;
    o.object("bankTransactionCode", |o| {
        for (key, value) in [
            ("domain", movement.domain),
            ("family", movement.family),
            ("subfamily", movement.subfamily),
            ("description", movement.description),
        ] {
            if !value.is_empty() {
                o.text(key, value);
            }
        }
        match movement.proprietary {
            Some((code, issuer)) => o.object("proprietary", |o| {
                o.text("code", code);
                o.text("issuer", issuer);
            }),
            None => o.nothing("proprietary", nothing(dice, traps, NO_OBJECT)),
        }
    });
    match entry.exchange {
        Some((instructed, rate)) => {
            amount(o, "instructedAmount", instructed);
            o.object("currencyExchange", |o| {
                o.text("exchangeRate", rate);
                o.text("sourceCurrency", instructed.market.currency);
                o.text("targetCurrency", money.market.currency);
                o.text("unitCurrency", instructed.market.currency);
            });
        }
        None => {
            amount(o, "instructedAmount", money);
            o.nothing("currencyExchange", nothing(dice, traps, NO_OBJECT));
        }
    }
    o.boolean("returned", entry.returned.is_some());
    if let Some((code, description)) = entry.returned {
        o.object("returnReason", |o| {
            o.text("code", code);
            o.text("description", description);
            o.nothing("originalBankTransactionCode", nothing(dice, traps, NO_OBJECT));
        });
    }
    if entry.virtual_account {
        let raw = dice.digits(12);
        o.object("virtualAccount", |o| {
            o.object("bank", |o| o.text("bic", entry.own.market.bic));
            o.object("identifier", |o| {
                o.text("holderName", &entry.own.owner);
                o.text("number", &raw);
            });
            o.text("market", entry.own.market.country);
            o.text("rawIdentifier", &raw);
        });
    }
}

fn other_side(o: &mut Object<'_>, entry: &Entry<'_>, traps: &Traps, dice: &mut Dice) {
    match entry.other {
        Other::Bank => {}
        Other::Party(party, held) => {
            party_details(o, party, held, traps, dice);
        }
        Other::Own(own) => {
            o.text("name", &own.owner);
            o.text("partyType", "COMPANY");
            o.object("contactDetails", |_| {});
            o.nothing("nationalIdentifier", nothing(dice, traps, NO_OBJECT));
            held_at(o, own.market, own.numbers.first(), &own.owner);
        }
    }
    if entry.movement.mandate {
        let number = dice.digits(4);
        o.shown("mandateReference", format_args!("NW-M-{number}"));
    }
}

fn party_details(
    o: &mut Object<'_>,
    party: &Party,
    held: Option<&PartyAccount>,
    traps: &Traps,
    dice: &mut Dice,
) {
    o.text("name", &party.name);
    o.text("partyType", party_type(party, traps, dice));
    o.nothing("contactDetails", nothing(dice, traps, NO_OBJECT));
    match &party.national_number {
        Some(national) => o.object("nationalIdentifier", |o| national_id(o, party, national)),
        None => o.nothing("nationalIdentifier", nothing(dice, traps, NO_OBJECT)),
    }
    match held.and_then(|held| held.numbers.first()) {
        Some(first) => held_at(o, party.market, Some(first), &party.name),
        None => o.nothing("externalAccount", nothing(dice, traps, NO_OBJECT)),
    }
}

fn held_at(o: &mut Object<'_>, market: &Market, held: Option<&Number>, holder: &str) {
    o.object("externalAccount", |o| {
        o.object("bank", |o| o.text("bic", market.bic));
        o.text("market", market.country);
        if let Some(held) = held {
            o.text("rawIdentifier", &held.number);
            o.object("identifier", |o| number(o, held, holder));
        }
    });
}

/// An awaited movement before it is written.
pub(in crate::simulator) struct Awaited<'a> {
    pub(in crate::simulator) id: &'a str,
    pub(in crate::simulator) organization_id: &'a str,
    pub(in crate::simulator) own: &'a Own,
    pub(in crate::simulator) minor_units: i64,
    pub(in crate::simulator) date: Date,
    pub(in crate::simulator) status: &'static str,
    /// The statement entry it was matched with.
    pub(in crate::simulator) booked_transaction_id: Option<&'a str>,
    pub(in crate::simulator) remittance: &'a str,
    pub(in crate::simulator) scheme: Option<&'static str>,
    pub(in crate::simulator) other: Option<&'a Party>,
    /// It was made before the world began.
    pub(in crate::simulator) old: bool,
    pub(in crate::simulator) mandate_reference: Option<&'a str>,
    pub(in crate::simulator) times: Times<'a>,
}

pub(in crate::simulator) fn external_payment(
    awaited: &Awaited<'_>,
    traps: &Traps,
    dice: &mut Dice,
) -> String {
    let money = Money { market: awaited.own.market, minor_units: awaited.minor_units };
    let mut out = String::with_capacity(1200);
    object(&mut out, |o| {
        o.text("id", awaited.id);
        o.text("organizationId", awaited.organization_id);
        account_trx(o, awaited.own, awaited.old, traps);
        amount(o, "amount", money);
        o.shown("date", awaited.date);
        o.text("status", awaited.status);
        remittance(o, "UNSTRUCTURED", awaited.remittance);
        o.object("reconciliation", |o| {
            let booked = awaited.booked_transaction_id;
            o.text("status", if booked.is_some() { "RECONCILED" } else { "EXPECTED" });
            o.text("expectedTransactionId", awaited.id);
            if let Some(booked) = booked {
                o.text("bookedTransactionId", booked);
            }
            o.text("transactableId", awaited.id);
            o.text("transactableType", "EXPECTED_TRANSACTION");
        });
        if let Some(scheme) = awaited.scheme {
            o.text("scheme", scheme);
        }
        if let Some(party) = awaited.other {
            o.object("counterparty", |o| {
                party_details(o, party, party.accounts.first(), traps, dice);
            });
        }
        if let Some(reference) = awaited.mandate_reference {
            o.text("mandateReference", reference);
        }
        metadata(o, "externalMetadata", "invoice", dice, traps);
        o.text("created", awaited.times.created);
        o.text("updated", awaited.times.updated);
        o.int("version", awaited.times.version);
    });
    out
}
