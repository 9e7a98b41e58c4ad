//! External payments: the project's own `external-payments` list, or, by configuration,
//! `expected-transactions` (v1), `direct-debits` (both), `pending-transactions` (v2).
//!
//! The lists differ in shape but not in the names of their members, so one table reads them all.

use crate::domain::ExternalPayment;
use crate::json::Json;

use super::field::{Field, Reader};
use super::metadata::Metadata;
use super::payment::{RECONCILIATION_STATUSES, REMITTANCE_TYPES, known_status, transaction_type};
use super::{Error, Joined, party};

fields! {
    ID = "id" ["id"];
    ORGANIZATION_ID = "organization_id" ["organizationId"];
    ACCOUNT_ID = "account_id" v1 ["account.id", "accountId", "destinationAccount.id"] v2 ["accountId", "destination.id"];
    SCHEME = "scheme" v1 ["scheme", "directDebitSchemeType"] v2 ["scheme"];
    RAW_STATUS = "raw_status" v1 ["status", "reconciliation.status"] v2 ["status", "reconciliationStatus"];
    AMOUNT = "amount" ["amount"];
    EXPECTED_ON = "expected_on" ["date"];
    REMITTANCE_TYPE = "remittance_type" v1 ["remittanceInformation.type"] v2 [];
    REMITTANCE_INFORMATION = "remittance_information" v1 ["remittanceInformation.value"] v2 ["reference"];
    COUNTERPARTY = "counterparty" v1 ["counterpartyDetails", "counterparty", "sourceExternalAccount"] v2 ["counterparty", "source"];
    MANDATE_REFERENCE = "mandate_reference" v1 ["mandateReference", "mandate.mandateReference", "counterpartyDetails.mandateReference"] v2 ["mandateReference", "references.mandateReference", "mandate.mandateReference"];
    RECONCILIATION_STATUS = "reconciliation_status" v1 ["reconciliation.status"] v2 ["reconciliationStatus"];
    RECONCILED_ID = "reconciled_transaction_id" v1 ["reconciliation.bookedTransactionId", "attachedTransactions[0].transactionId"] v2 ["attachedTransactions[0].id"];
    CREATED_AT = "created_at" ["created"];
    UPDATED_AT = "updated_at" ["updated"];
    VERSION = "version" ["version"];
    EXTERNAL_METADATA = "external_metadata" v1 ["externalMetadata"] v2 ["metadata"];
}

const BANK_REFERENCE: Field =
    Field::both("metadata.bank_reference", &["bankReference", "references.endToEndId"]);
const DIRECTION: Field = Field::both("metadata.direction", &["direction"]);
const DOMAIN: Field = Field::new("metadata.transaction_type", &[], &["bankTransactionCode.domain"]);
const FAMILY: Field = Field::new("metadata.transaction_type", &[], &["bankTransactionCode.family"]);
const SUBFAMILY: Field =
    Field::new("metadata.transaction_type", &[], &["bankTransactionCode.subfamily"]);
const PROPRIETARY_CODE: Field =
    Field::new("metadata.transaction_type", &[], &["bankTransactionCode.proprietary.code"]);
const HOLDER: Field = Field::new("counterparty.name", &[], &["sourceHolder.legalName"]);
pub(super) const SENT: &[Field] =
    &[BANK_REFERENCE, DIRECTION, DOMAIN, FAMILY, SUBFAMILY, PROPRIETARY_CODE, HOLDER];

pub(super) fn map(
    reader: &mut Reader<'_, '_>,
    joined: &Joined<'_>,
    raw: Option<String>,
) -> Result<ExternalPayment, Error> {
    let raw_status = reader.text(&RAW_STATUS);
    // The list says it all: its records have no status of their own.
    let pending = raw_status.is_none() && joined.source_resource == Some("pending-transactions");
    let status = if pending { "PENDING" } else { known_status(reader, raw_status.as_deref()) };
    let mut payment = ExternalPayment {
        id: reader.id()?,
        organization_id: reader.text(&ORGANIZATION_ID),
        account_id: reader.text(&ACCOUNT_ID),
        source_resource: party::owned(joined.source_resource),
        scheme: reader.text(&SCHEME),
        status: Some(status.to_owned()),
        raw_status,
        amount: reader.money(&AMOUNT)?,
        expected_on: reader.date(&EXPECTED_ON),
        remittance_type: reader.word(&REMITTANCE_TYPE, REMITTANCE_TYPES),
        remittance_information: reader.text(&REMITTANCE_INFORMATION),
        counterparty: None,
        mandate_reference: reader.text(&MANDATE_REFERENCE),
        reconciliation_status: reader.word(&RECONCILIATION_STATUS, RECONCILIATION_STATUSES),
        reconciled_transaction_id: reader.text(&RECONCILED_ID),
        created_at: reader.timestamp(&CREATED_AT),
        updated_at: reader.timestamp(&UPDATED_AT),
        version: reader.int(&VERSION)?,
        external_metadata: reader.map(&EXTERNAL_METADATA),
        metadata: Default::default(),
        raw,
    };
    let holder = reader.text(&HOLDER);
    let counterparty = reader.object(&COUNTERPARTY).unwrap_or(&Json::Null);
    payment.counterparty = party::party(reader, counterparty, holder);
    payment.metadata = metadata(reader, &payment);
    Ok(payment)
}

fn metadata(
    reader: &mut Reader<'_, '_>,
    payment: &ExternalPayment,
) -> std::collections::BTreeMap<String, String> {
    let bank_reference = reader.text(&BANK_REFERENCE);
    let code = [&DOMAIN, &FAMILY, &SUBFAMILY].map(|field| reader.text(field));
    let code = transaction_type(&code, reader.text(&PROPRIETARY_CODE));
    let minor_units = payment.amount.as_ref().and_then(|amount| amount.minor_units);
    let derived = minor_units.map(|units| if units >= 0 { "CREDIT" } else { "DEBIT" });
    let direction = reader.text(&DIRECTION).or_else(|| party::owned(derived));
    Metadata::default()
        .put("transaction_id", Some(&payment.id))
        .put("transaction_type", code.as_deref())
        .put("bank_reference", bank_reference.as_deref().or(payment.mandate_reference.as_deref()))
        .put("remittance_information_unstructured", payment.remittance_information.as_deref())
        .put("direction", direction.as_deref())
        .done()
}
