//! Payloads as v1 writes them (`reference/atlar-api.md` section 4), by hand and from the
//! documentation: nothing here is shared with the code that reads them.

pub(super) mod debit;
pub(super) mod movement;

use jiff::civil::Date;

use super::Traps;
use super::cast::{Own, Party, PartyAccount};
use super::dice::Dice;
use super::market::{Market, Number, decimal};
use super::write::{Nothing, Object, object};

/// An amount in the minor units of a market's currency.
#[derive(Clone, Copy)]
pub(super) struct Money {
    pub(super) market: &'static Market,
    pub(super) minor_units: i64,
}

/// How a record says that there is nothing: mixed where the trap is on.
pub(super) fn nothing(dice: &mut Dice, traps: &Traps, among: &[Nothing]) -> Nothing {
    if traps.mixed_nothing {
        dice.pick(among).copied().unwrap_or(Nothing::Missing)
    } else {
        Nothing::Missing
    }
}

const NO_OBJECT: &[Nothing] = &[Nothing::Missing, Nothing::Null, Nothing::EmptyObject];

pub(super) fn amount(o: &mut Object<'_>, key: &str, money: Money) {
    o.object(key, |o| {
        o.text("currency", money.market.currency);
        o.int("value", money.minor_units);
        o.text("stringValue", &decimal(money.minor_units, money.market.exponent));
    });
}

/// The text has one decimal more than the currency: it disagrees with the value.
fn odd_amount(o: &mut Object<'_>, key: &str, money: Money) {
    o.object(key, |o| {
        o.text("currency", money.market.currency);
        o.int("value", money.minor_units);
        o.text("stringValue", &decimal(money.minor_units, money.market.exponent + 1));
    });
}

fn number(o: &mut Object<'_>, number: &Number, holder: &str) {
    o.text("type", number.kind.v1());
    o.text("market", number.market);
    o.text("number", &number.number);
    o.text("holderName", holder);
}

pub(super) fn third_party(id: &str, name: &str, kind: &str, vendor: &str) -> String {
    let mut out = String::new();
    object(&mut out, |o| {
        o.text("id", id);
        o.text("name", name);
        o.text("type", kind);
        o.text("vendorId", vendor);
        o.shown("iconUrl", format_args!("https://icons.example/{}.png", vendor.to_lowercase()));
    });
    out
}

/// What an account's payload holds beside the account itself.
pub(super) struct AccountFacts<'a> {
    pub(super) organization_id: &'a str,
    pub(super) entity_id: &'a str,
    pub(super) alias: Option<&'a str>,
    pub(super) balance: Option<Balance<'a>>,
    pub(super) fictive: bool,
    pub(super) created: &'a str,
    pub(super) updated: &'a str,
    pub(super) version: u32,
}

/// A balance, in its own list and inside an account.
#[derive(Clone, Copy)]
pub(super) struct Balance<'a> {
    pub(super) id: &'a str,
    pub(super) account_id: &'a str,
    pub(super) organization_id: &'a str,
    /// `BOOKED` or `AVAILABLE`.
    pub(super) kind: &'static str,
    /// `OPEN`, `CLOSE` or `INTERIM`.
    pub(super) reported: &'static str,
    pub(super) money: Money,
    pub(super) day: Date,
    pub(super) at: &'a str,
}

pub(super) fn balance(o: &mut Object<'_>, balance: &Balance<'_>) {
    o.text("id", balance.id);
    o.text("accountId", balance.account_id);
    o.text("organizationId", balance.organization_id);
    o.text("type", balance.kind);
    o.text("reportedType", balance.reported);
    amount(o, "amount", balance.money);
    o.shown("localDate", balance.day);
    o.text("timestamp", balance.at);
    o.int("version", 1);
}

pub(super) fn account(
    own: &Own,
    facts: &AccountFacts<'_>,
    traps: &Traps,
    dice: &mut Dice,
) -> String {
    let mut out = String::with_capacity(1200);
    object(&mut out, |o| {
        o.text("id", &own.id);
        o.text("organizationId", facts.organization_id);
        o.text("name", &own.name);
        match facts.alias {
            Some(alias) => o.text("alias", alias),
            None => o.nothing(
                "alias",
                nothing(dice, traps, &[Nothing::Missing, Nothing::Null, Nothing::EmptyText]),
            ),
        }
        o.text("currency", own.market.currency);
        o.text("market", own.market.country);
        o.text("bic", own.market.bic);
        bank_of(o, own, traps);
        o.text("thirdPartyId", &own.third_party_id);
        o.text("entityId", facts.entity_id);
        o.object("owner", |o| o.text("name", &own.owner));
        o.list("identifiers", &own.numbers, |o, held| number(o, held, &own.owner));
        if let Some(booked) = &facts.balance {
            o.object("balance", |o| balance(o, booked));
        }
        metadata(o, "externalMetadata", "costCenter", dice, traps);
        if facts.fictive {
            o.boolean("fictive", true);
        }
        if traps.unknown_fields && dice.chance(300) {
            o.object("affiliation", |o| o.text("id", &own.third_party_id));
            o.object("capabilities", |o| o.boolean("payments", true));
        }
        o.text("created", facts.created);
        o.text("updated", facts.updated);
        o.int("version", facts.version);
    });
    out
}

