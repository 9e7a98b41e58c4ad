//! What the ingestor publishes: the five entities, the envelope around them, and the two records
//! of its own (scan marker, dead letter).
//!
//! The structs here are the Avro records of `schemas/*.avsc`, field for field and in the same
//! order: `serde` names are Avro names. Everything but an id may be missing. Nothing here knows
//! Atlar's JSON, Kafka or a registry, and nothing here computes with floating numbers.
//!
//! Each struct serialises in two ways. A binary format (Avro) gets instants as milliseconds, dates
//! as days and decimals as big-endian two's complement; a readable one (JSON) gets RFC 3339,
//! `yyyy-mm-dd` and exact decimal text. A list or map of nothing is `null` in both.

#[macro_use]
mod words;

mod account;
mod balance;
mod counterparty;
mod envelope;
mod marker;
pub mod money;
mod nullable;
mod party;
mod payment;
mod record;
mod time;

pub use account::Account;
pub use balance::Balance;
pub use counterparty::{Counterparty, ExternalAccount};
pub use envelope::{Envelope, Op, Snapshot, Source, Via};
pub use marker::{DeadLetter, ScanCompleted};
pub use money::{Decimal, Money};
pub use party::{Identifier, Party, Routing};
pub use payment::{ExternalPayment, Payment};
pub use record::Record;
pub use time::{Date, Timestamp};
pub use words::UnknownWord;

words! {
    /// The kinds of record that have a topic of their own, spelt as in the topic's name.
    pub enum Entity {
        Account = "account",
        Counterparty = "counterparty",
        Payment = "payment",
        ExternalPayment = "external-payment",
        Balance = "balance",
    }
}

words! {
    /// The generation of Atlar's API that a record was read from.
    pub enum Generation {
        V1 = "v1",
        V2 = "v2",
    }
}
