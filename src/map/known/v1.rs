//! The documented members of the first generation.

use super::{Known, known};

pub(super) const AMOUNT: Known = known(&["currency", "stringValue", "value"], &[]);
const IDENTIFIER: Known = known(&["type", "number", "market", "holderName"], &[]);
const BANK: Known = known(&["id", "name", "bic"], &[]);
const ACCOUNT_SLIM: Known =
    known(&["id", "name"], &[("bank", &BANK), ("identifiers", &IDENTIFIER)]);
const REMITTANCE: Known = known(&["type", "value"], &[]);
const RECONCILIATION: Known = known(
    &[
        "status",
        "bookedTransactionId",
        "expectedTransactionId",
        "transactableId",
        "transactableType",
    ],
    &[],
);
pub(super) const NATIONAL_ID: Known = known(&["type", "market", "number"], &[]);
pub(super) const ADDRESS: Known =
    known(&["streetName", "streetNumber", "postalCode", "city", "country", "rawAddressLines"], &[]);
const CONTACT: Known =
    known(&["email", "phone"], &[("address", &ADDRESS), ("nationalId", &NATIONAL_ID)]);
pub(super) const BANK_CODE: Known =
    known(&["domain", "family", "subfamily", "description"], &[("proprietary", &PROPRIETARY)]);
const PROPRIETARY: Known = known(&["code", "issuer"], &[]);
pub(super) const EXCHANGE: Known =
    known(&["exchangeRate", "sourceCurrency", "targetCurrency", "unitCurrency"], &[]);
pub(super) const RETURN_REASON: Known =
    known(&["code", "description"], &[("originalBankTransactionCode", &BANK_CODE)]);

pub(super) const ACCOUNT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "name",
        "alias",
        "currency",
        "market",
        "bic",
        "thirdPartyId",
        "entityId",
        "externalMetadata",
        "fictive",
        "created",
        "updated",
        "version",
    ],
    objects: &[
        ("bank", &BANK),
        ("owner", &OWNER),
        ("identifiers", &IDENTIFIER),
        ("balance", &BALANCE),
    ],
    ours: &["accountType", "type"],
};
const OWNER: Known = known(&["name"], &[]);

/// The same in both generations.
pub(super) const BALANCE: Known = known(
    &[
        "id",
        "accountId",
        "organizationId",
        "type",
        "reportedType",
        "localDate",
        "timestamp",
        "version",
    ],
    &[("amount", &AMOUNT)],
);

pub(super) const COUNTERPARTY: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "name",
        "partyType",
        "externalId",
        "externalMetadata",
        "created",
        "updated",
        "version",
    ],
    objects: &[
        ("contactDetails", &CONTACT),
        ("externalAccounts", &EXTERNAL_ACCOUNT),
        ("identifiers", &IDENTIFIER),
    ],
    ours: &["alias", "routingNumber"],
};

const EXTERNAL_ACCOUNT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "counterpartyId",
        "externalId",
        "externalMetadata",
        "created",
        "updated",
    ],
    objects: &[("bank", &BANK), ("identifiers", &IDENTIFIER)],
    ours: &["routingNumber"],
};

pub(super) const TRANSACTION: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "date",
        "valueDate",
        "created",
        "description",
        "externalMetadata",
        "version",
    ],
    objects: &[
        ("account", &ACCOUNT_SLIM),
        ("amount", &AMOUNT),
        ("remittanceInformation", &REMITTANCE),
        ("reconciliation", &RECONCILIATION),
        ("characteristics", &CHARACTERISTICS),
        ("counterpartyDetails", &PARTY),
        ("counterparty", &COUNTERPARTY_SLIM),
    ],
    ours: &[
        "accountId",
        "type",
        "direction",
        "status",
        "scheme",
        "bankReference",
        "references",
        "updated",
    ],
};

const CHARACTERISTICS: Known = known(
    &["returned"],
    &[
        ("bankTransactionCode", &BANK_CODE),
        ("currencyExchange", &EXCHANGE),
        ("instructedAmount", &AMOUNT),
        ("returnReason", &RETURN_REASON),
        ("virtualAccount", &PARTY_ACCOUNT),
    ],
);

