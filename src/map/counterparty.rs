//! Counterparties with their bank accounts: `/v1/counterparties`, `/payments/v2/counterparties`.

use crate::domain::{Counterparty, Identifier};
use crate::json::Json;

use super::external_account;
use super::field::{Field, Reader};
use super::metadata::Metadata;
use super::party::PARTY_TYPES;
use super::{Error, Joined};

fields! {
    ID = "id" ["id"];
    ORGANIZATION_ID = "organization_id" ["organizationId"];
    NAME = "name" v1 ["name"] v2 ["legalName"];
    ALIAS = "alias" ["alias"];
    PARTY_TYPE = "party_type" ["partyType"];
    EMAIL = "email" v1 ["contactDetails.email"] v2 ["email"];
    PHONE = "phone" v1 ["contactDetails.phone"] v2 ["phone"];
    STREET_NAME = "street_name" v1 ["contactDetails.address.streetName"] v2 ["address.streetName"];
    STREET_NUMBER = "street_number" v1 ["contactDetails.address.streetNumber"] v2 ["address.streetNumber"];
    POSTAL_CODE = "postal_code" v1 ["contactDetails.address.postalCode"] v2 ["address.postalCode"];
    CITY = "city" v1 ["contactDetails.address.city"] v2 ["address.city"];
    COUNTRY = "country" v1 ["contactDetails.address.country"] v2 ["address.country"];
    ADDRESS_LINES = "address_lines" v1 ["contactDetails.address.rawAddressLines"] v2 ["address.rawAddressLines"];
    NATIONAL_ID_TYPE = "national_id_type" v1 ["contactDetails.nationalId.type"] v2 ["nationalIdentifier.type"];
    NATIONAL_ID_MARKET = "national_id_market" v1 ["contactDetails.nationalId.market"] v2 ["nationalIdentifier.market"];
    NATIONAL_ID_NUMBER = "national_id_number" v1 ["contactDetails.nationalId.number"] v2 ["nationalIdentifier.number"];
    EXTERNAL_ACCOUNTS = "external_accounts" v1 ["externalAccounts"] v2 ["accounts"];
    EXTERNAL_ID = "external_id" ["externalId"];
    CREATED_AT = "created_at" ["created"];
    UPDATED_AT = "updated_at" ["updated"];
    VERSION = "version" ["version"];
    EXTERNAL_METADATA = "external_metadata" v1 ["externalMetadata"] v2 ["metadata"];
}

const ROUTING_NUMBER: Field = Field::new(
    "metadata.routing_number",
    &["externalAccounts[0].routingNumber", "routingNumber"],
    &["accounts[0].routingNumber", "routingNumber"],
);
pub(super) const SENT: &[Field] = &[ROUTING_NUMBER];

/// Types of national account numbers.
const NATIONAL: &[&str] = &["BBAN", "ACCOUNT_NUMBER", "NUMBER"];

pub(super) fn map(
    reader: &mut Reader<'_, '_>,
    joined: &Joined<'_>,
    raw: Option<String>,
) -> Result<Counterparty, Error> {
    let accounts = reader.items(&EXTERNAL_ACCOUNTS);
    let address_lines = reader.items(&ADDRESS_LINES);
    let mut counterparty = Counterparty {
        id: reader.id()?,
        organization_id: reader.text(&ORGANIZATION_ID),
        name: reader.text(&NAME),
        alias: reader.text(&ALIAS),
        party_type: reader.word(&PARTY_TYPE, PARTY_TYPES),
        email: reader.text(&EMAIL),
        phone: reader.text(&PHONE),
        street_name: reader.text(&STREET_NAME),
        street_number: reader.text(&STREET_NUMBER),
        postal_code: reader.text(&POSTAL_CODE),
        city: reader.text(&CITY),
        country: reader.text(&COUNTRY),
        address_lines: address_lines.iter().filter_map(Json::text).map(str::to_owned).collect(),
        national_id_type: reader.text(&NATIONAL_ID_TYPE),
        national_id_market: reader.text(&NATIONAL_ID_MARKET),
        national_id_number: reader.text(&NATIONAL_ID_NUMBER),
        external_accounts: external_account::all(reader, accounts, joined),
        external_id: reader.text(&EXTERNAL_ID),
        created_at: reader.timestamp(&CREATED_AT),
        updated_at: reader.timestamp(&UPDATED_AT),
        version: reader.int(&VERSION)?,
        external_metadata: reader.map(&EXTERNAL_METADATA),
        metadata: Default::default(),
        raw,
    };
    let sent = reader.text(&ROUTING_NUMBER);
    counterparty.metadata = metadata(&counterparty, sent.as_deref());
    Ok(counterparty)
}

/// The keys of the connector page's external account: the counterparty and its first account.
fn metadata(
    counterparty: &Counterparty,
    routing_number: Option<&str>,
) -> std::collections::BTreeMap<String, String> {
    let first = counterparty.external_accounts.first();
    let numbers = first.map_or(&[][..], |account| &account.identifiers);
    let number = |kinds: &[&str]| {
        let of_kind = |entry: &&Identifier| {
            kinds.is_empty() || entry.kind.as_deref().is_some_and(|kind| kinds.contains(&kind))
        };
        numbers.iter().filter(of_kind).find_map(|entry| entry.number.as_deref())
    };
    // A giro number or a wallet stands in where there is nothing better.
    let number = number(&["IBAN"]).or_else(|| number(NATIONAL)).or_else(|| number(&[]));
    let routing = first.and_then(|account| {
        account.routing.iter().find(|entry| entry.kind.as_deref() != Some("BIC"))
    });
    let market = first.and_then(|account| account.market.as_deref());
    Metadata::default()
        .put("counterparty_id", Some(&counterparty.id))
        .put("name", counterparty.name.as_deref())
        .put("account_number", number)
        .put(
            "routing_number",
            routing_number.or_else(|| routing.and_then(|entry| entry.number.as_deref())),
        )
        .put("bic", first.and_then(|account| account.bank_bic.as_deref()))
        .put("country", market.or(counterparty.country.as_deref()))
        .done()
}
