//! What an account holds.

use serde::{Deserialize, Serialize};

use super::{Date, Money, Timestamp};

/// The newest balance of one type of one account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Balance {
    /// The account's id, `/`, the balance's type: a balance has no lasting id of its own.
    pub id: String,
    pub organization_id: Option<String>,
    pub account_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub reported_type: Option<String>,
    pub amount: Option<Money>,
    pub local_date: Option<Date>,
    pub as_of: Option<Timestamp>,
    pub version: Option<i64>,
    pub raw: Option<String>,
}
