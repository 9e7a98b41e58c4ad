//! Payments: `/v1/transactions`, `/financial-data/v2/transactions`.

use crate::domain::Payment;

use super::field::{Field, Reader};
use super::metadata::Metadata;
use super::status::{UNKNOWN, status};
use super::{Error, Joined, Note, party};

fields! {
    ID = "id" ["id"];
    ORGANIZATION_ID = "organization_id" ["organizationId"];
    ACCOUNT_ID = "account_id" v1 ["account.id", "accountId"] v2 ["accountId"];
    TYPE = "type" ["type"];
    DIRECTION = "direction" ["direction"];
    RAW_STATUS = "raw_status" v1 ["status", "reconciliation.status"] v2 ["status", "reconciliationStatus"];
    SCHEME = "scheme" ["scheme"];
    AMOUNT = "amount" ["amount"];
    BOOKED_ON = "booked_on" ["date"];
    VALUE_DATE = "value_date" ["valueDate"];
    DESCRIPTION = "description" ["description"];
    REMITTANCE_TYPE = "remittance_type" v1 ["remittanceInformation.type"] v2 [];
    REMITTANCE_INFORMATION = "remittance_information" v1 ["remittanceInformation.value"] v2 ["reference"];
    END_TO_END_ID = "end_to_end_id" ["references.endToEndId"];
    MANDATE_REFERENCE = "mandate_reference" v1 ["counterpartyDetails.mandateReference", "references.mandateReference"] v2 ["references.mandateReference"];
    COUNTERPARTY = "counterparty" v1 ["counterpartyDetails", "counterparty"] v2 ["counterparty"];
    DOMAIN = "bank_transaction_domain" v1 ["characteristics.bankTransactionCode.domain"] v2 ["bankTransactionCode.domain"];
    FAMILY = "bank_transaction_family" v1 ["characteristics.bankTransactionCode.family"] v2 ["bankTransactionCode.family"];
    SUBFAMILY = "bank_transaction_subfamily" v1 ["characteristics.bankTransactionCode.subfamily"] v2 ["bankTransactionCode.subfamily"];
    CODE_DESCRIPTION = "bank_transaction_description" v1 ["characteristics.bankTransactionCode.description"] v2 ["bankTransactionCode.description"];
    PROPRIETARY_CODE = "proprietary_code" v1 ["characteristics.bankTransactionCode.proprietary.code"] v2 ["bankTransactionCode.proprietary.code"];
    PROPRIETARY_ISSUER = "proprietary_issuer" v1 ["characteristics.bankTransactionCode.proprietary.issuer"] v2 ["bankTransactionCode.proprietary.issuer"];
    RETURNED = "returned" v1 ["characteristics.returned"] v2 ["returned"];
    RETURN_CODE = "return_reason_code" v1 ["characteristics.returnReason.code"] v2 ["returnReason.code"];
    RETURN_DESCRIPTION = "return_reason_description" v1 ["characteristics.returnReason.description"] v2 ["returnReason.description"];
    INSTRUCTED_AMOUNT = "instructed_amount" v1 ["characteristics.instructedAmount"] v2 ["instructedAmount"];
    EXCHANGE_RATE = "exchange_rate" v1 ["characteristics.currencyExchange.exchangeRate"] v2 ["currencyExchange.exchangeRate"];
    SOURCE_CURRENCY = "exchange_source_currency" v1 ["characteristics.currencyExchange.sourceCurrency"] v2 ["currencyExchange.sourceCurrency"];
    TARGET_CURRENCY = "exchange_target_currency" v1 ["characteristics.currencyExchange.targetCurrency"] v2 ["currencyExchange.targetCurrency"];
    UNIT_CURRENCY = "exchange_unit_currency" v1 ["characteristics.currencyExchange.unitCurrency"] v2 ["currencyExchange.unitCurrency"];
    VIRTUAL_ACCOUNT = "virtual_account" v1 ["characteristics.virtualAccount.rawIdentifier", "characteristics.virtualAccount.identifier.number"] v2 ["virtualAccount.rawIdentifier", "virtualAccount.identifier.number", "virtualAccount.identifiers[0].number"];
    RECONCILIATION_STATUS = "reconciliation_status" v1 ["reconciliation.status"] v2 ["reconciliationStatus"];
    RECONCILED_TYPE = "reconciled_with_type" v1 ["reconciliation.transactableType"] v2 ["attachedTransactables[0].type"];
    RECONCILED_ID = "reconciled_with_id" v1 ["reconciliation.transactableId"] v2 ["attachedTransactables[0].id"];
    CREATED_AT = "created_at" ["created"];
    UPDATED_AT = "updated_at" ["updated"];
    VERSION = "version" ["version"];
    EXTERNAL_METADATA = "external_metadata" v1 ["externalMetadata"] v2 ["metadata"];
}

