//! Identifiers, routing numbers, and the other side of a payment.
//!
//! v1 has `externalAccount {bank, identifier, market, rawIdentifier}` with one identifier, v2
//! `account {identifiers, routing, market, rawIdentifier}` with several. A direct debit names the
//! other side's account itself, and so does v1's deprecated `counterparty`: there the members lie
//! one level higher.

use crate::domain::{Identifier, Party, Routing};
use crate::json::Json;

use super::Note;
use super::field::{Field, Reader};

fields! {
    NAME = "counterparty.name" ["name"];
    PARTY_TYPE = "counterparty.party_type" ["partyType"];
    IDENTIFIERS = "counterparty.identifiers" v1 ["externalAccount.identifier", "identifiers"] v2 ["account.identifiers", "identifiers"];
    ROUTING = "counterparty.routing" v1 [] v2 ["account.routing", "routing"];
    BANK_BIC = "counterparty.bank_bic" v1 ["externalAccount.bank.bic", "bank.bic", "bic"] v2 ["account.routing[BIC].number", "routing[BIC].number"];
    MARKET = "counterparty.market" v1 ["externalAccount.market", "identifiers[0].market"] v2 ["account.market", "market"];
    RAW_IDENTIFIER = "counterparty.raw_identifier" v1 ["externalAccount.rawIdentifier"] v2 ["account.rawIdentifier"];
    NATIONAL_ID_NUMBER = "counterparty.national_id_number" v1 ["nationalIdentifier.number", "contactDetails.nationalId.number"] v2 ["nationalIdentifier.number"];
    COUNTRY = "counterparty.country" v1 ["contactDetails.address.country"] v2 ["address.country"];
}

const IDENTIFIER_TYPES: &[&str] = &[
    "IBAN",
    "BBAN",
    "ACCOUNT_NUMBER",
    "NUMBER",
    "SE_BG",
    "SE_PG",
    "SE_BANKGIRO",
    "SE_PLUSGIRO",
    "DK_FIK",
    "ADYEN",
    "PAYPAL",
    "SOLDO",
    "WALLET_SWISSQUOTE",
    "WALLET_AIRWALLEX",
    "WALLET_HYPERWALLET",
    "WALLET_PAYHAWK",
    "WALLET_STRIPE",
    "AU_BPAY_BILLER_CODE",
];

pub(super) const PARTY_TYPES: &[&str] = &["INDIVIDUAL", "COMPANY"];

/// Maps a list of identifiers. An entry that says nothing is left out.
pub(super) fn identifiers(items: &[Json<'_>], notes: &mut Vec<Note>) -> Vec<Identifier> {
    items.iter().filter_map(|item| identifier(item, notes)).collect()
}

fn identifier(item: &Json<'_>, notes: &mut Vec<Note>) -> Option<Identifier> {
    let kind = item.get("type").text();
    if let Some(kind) = kind.filter(|kind| !IDENTIFIER_TYPES.contains(kind)) {
        notes.push(Note::unknown_value("identifiers.type", kind));
    }
    let mut text = |name: &str, field| {
        let value = item.get(name);
        if value.text().is_none() && !value.is_nothing() {
            notes.push(Note::Unreadable { field });
        }
        owned(value.text())
    };
    let identifier = Identifier {
        kind: text("type", "identifiers.type"),
        market: text("market", "identifiers.market"),
        number: text("number", "identifiers.number"),
        holder_name: text("holderName", "identifiers.holder_name"),
    };
    (identifier != Identifier::default()).then_some(identifier)
}

/// Maps a list of routing numbers. An entry that says nothing is left out.
pub(super) fn routing(items: &[Json<'_>]) -> Vec<Routing> {
    items
        .iter()
        .map(|item| Routing {
            kind: owned(item.get("type").text()),
            number: owned(item.get("number").text()),
        })
        .filter(|routing| *routing != Routing::default())
        .collect()
}

/// The object that holds a party's bank account: a member of it, else the party itself.
pub(super) fn account<'r, 'j>(party: &'r Json<'j>) -> &'r Json<'j> {
    ["externalAccount", "account"]
        .into_iter()
        .map(|name| party.get(name))
        .find(|account| account.is_object() && !account.is_nothing())
        .unwrap_or(party)
}

/// The identifiers of a party's account, single and listed.
pub(super) fn account_identifiers<'r, 'j>(
    party: &'r Json<'j>,
) -> impl Iterator<Item = &'r Json<'j>> {
    let account = account(party);
    let single = Some(account.get("identifier")).filter(|identifier| identifier.is_object());
    single.into_iter().chain(account.get("identifiers").items())
}

/// Maps the other side of a payment; none if nothing is said about it.
pub(super) fn party<'r, 'j>(
    reader: &mut Reader<'r, 'j>,
    party: &'r Json<'j>,
    name: Option<String>,
) -> Option<Party> {
    let found = reader.inside(party, |reader| Party {
        name: reader.text(&NAME).or(name),
        party_type: reader.word(&PARTY_TYPE, PARTY_TYPES),
        identifiers: account_identifiers(party)
            .filter_map(|item| identifier(item, reader.notes()))
            .collect(),
        routing: routing(reader.items(&ROUTING)),
        bank_bic: reader.text(&BANK_BIC),
        market: reader.text(&MARKET),
        raw_identifier: reader.text(&RAW_IDENTIFIER),
        national_id_number: reader.text(&NATIONAL_ID_NUMBER),
        country: reader.text(&COUNTRY),
    });
    (found != Party::default()).then_some(found)
}

pub(super) fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}
