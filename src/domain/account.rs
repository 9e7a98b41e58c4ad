//! A bank account of the organisation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Identifier, Routing, Timestamp, nullable};

/// One of the organisation's own bank accounts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    pub id: String,
    pub organization_id: Option<String>,
    pub name: Option<String>,
    pub alias: Option<String>,
    pub currency: Option<String>,
    /// `currency` with its ISO 4217 decimals; null for a code that has none there.
    pub default_asset: Option<String>,
    pub market: Option<String>,
    pub owner_name: Option<String>,
    pub third_party_id: Option<String>,
    pub entity_id: Option<String>,
    /// The bank's id, else the third party's.
    pub bank_id: Option<String>,
    /// The bank's name, else the third party's.
    pub bank_name: Option<String>,
    pub bank_bic: Option<String>,
    #[serde(with = "nullable::list")]
    pub identifiers: Vec<Identifier>,
    #[serde(with = "nullable::list")]
    pub routing: Vec<Routing>,
    pub fictive: Option<bool>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub version: Option<i64>,
    #[serde(with = "nullable::map")]
    pub metadata: BTreeMap<String, String>,
    #[serde(with = "nullable::map")]
    pub external_metadata: BTreeMap<String, String>,
    pub raw: Option<String>,
}
