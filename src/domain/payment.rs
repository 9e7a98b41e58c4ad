//! Money that moved, and money that is awaited.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Date, Money, Party, Timestamp, nullable};

/// An entry of a bank statement.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Payment {
    pub id: String,
    pub organization_id: Option<String>,
    pub account_id: Option<String>,
    /// `PAY-IN`, `PAYOUT` or `TRANSFER`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `CREDIT` or `DEBIT`.
    pub direction: Option<String>,
    pub status: Option<String>,
    pub raw_status: Option<String>,
    pub scheme: Option<String>,
    /// Signed as Atlar sends it: negative leaves the account.
    pub amount: Option<Money>,
    pub booked_on: Option<Date>,
    pub value_date: Option<Date>,
    pub description: Option<String>,
    pub remittance_type: Option<String>,
    pub remittance_information: Option<String>,
    pub end_to_end_id: Option<String>,
    pub mandate_reference: Option<String>,
    pub counterparty: Option<Party>,
    pub bank_transaction_domain: Option<String>,
    pub bank_transaction_family: Option<String>,
    pub bank_transaction_subfamily: Option<String>,
    pub bank_transaction_description: Option<String>,
    pub proprietary_code: Option<String>,
    pub proprietary_issuer: Option<String>,
    pub returned: Option<bool>,
    pub return_reason_code: Option<String>,
    pub return_reason_description: Option<String>,
    pub instructed_amount: Option<Money>,
    /// The digits as sent: never a floating number.
    pub exchange_rate: Option<String>,
    pub exchange_source_currency: Option<String>,
    pub exchange_target_currency: Option<String>,
    pub exchange_unit_currency: Option<String>,
    pub virtual_account: Option<String>,
    pub reconciliation_status: Option<String>,
    pub reconciled_with_type: Option<String>,
    pub reconciled_with_id: Option<String>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub version: Option<i64>,
    #[serde(with = "nullable::map")]
    pub metadata: BTreeMap<String, String>,
    #[serde(with = "nullable::map")]
    pub external_metadata: BTreeMap<String, String>,
    pub raw: Option<String>,
}

/// A payment that is expected, and later matched to a statement entry.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalPayment {
    pub id: String,
    pub organization_id: Option<String>,
    pub account_id: Option<String>,
    /// The list it was read from: `external-payments`, `expected-transactions`, `direct-debits`
    /// or `pending-transactions`.
    pub source_resource: Option<String>,
    pub scheme: Option<String>,
    pub status: Option<String>,
    pub raw_status: Option<String>,
    pub amount: Option<Money>,
    pub expected_on: Option<Date>,
    pub remittance_type: Option<String>,
    pub remittance_information: Option<String>,
    pub counterparty: Option<Party>,
    pub mandate_reference: Option<String>,
    pub reconciliation_status: Option<String>,
    pub reconciled_transaction_id: Option<String>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub version: Option<i64>,
    #[serde(with = "nullable::map")]
    pub metadata: BTreeMap<String, String>,
    #[serde(with = "nullable::map")]
    pub external_metadata: BTreeMap<String, String>,
    pub raw: Option<String>,
}
