//! The documented members of the second generation. Balances have those of the first.

use super::v1::{ADDRESS, AMOUNT, BANK_CODE, EXCHANGE, NATIONAL_ID, RETURN_REASON};
use super::{Known, known};

const IDENTIFIER: Known = known(&["type", "market", "number", "invalid"], &[]);
const ROUTING: Known = known(&["type", "number", "invalid", "constraints"], &[]);
/// `{type, id}` of another record.
const LINK: Known = known(&["type", "id"], &[]);

pub(super) const ACCOUNT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "thirdPartyId",
        "affiliationId",
        "entityId",
        "market",
        "currency",
        "name",
        "alias",
        "fictive",
        "version",
        "etag",
        "created",
        "updated",
        "externalId",
        "metadata",
        "paymentOptions",
        "status",
        "type",
    ],
    objects: &[("identifiers", &IDENTIFIER), ("routing", &ROUTING)],
    ours: &["accountType"],
};

pub(super) const COUNTERPARTY: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "legalName",
        "alias",
        "partyType",
        "email",
        "phone",
        "externalId",
        "metadata",
        "entityIds",
        "created",
        "updated",
        "version",
        "etag",
    ],
    objects: &[
        ("address", &ADDRESS),
        ("nationalIdentifier", &NATIONAL_ID),
        ("accounts", &EXTERNAL_ACCOUNT),
    ],
    ours: &["routingNumber"],
};

const EXTERNAL_ACCOUNT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "counterpartyId",
        "market",
        "name",
        "alias",
        "externalId",
        "metadata",
        "entityIds",
        "created",
        "updated",
        "version",
        "etag",
    ],
    objects: &[("identifiers", &IDENTIFIER), ("routing", &ROUTING)],
    ours: &["routingNumber"],
};

pub(super) const TRANSACTION: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "accountId",
        "date",
        "valueDate",
        "description",
        "reference",
        "returned",
        "reconciliationStatus",
        "virtualAccount",
        "metadata",
        "charges",
        "batchInformation",
        "created",
        "updated",
        "version",
    ],
    objects: &[
        ("amount", &AMOUNT),
        ("instructedAmount", &AMOUNT),
        ("references", &REFERENCES),
        ("counterparty", &PARTY),
        ("bankTransactionCode", &BANK_CODE),
        ("returnReason", &RETURN_REASON),
        ("currencyExchange", &EXCHANGE),
        ("attachedTransactables", &LINK),
    ],
    ours: &["type", "direction", "status", "scheme", "bankReference"],
};
const REFERENCES: Known = known(&["mandateReference", "endToEndId"], &[]);
const PARTY: Known = known(
    &["partyType", "name"],
    &[("nationalIdentifier", &NATIONAL_ID), ("address", &ADDRESS), ("account", &PARTY_ACCOUNT)],
);
const PARTY_ACCOUNT: Known =
    known(&["market", "rawIdentifier"], &[("identifiers", &IDENTIFIER), ("routing", &ROUTING)]);

pub(super) const EXTERNAL_PAYMENTS: &[(&str, &Known)] = &[
    ("external-payments", &EXTERNAL_PAYMENT),
    ("direct-debits", &DIRECT_DEBIT),
    ("pending-transactions", &PENDING_TRANSACTION),
];

/// Our own list, in this generation's spelling.
const EXTERNAL_PAYMENT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "accountId",
        "date",
        "status",
        "reference",
        "reconciliationStatus",
        "metadata",
        "created",
        "updated",
        "version",
        "etag",
        "scheme",
        "mandateReference",
    ],
    objects: &[("amount", &AMOUNT), ("counterparty", &PARTY), ("attachedTransactions", &LINK)],
    ours: &["bankReference", "direction", "references"],
};

const PENDING_TRANSACTION: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "accountId",
        "date",
        "valueDate",
        "description",
        "reference",
        "returned",
        "virtualAccount",
        "metadata",
        "charges",
        "batchInformation",
        "created",
        "updated",
        "version",
        "etag",
    ],
    objects: &[
        ("amount", &AMOUNT),
        ("instructedAmount", &AMOUNT),
        ("references", &REFERENCES),
        ("counterparty", &PARTY),
        ("bankTransactionCode", &BANK_CODE),
        ("returnReason", &RETURN_REASON),
        ("currencyExchange", &EXCHANGE),
    ],
    ours: &["status", "scheme", "bankReference", "direction", "mandateReference"],
};

const DIRECT_DEBIT: Known = Known {
    leaves: &[
        "id",
        "organizationId",
        "scheme",
        "date",
        "status",
        "statusReason",
        "sourceHolder",
        "destinationHolder",
        "approvalSteps",
        "reference",
        "etag",
        "version",
        "created",
        "updated",
        "creatorUserId",
        "schemeDetails",
        "categoryPurpose",
        "chargeBearer",
        "regulatoryReporting",
        "connectionInstructionId",
        "externalId",
        "metadata",
        "taxDetails",
    ],
    objects: &[
        ("amount", &AMOUNT),
        ("source", &SNAPSHOT),
        ("destination", &SNAPSHOT),
        ("attachedTransactions", &LINK),
        ("batch", &BATCH),
        ("mandate", &MANDATE),
    ],
    ours: &["reconciliationStatus", "mandateReference", "bankReference", "direction"],
};
const SNAPSHOT: Known = known(
    &["type", "id", "organizationId", "market", "currency"],
    &[("identifiers", &IDENTIFIER), ("routing", &ROUTING)],
);
const BATCH: Known = known(&["id", "treatment"], &[]);
const MANDATE: Known = known(
    &["id", "creditorReference", "mandateReference", "finalCollection", "signatureDate", "version"],
    &[],
);
