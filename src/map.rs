//! From Atlar's JSON to the records we publish. Pure and total: the same input gives the same
//! record, and no JSON, however odd, makes it panic.
//!
//! Which member of Atlar's record feeds which field of ours is data: one table of [`Field`]s per
//! entity, with a column per generation of the API, that the code below it walks ([`fields`]).
//! What the tables cannot say is a function of its own: [`amount`], [`status`], `party`.
//!
//! `null`, `""`, `{}` and a missing member all mean nothing. A member of an unexpected type means
//! nothing either, and leaves a [`Note`]: one odd member never costs the rest of the record, and
//! `raw` still holds it. Only three things cannot become an event at all: [`Error`].

#[macro_use]
mod field;

pub mod amount;
pub mod status;

mod account;
mod balance;
mod counterparty;
mod external_account;
mod external_payment;
mod joins;
mod known;
mod metadata;
mod note;
mod party;
mod payment;
mod same;

use std::borrow::Cow;

use crate::domain::{Entity, ExternalAccount, Generation, Record};
use crate::json::Json;

pub use balance::{balance_id, embedded_balance, embedded_balance_raw};
pub use external_account::{external_account, needs_external_accounts};
pub use field::Field;
pub use joins::{
    counterparty_identifiers, own_identifiers, published_identifiers, third_party, third_party_of,
};
pub use known::is_documented;
pub use note::Note;
pub use same::{LEFT_OUT, LEFT_OUT_OF_DIRECT_DEBITS, WORDS, same_content, same_meaning};

/// What other lists say about this record.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Joined<'a> {
    /// Account: the name of the third party that [`third_party_of`] names.
    pub bank_name: Option<&'a str>,
    /// Payment: one of [`counterparty_identifiers`] is one of another own account's.
    pub own_counterparty: bool,
    /// Counterparty: its accounts from their own list, where [`needs_external_accounts`].
    pub external_accounts: &'a [ExternalAccount],
    /// External payment: the list it was read from, as in `externalPayments.source`.
    pub source_resource: Option<&'a str>,
    /// Balance: the account it was embedded in, where it does not name one itself.
    pub account_id: Option<&'a str>,
    /// Balance: that account's organisation.
    pub organization_id: Option<&'a str>,
}

/// A record ready to be compared and published.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    pub id: String,
    pub organization_id: Option<String>,
    pub version: Option<i64>,
    pub record: Record,
    /// What was odd about the input, for counters and one log line per kind.
    pub notes: Vec<Note>,
}

/// Why a record cannot be an event. Names a field, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the record is not a JSON object")]
    NotAnObject,
    #[error("the record has no readable id")]
    NoId,
    #[error("{field} is an integer beyond 64 bits")]
    OutOfRange { field: &'static str },
}

impl Error {
    /// The word for a dead letter's `reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Error::NotAnObject => "not-an-object",
            Error::NoId => "no-id",
            Error::OutOfRange { .. } => "out-of-range",
        }
    }
}

/// Maps one record as received.
///
/// `raw` is the text it was parsed from, or `None` where it shall not be published. For a balance
/// of v1, `record` and `raw` are the embedded `balance` object.
pub fn map(
    entity: Entity,
    generation: Generation,
    record: &Json<'_>,
    raw: Option<&str>,
    joined: &Joined<'_>,
) -> Result<Mapped, Error> {
    if !record.is_object() {
        return Err(Error::NotAnObject);
    }
    let mut reader = field::Reader::new(record, generation);
    let odd = known::oddities(record, entity, generation, joined.source_resource);
    let raw = raw.map(str::to_owned);
    let record = match entity {
        Entity::Account => account::map(&mut reader, joined, raw).map(Record::from),
        Entity::Counterparty => counterparty::map(&mut reader, joined, raw).map(Record::from),
        Entity::Payment => payment::map(&mut reader, joined, raw).map(Record::from),
        Entity::ExternalPayment => {
            external_payment::map(&mut reader, joined, raw).map(Record::from)
        }
        Entity::Balance => balance::map(&mut reader, joined, raw).map(Record::from),
    }?;
    Ok(Mapped {
        id: record.id().to_owned(),
        organization_id: record.organization_id().map(str::to_owned),
        version: record.version(),
        notes: reader.into_notes(odd),
        record,
    })
}

/// What decides about a record before it is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Owned only for a balance, whose id is made of two members.
    pub id: Option<Cow<'a, str>>,
    pub organization_id: Option<&'a str>,
    pub version: Option<i64>,
    /// The account that the record itself names.
    pub account_id: Option<&'a str>,
}

/// Reads a record's identity without mapping it: the same id, organisation and version that
/// [`map`] finds.
pub fn identify<'a>(entity: Entity, generation: Generation, record: &'a Json<'_>) -> Identity<'a> {
    let account_id = match entity {
        Entity::Account => record.get("id").text(),
        Entity::Counterparty => None,
        Entity::Payment => payment::ACCOUNT_ID.text(record, generation),
        Entity::ExternalPayment => external_payment::ACCOUNT_ID.text(record, generation),
        Entity::Balance => record.get("accountId").text(),
    };
    let id = match entity {
        Entity::Balance => account_id
            .map(|account_id| Cow::Owned(balance_id(account_id, record.get("type").text()))),
        _ => record.get("id").text().map(Cow::Borrowed),
    };
    Identity {
        id,
        organization_id: record.get("organizationId").text(),
        version: record.get("version").int(),
        account_id,
    }
}

/// The mapping table of an entity: every field that is read straight from a member.
pub fn fields(entity: Entity) -> &'static [Field] {
    match entity {
        Entity::Account => account::FIELDS,
        Entity::Counterparty => counterparty::FIELDS,
        Entity::Payment => payment::FIELDS,
        Entity::ExternalPayment => external_payment::FIELDS,
        Entity::Balance => balance::FIELDS,
    }
}

/// Members that go into `metadata`, and with it into no field of their own.
pub fn sent_fields(entity: Entity) -> &'static [Field] {
    match entity {
        Entity::Account => account::SENT,
        Entity::Counterparty => counterparty::SENT,
        Entity::Payment => payment::SENT,
        Entity::ExternalPayment => external_payment::SENT,
        Entity::Balance => &[],
    }
}

/// The mapping tables of records inside others: a bank account of a counterparty, the other side
/// of a payment. Their members lie below the member that the field itself is read from.
pub fn fields_inside() -> [(&'static str, &'static [Field]); 2] {
    [("ExternalAccount", external_account::FIELDS), ("Party", party::FIELDS)]
}
