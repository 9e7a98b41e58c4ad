//! Balances: embedded in the account (v1), or `/financial-data/v2/accounts/-/balances`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::Balance;
use crate::json::Json;

use super::field::{Field, Reader};
use super::{Error, Joined, party};

fields! {
    ORGANIZATION_ID = "organization_id" ["organizationId"];
    ACCOUNT_ID = "account_id" ["accountId"];
    TYPE = "type" ["type"];
    REPORTED_TYPE = "reported_type" ["reportedType"];
    AMOUNT = "amount" ["amount"];
    LOCAL_DATE = "local_date" ["localDate"];
    AS_OF = "as_of" ["timestamp"];
    VERSION = "version" ["version"];
}

const TYPES: &[&str] = &["BOOKED", "AVAILABLE", "BOOKED_ADJUSTED"];
const REPORTED_TYPES: &[&str] = &["OPEN", "CLOSE", "INTERIM"];

/// The id of a balance of `kind` of an account. A balance without a type is `UNKNOWN`.
pub fn balance_id(account_id: &str, kind: Option<&str>) -> String {
    format!("{account_id}/{}", kind.unwrap_or("UNKNOWN"))
}

/// The balance inside an account of v1: the record to map as a balance, with the account's id and
/// organisation in [`Joined`].
pub fn embedded_balance<'r, 'j>(account: &'r Json<'j>) -> Option<&'r Json<'j>> {
    let balance = account.get("balance");
    (balance.is_object() && !balance.is_nothing()).then_some(balance)
}

/// The text of that balance in the text of its account: what its `raw` is.
pub fn embedded_balance_raw(account: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct Embedding<'a> {
        #[serde(borrow)]
        balance: Option<&'a RawValue>,
    }
    let embedding: Embedding<'_> = serde_json::from_str(account).ok()?;
    let text = embedding.balance?.get();
    text.starts_with('{').then_some(text)
}

pub(super) fn map(
    reader: &mut Reader<'_, '_>,
    joined: &Joined<'_>,
    raw: Option<String>,
) -> Result<Balance, Error> {
    let account_id = reader.text(&ACCOUNT_ID).or_else(|| party::owned(joined.account_id));
    let kind = reader.word(&TYPE, TYPES);
    Ok(Balance {
        id: balance_id(account_id.as_deref().ok_or(Error::NoId)?, kind.as_deref()),
        organization_id: reader
            .text(&ORGANIZATION_ID)
            .or_else(|| party::owned(joined.organization_id)),
        account_id,
        kind,
        reported_type: reader.word(&REPORTED_TYPE, REPORTED_TYPES),
        amount: reader.money(&AMOUNT)?,
        local_date: reader.date(&LOCAL_DATE),
        as_of: reader.timestamp(&AS_OF),
        version: reader.int(&VERSION)?,
        raw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_embedded_only_as_an_object() {
        let check = |text: &str, want: Option<&str>| {
            assert_eq!(embedded_balance_raw(text), want, "{text}");
            let json = Json::parse(text.as_bytes()).unwrap();
            let expected = want.map(|want| Json::parse(want.as_bytes()).unwrap());
            assert_eq!(embedded_balance(&json), expected.as_ref(), "{text}");
        };
        let balance = r#"{"type": "BOOKED", "amount":{"value":1.0}}"#;
        check(&format!(r#"{{"id":"a","balance": {balance} ,"version":1}}"#), Some(balance));
        for nothing in [r#"{"id":"a"}"#, r#"{"balance":null}"#, r#"{"balance":7}"#, "[]", "null"] {
            check(nothing, None);
        }
    }
}