const BANK_REFERENCE: Field = Field::both("metadata.bank_reference", &["bankReference"]);
pub(super) const SENT: &[Field] = &[BANK_REFERENCE];
const KINDS: &[&str] = &["PAY-IN", "PAYOUT", "TRANSFER"];
const DIRECTIONS: &[&str] = &["CREDIT", "DEBIT"];
pub(super) const REMITTANCE_TYPES: &[&str] = &["UNSTRUCTURED", "STRUCTURED", "OCR"];
pub(super) const RECONCILIATION_STATUSES: &[&str] =
    &["BOOKED", "EXPECTED", "RECONCILED", "PARTIALLY_RECONCILED", "NOT_RECONCILED"];

const TRANSACTABLES: &[&str] =
    &["PAYMENT", "EXPECTED_TRANSACTION", "CREDIT_TRANSFER", "DIRECT_DEBIT", "PAYMENT_BATCH"];

pub(super) fn map(
    reader: &mut Reader<'_, '_>,
    joined: &Joined<'_>,
    raw: Option<String>,
) -> Result<Payment, Error> {
    let mut payment = Payment {
        id: reader.id()?,
        organization_id: reader.text(&ORGANIZATION_ID),
        account_id: reader.text(&ACCOUNT_ID),
        kind: reader.word(&TYPE, KINDS),
        direction: reader.word(&DIRECTION, DIRECTIONS),
        raw_status: reader.text(&RAW_STATUS),
        scheme: reader.text(&SCHEME),
        amount: reader.money(&AMOUNT)?,
        booked_on: reader.date(&BOOKED_ON),
        value_date: reader.date(&VALUE_DATE),
        description: reader.text(&DESCRIPTION),
        remittance_type: reader.word(&REMITTANCE_TYPE, REMITTANCE_TYPES),
        remittance_information: reader.text(&REMITTANCE_INFORMATION),
        end_to_end_id: reader.text(&END_TO_END_ID),
        mandate_reference: reader.text(&MANDATE_REFERENCE),
        reconciliation_status: reader.word(&RECONCILIATION_STATUS, RECONCILIATION_STATUSES),
        reconciled_with_type: reader.word(&RECONCILED_TYPE, TRANSACTABLES),
        reconciled_with_id: reader.text(&RECONCILED_ID),
        virtual_account: reader.digits(&VIRTUAL_ACCOUNT),
        created_at: reader.timestamp(&CREATED_AT),
        updated_at: reader.timestamp(&UPDATED_AT),
        version: reader.int(&VERSION)?,
        external_metadata: reader.map(&EXTERNAL_METADATA),
        raw,
        ..Payment::default()
    };
    let counterparty = reader.object(&COUNTERPARTY);
    payment.counterparty = counterparty.and_then(|found| party::party(reader, found, None));
    characteristics(reader, &mut payment)?;
    classify(reader, joined, &mut payment);
    let bank_reference = reader.text(&BANK_REFERENCE);
    payment.metadata = metadata(&payment, bank_reference.as_deref());
    Ok(payment)
}

