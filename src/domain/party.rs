//! Bank account identifiers, and the other side of a payment.

use serde::{Deserialize, Serialize};

use super::nullable;

/// What names a bank account: an IBAN, a national number, a giro number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identifier {
    /// As sent.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub market: Option<String>,
    pub number: Option<String>,
    pub holder_name: Option<String>,
}

/// What names a bank or branch beside an account number: a BIC, a sort code, an ABA number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub number: Option<String>,
}

/// The other side of a payment, as the bank reported it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Party {
    pub name: Option<String>,
    pub party_type: Option<String>,
    #[serde(with = "nullable::list")]
    pub identifiers: Vec<Identifier>,
    #[serde(with = "nullable::list")]
    pub routing: Vec<Routing>,
    pub bank_bic: Option<String>,
    pub market: Option<String>,
    pub raw_identifier: Option<String>,
    pub national_id_number: Option<String>,
    pub country: Option<String>,
}
