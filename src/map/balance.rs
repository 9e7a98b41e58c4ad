//! Balances: embedded in the account (v1), or `/financial-data/v2/accounts/-/balances`.

use crate::domain::Balance;

use super::field::Reader;
use super::{Error, Joined, party};
use crate::map::field::Field;

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