fn characteristics(reader: &mut Reader<'_, '_>, payment: &mut Payment) -> Result<(), Error> {
    payment.bank_transaction_domain = reader.text(&DOMAIN);
    payment.bank_transaction_family = reader.text(&FAMILY);
    payment.bank_transaction_subfamily = reader.text(&SUBFAMILY);
    payment.bank_transaction_description = reader.text(&CODE_DESCRIPTION);
    payment.proprietary_code = reader.text(&PROPRIETARY_CODE);
    payment.proprietary_issuer = reader.text(&PROPRIETARY_ISSUER);
    payment.returned = reader.boolean(&RETURNED);
    payment.return_reason_code = reader.text(&RETURN_CODE);
    payment.return_reason_description = reader.text(&RETURN_DESCRIPTION);
    payment.instructed_amount = reader.money(&INSTRUCTED_AMOUNT)?;
    payment.exchange_rate = reader.digits(&EXCHANGE_RATE);
    payment.exchange_source_currency = reader.text(&SOURCE_CURRENCY);
    payment.exchange_target_currency = reader.text(&TARGET_CURRENCY);
    payment.exchange_unit_currency = reader.text(&UNIT_CURRENCY);
    Ok(())
}

/// Type, direction and status: as sent where the record says them itself, else derived.
fn classify(reader: &mut Reader<'_, '_>, joined: &Joined<'_>, payment: &mut Payment) {
    let minor_units = payment.amount.as_ref().and_then(|amount| amount.minor_units);
    let incoming = minor_units.map(|minor_units| minor_units >= 0);
    let derived = match (joined.own_counterparty, incoming) {
        (true, _) => Some("TRANSFER"),
        (false, Some(true)) => Some("PAY-IN"),
        (false, Some(false)) => Some("PAYOUT"),
        (false, None) => None,
    };
    let direction = incoming.map(|incoming| if incoming { "CREDIT" } else { "DEBIT" });
    payment.kind = payment.kind.take().or_else(|| party::owned(derived));
    payment.direction = payment.direction.take().or_else(|| party::owned(direction));
    payment.status = Some(known_status(reader, payment.raw_status.as_deref()).to_owned());
}

/// The status of a raw one; one that is not in the table is noted.
pub(super) fn known_status(reader: &mut Reader<'_, '_>, raw: Option<&str>) -> &'static str {
    let known = status(raw);
    if let (UNKNOWN, Some(raw)) = (known, raw.filter(|raw| *raw != UNKNOWN)) {
        reader.note(Note::unknown_value("raw_status", raw));
    }
    known
}

/// The bank transaction code, `PMNT/RCDT/ESCT`, else the bank's own code.
pub(super) fn transaction_type(
    code: &[Option<String>; 3],
    proprietary: Option<String>,
) -> Option<String> {
    let parts: Vec<&str> = code.iter().filter_map(Option::as_deref).collect();
    if parts.is_empty() { proprietary } else { Some(parts.join("/")) }
}

fn metadata(
    payment: &Payment,
    bank_reference: Option<&str>,
) -> std::collections::BTreeMap<String, String> {
    let code = [
        payment.bank_transaction_domain.clone(),
        payment.bank_transaction_family.clone(),
        payment.bank_transaction_subfamily.clone(),
    ];
    let code = transaction_type(&code, payment.proprietary_code.clone());
    Metadata::default()
        .put("transaction_id", Some(&payment.id))
        .put("transaction_type", code.as_deref())
        .put(
            "bank_reference",
            bank_reference
                .or(payment.end_to_end_id.as_deref())
                .or(payment.mandate_reference.as_deref()),
        )
        .put("remittance_information_unstructured", payment.remittance_information.as_deref())
        .put("direction", payment.direction.as_deref())
        .done()
}
