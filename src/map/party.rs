//! Identifiers, routing numbers, and the other side of a payment.
//!
//! Two shapes feed one record. v1 has `externalAccount {bank, identifier, market, rawIdentifier}`
//! with one identifier, v2 `account {identifiers, routing, market, rawIdentifier}` with several;
//! every member is optional in both, so one reader takes either.

use crate::domain::{Identifier, Party, Routing};
use crate::json::Json;

use super::Note;

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
    let identifier = Identifier {
        kind: owned(kind),
        market: owned(item.get("market").text()),
        number: owned(item.get("number").text()),
        holder_name: owned(item.get("holderName").text()),
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

/// The BIC among routing numbers.
pub(super) fn bic(routing: &[Routing]) -> Option<String> {
    let bic = routing.iter().find(|entry| entry.kind.as_deref() == Some("BIC"))?;
    bic.number.clone()
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
pub(super) fn party(party: &Json<'_>, notes: &mut Vec<Note>) -> Option<Party> {
    let account = account(party);
    let kind = party.get("partyType").text();
    if let Some(kind) = kind.filter(|kind| !PARTY_TYPES.contains(kind)) {
        notes.push(Note::unknown_value("counterparty.party_type", kind));
    }
    let routing = routing(account.get("routing").items());
    let found = Party {
        name: first(party, &[&["name"], &["legalName"]]),
        party_type: owned(kind),
        identifiers: account_identifiers(party)
            .filter_map(|item| identifier(item, notes))
            .collect(),
        bank_bic: first(account, &[&["bank", "bic"], &["bic"]]).or_else(|| bic(&routing)),
        market: owned(account.get("market").text()),
        raw_identifier: owned(account.get("rawIdentifier").text()),
        national_id_number: first(
            party,
            &[&["nationalIdentifier", "number"], &["contactDetails", "nationalId", "number"]],
        ),
        country: first(
            party,
            &[&["contactDetails", "address", "country"], &["address", "country"]],
        ),
        routing,
    };
    (found != Party::default()).then_some(found)
}

fn first(record: &Json<'_>, paths: &[&[&str]]) -> Option<String> {
    owned(paths.iter().find_map(|path| record.at(path).text()))
}

pub(super) fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}
