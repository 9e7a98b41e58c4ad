//! Accounts: `/v1/accounts`, `/financial-data/v2/accounts`.

use crate::domain::{Account, money};

use super::field::{Field, Reader};
use super::metadata::Metadata;
use super::{Error, Joined, amount, party};

fields! {
    ID = "id" ["id"];
    ORGANIZATION_ID = "organization_id" ["organizationId"];
    NAME = "name" ["name"];
    ALIAS = "alias" ["alias"];
    CURRENCY = "currency" ["currency"];
    MARKET = "market" ["market"];
    OWNER_NAME = "owner_name" v1 ["owner.name"] v2 [];
    THIRD_PARTY_ID = "third_party_id" ["thirdPartyId"];
    ENTITY_ID = "entity_id" ["entityId"];
    BANK_ID = "bank_id" v1 ["bank.id", "thirdPartyId"] v2 ["thirdPartyId"];
    BANK_NAME = "bank_name" v1 ["bank.name"] v2 [];
    BANK_BIC = "bank_bic" v1 ["bic", "bank.bic"] v2 ["routing[BIC].number"];
    IDENTIFIERS = "identifiers" ["identifiers"];
    ROUTING = "routing" v1 [] v2 ["routing"];
    FICTIVE = "fictive" ["fictive"];
    CREATED_AT = "created_at" ["created"];
    UPDATED_AT = "updated_at" ["updated"];
    VERSION = "version" ["version"];
    EXTERNAL_METADATA = "external_metadata" v1 ["externalMetadata"] v2 ["metadata"];
}

const ACCOUNT_TYPE: Field = Field::both("metadata.account_type", &["accountType", "type"]);
pub(super) const SENT: &[Field] = &[ACCOUNT_TYPE];

pub(super) fn map(
    reader: &mut Reader<'_, '_>,
    joined: &Joined<'_>,
    raw: Option<String>,
) -> Result<Account, Error> {
    let currency = reader.text(&CURRENCY).map(|code| code.to_ascii_uppercase());
    let routing = party::routing(reader.items(&ROUTING));
    let identifiers = reader.items(&IDENTIFIERS);
    let mut account = Account {
        id: reader.id()?,
        organization_id: reader.text(&ORGANIZATION_ID),
        name: reader.text(&NAME),
        alias: reader.text(&ALIAS),
        default_asset: currency
            .as_deref()
            .and_then(|code| Some(money::asset(code, amount::iso_exponent(code)?))),
        currency,
        market: reader.text(&MARKET),
        owner_name: reader.text(&OWNER_NAME),
        third_party_id: reader.text(&THIRD_PARTY_ID),
        entity_id: reader.text(&ENTITY_ID),
        bank_id: reader.text(&BANK_ID),
        bank_name: reader.text(&BANK_NAME).or_else(|| party::owned(joined.bank_name)),
        bank_bic: reader.text(&BANK_BIC),
        identifiers: party::identifiers(identifiers, reader.notes()),
        routing,
        // A real account leaves the member out.
        fictive: Some(reader.boolean(&FICTIVE).unwrap_or(false)),
        created_at: reader.timestamp(&CREATED_AT),
        updated_at: reader.timestamp(&UPDATED_AT),
        version: reader.int(&VERSION)?,
        external_metadata: reader.map(&EXTERNAL_METADATA),
        metadata: Default::default(),
        raw,
    };
    let kind = reader.text(&ACCOUNT_TYPE);
    account.metadata = metadata(&account, kind.as_deref());
    Ok(account)
}

fn metadata(account: &Account, kind: Option<&str>) -> std::collections::BTreeMap<String, String> {
    let iban = account.identifiers.iter().find(|entry| entry.kind.as_deref() == Some("IBAN"));
    let fictive = account.fictive == Some(true);
    Metadata::default()
        .put("account_id", Some(&account.id))
        .put("bank_iban", iban.and_then(|iban| iban.number.as_deref()))
        .put("bank_bic", account.bank_bic.as_deref())
        .put("account_type", Some(kind.unwrap_or("INTERNAL")))
        .put("currency_code", account.currency.as_deref())
        .put("bank/id", account.bank_id.as_deref())
        .put("bank/name", account.bank_name.as_deref())
        .put("bank/bic", account.bank_bic.as_deref())
        .put_identifiers(&account.identifiers)
        .put("alias", account.alias.as_deref())
        .put("owner/name", account.owner_name.as_deref())
        .put("fictive", Some(if fictive { "true" } else { "false" }))
        .done()
}
