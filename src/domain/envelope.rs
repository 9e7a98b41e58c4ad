//! The change event: Debezium's words, so that its readers need no adapter.

use serde::{Deserialize, Serialize};

use super::{Entity, Generation, Record};

words! {
    /// What happened.
    pub enum Op {
        /// Seen in the stream's first listing.
        Read = "r",
        Create = "c",
        Update = "u",
        Delete = "d",
    }
}

words! {
    /// Why an event was published that is not simply a difference.
    pub enum Snapshot {
        /// Part of a stream's first complete listing.
        First = "first",
        False = "false",
        Resync = "resync",
        Repair = "repair",
    }
}

words! {
    /// The way a difference reached us.
    pub enum Via {
        Poll = "poll",
        Webhook = "webhook",
    }
}

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Always `atlar`.
    pub connector: String,
    /// Version of this program.
    pub version: String,
    /// The topic prefix.
    pub name: String,
    /// Milliseconds since 1970: when the record was received.
    pub ts_ms: i64,
    pub snapshot: Snapshot,
    pub organization_id: Option<String>,
    pub api_version: Generation,
    pub entity: Entity,
    /// `accounts`, `payments/<account id>`, `counterparties`, `external-payments/<source>`,
    /// `balances`.
    pub stream: String,
    /// 1, 2, 3 … per entity, without a gap.
    pub change_no: i64,
    /// Atlar's version of `after`; of `before` for a delete.
    pub entity_version: Option<i64>,
    pub via: Via,
}

/// One difference between what was published and what Atlar serves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Envelope {
    pub before: Option<Record>,
    pub after: Option<Record>,
    pub op: Op,
    /// Milliseconds since 1970: when the difference was observed.
    pub ts_ms: i64,
    /// Dotted paths in `after`, sorted.
    pub changed_fields: Vec<String>,
    pub source: Source,
}