fn bank_of(o: &mut Object<'_>, own: &Own, traps: &Traps) {
    let named = own.bank_named || !traps.empty_bank;
    o.object("bank", |o| {
        o.text("id", if named { &own.third_party_id } else { "" });
        o.text("name", if named { own.market.bank } else { "" });
        o.text("bic", own.market.bic);
    });
}

/// The account inside a payment: a copy made when the payment was, and never refreshed.
fn account_trx(o: &mut Object<'_>, own: &Own, old: bool, traps: &Traps) {
    o.object("account", |o| {
        o.text("id", &own.id);
        o.text("name", name_then(own, old, traps));
        bank_of(o, own, traps);
    });
}

/// What the account was called when a payment was made.
fn name_then<'a>(own: &'a Own, old: bool, traps: &Traps) -> &'a str {
    let former = own.former_name.as_deref().filter(|_| old && traps.frozen_snapshots);
    former.unwrap_or(&own.name)
}

fn metadata(o: &mut Object<'_>, key: &str, entry: &str, dice: &mut Dice, traps: &Traps) {
    if dice.chance(250) {
        let value = dice.digits(4);
        o.object(key, |o| o.text(entry, &value));
    } else {
        o.nothing(key, nothing(dice, traps, NO_OBJECT));
    }
}

/// When a record was made and changed, and how often.
pub(super) struct Times<'a> {
    pub(super) created: &'a str,
    pub(super) updated: &'a str,
    pub(super) version: u32,
}

pub(super) fn counterparty(
    party: &Party,
    organization_id: &str,
    times: &Times<'_>,
    traps: &Traps,
    dice: &mut Dice,
) -> String {
    let mut out = String::with_capacity(1500);
    object(&mut out, |o| {
        o.text("id", &party.id);
        o.text("organizationId", organization_id);
        o.text("name", &party.name);
        o.text("partyType", party_type(party, traps, dice));
        contact_details(o, party, traps, dice);
        if party.accounts.is_empty() && traps.mixed_nothing && dice.chance(500) {
            o.null("externalAccounts");
        } else {
            o.list("externalAccounts", &party.accounts, |o, held| {
                external_account(o, party, held, organization_id, times, traps, dice);
            });
        }
        if dice.chance(600) {
            let number = dice.digits(5);
            o.shown("externalId", format_args!("partner-{number}"));
        }
        metadata(o, "externalMetadata", "erpVendor", dice, traps);
        o.text("created", times.created);
        o.text("updated", times.updated);
        o.int("version", times.version);
    });
    out
}

fn party_type(party: &Party, traps: &Traps, dice: &mut Dice) -> &'static str {
    match party.company {
        _ if traps.unknown_values && dice.chance(10) => "ASSOCIATION",
        true => "COMPANY",
        false => "INDIVIDUAL",
    }
}

fn contact_details(o: &mut Object<'_>, party: &Party, traps: &Traps, dice: &mut Dice) {
    if traps.mixed_nothing && dice.chance(150) {
        o.object("contactDetails", |_| {});
        return;
    }
    let street = super::cast::street(dice);
    let (house, code, mail) = (dice.digits(2), dice.digits(5), dice.digits(6));
    let (has_address, has_phone, raw_lines) =
        (dice.chance(800), dice.chance(300), dice.chance(100));
    o.object("contactDetails", |o| {
        if has_address {
            o.object("address", |o| {
                o.text("streetName", street);
                o.text("streetNumber", &house);
                o.text("postalCode", &code);
                o.text("city", party.market.city);
                o.text("country", party.market.country);
                if raw_lines {
                    // A list of texts: the only one in v1 besides event names.
                    o.texts("rawAddressLines", &[street, &code, party.market.city]);
                }
            });
        }
        o.shown("email", format_args!("p{mail}@mail.example"));
        if has_phone {
            o.shown("phone", format_args!("+00 {mail}"));
        }
        if let Some(national) = &party.national_number {
            o.object("nationalId", |o| national_id(o, party, national));
        }
    });
}

fn national_id(o: &mut Object<'_>, party: &Party, national: &str) {
    o.text("type", if party.company { "COMPANY" } else { "CIVIC" });
    o.text("market", party.market.country);
    o.text("number", national);
}

fn external_account(
    o: &mut Object<'_>,
    party: &Party,
    held: &PartyAccount,
    organization_id: &str,
    times: &Times<'_>,
    traps: &Traps,
    dice: &mut Dice,
) {
    o.text("id", &held.id);
    o.text("organizationId", organization_id);
    o.text("counterpartyId", &party.id);
    o.object("bank", |o| {
        o.text("id", "");
        o.text("name", "");
        o.text("bic", party.market.bic);
    });
    o.list("identifiers", &held.numbers, |o, one| number(o, one, &party.name));
    metadata(o, "externalMetadata", "erpAccount", dice, traps);
    o.text("created", times.created);
    o.text("updated", times.updated);
    if !traps.no_version {
        o.int("version", 1);
    }
}
