//! Those the organisation pays and is paid by, with their bank accounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Identifier, Routing, Timestamp, nullable};

/// A bank account of a counterparty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalAccount {
    pub id: Option<String>,
    pub market: Option<String>,
    pub bank_id: Option<String>,
    pub bank_name: Option<String>,
    pub bank_bic: Option<String>,
    #[serde(with = "nullable::list")]
    pub identifiers: Vec<Identifier>,
    #[serde(with = "nullable::list")]
    pub routing: Vec<Routing>,
    pub external_id: Option<String>,
    #[serde(with = "nullable::map")]
    pub external_metadata: BTreeMap<String, String>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

/// A person or company the organisation has stored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counterparty {
    pub id: String,
    pub organization_id: Option<String>,
    pub name: Option<String>,
    pub alias: Option<String>,
    pub party_type: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub street_name: Option<String>,
    pub street_number: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
    #[serde(with = "nullable::list")]
    pub address_lines: Vec<String>,
    pub national_id_type: Option<String>,
    pub national_id_market: Option<String>,
    pub national_id_number: Option<String>,
    #[serde(with = "nullable::list")]
    pub external_accounts: Vec<ExternalAccount>,
    pub external_id: Option<String>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub version: Option<i64>,
    #[serde(with = "nullable::map")]
    pub metadata: BTreeMap<String, String>,
    #[serde(with = "nullable::map")]
    pub external_metadata: BTreeMap<String, String>,
    pub raw: Option<String>,
}