const PARTY: Known = known(
    &["name", "partyType", "mandateReference"],
    &[
        ("contactDetails", &CONTACT),
        ("nationalIdentifier", &NATIONAL_ID),
        ("externalAccount", &PARTY_ACCOUNT),
    ],
);
const PARTY_ACCOUNT: Known =
    known(&["market", "rawIdentifier"], &[("bank", &BANK), ("identifier", &IDENTIFIER)]);
const COUNTERPARTY_SLIM: Known = known(
    &["id", "name", "partyType"],
    &[("contactDetails", &CONTACT), ("identifiers", &IDENTIFIER)],
);

pub(super) const EXTERNAL_PAYMENTS: &[(&str, &Known)] = &[
    ("external-payments", &EXTERNAL_PAYMENT),
    ("expected-transactions", &EXPECTED_TRANSACTION),
    ("direct-debits", &DIRECT_DEBIT),
];

/// Our own list: an expected transaction with a scheme, another side and a mandate.
const EXTERNAL_PAYMENT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "date",
        "status",
        "externalMetadata",
        "created",
        "updated",
        "version",
        "scheme",
        "mandateReference",
    ],
    objects: &[
        ("account", &ACCOUNT_SLIM),
        ("amount", &AMOUNT),
        ("remittanceInformation", &REMITTANCE),
        ("reconciliation", &RECONCILIATION),
        ("counterparty", &EXTERNAL_PARTY),
    ],
    ours: &["accountId", "counterpartyDetails", "bankReference", "direction", "references"],
};
const EXTERNAL_PARTY: Known = Known {
    leaves: PARTY.leaves,
    objects: PARTY.objects,
    ours: &["id", "bank", "bic", "identifiers"],
};

const EXPECTED_TRANSACTION: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "date",
        "status",
        "externalMetadata",
        "created",
        "updated",
        "version",
    ],
    objects: &[
        ("account", &ACCOUNT_SLIM),
        ("amount", &AMOUNT),
        ("remittanceInformation", &REMITTANCE),
        ("reconciliation", &RECONCILIATION),
    ],
    ours: EXTERNAL_PAYMENT.ours,
};

const DIRECT_DEBIT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "externalId",
        "externalMetadata",
        "created",
        "etag",
        "version",
        "date",
        "status",
        "directDebitSchemeType",
        "categoryPurpose",
        "connectionInstructionId",
    ],
    objects: &[
        ("amount", &AMOUNT),
        ("destinationAccount", &ACCOUNT_SLIM),
        ("sourceExternalAccount", &EXTERNAL_ACCOUNT),
        ("mandate", &MANDATE),
        ("paymentScheme", &PAYMENT_SCHEME),
        ("remittanceInformation", &REMITTANCE),
        ("reconciliation", &RECONCILIATION),
        ("attachedTransactions", &ATTACHED),
        ("approvalChain", &APPROVAL_CHAIN),
    ],
    ours: &["scheme", "mandateReference", "updated", "bankReference", "direction", "references"],
};
const PAYMENT_SCHEME: Known = known(&["type", "displayName"], &[]);
const ATTACHED: Known = known(&["event", "transactionId"], &[]);
const APPROVAL_CHAIN: Known =
    known(&["triggeredApprovalChainId"], &[("approvalSteps", &APPROVAL_STEP)]);
const APPROVAL_STEP: Known =
    known(&["id", "requiredRole", "status", "approver", "updated", "allowCreatorApproval"], &[]);
const MANDATE: Known = known(
    &[
        "id",
        "organizationId",
        "counterpartyId",
        "externalAccountId",
        "directDebitSchemeType",
        "created",
        "updated",
        "status",
        "creditorReference",
        "mandateReference",
        "signatureDate",
        "destinationAccountId",
        "connectionInstructionId",
        "externalId",
        "externalMetadata",
        "etag",
        "version",
    ],
    &[("nationalIdentifier", &NATIONAL_ID)],
);
