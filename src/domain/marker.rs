//! The two records that are not about one entity's change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entity, Generation, Timestamp};

/// One complete listing of a stream, committed with all events before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanCompleted {
    pub stream: String,
    pub api_version: Generation,
    /// Records that the listing held.
    pub listed: i64,
    /// Entities of the stream that are not deleted.
    pub live: i64,
    /// Records that could not be mapped.
    pub quarantined: i64,
    /// Deletes that wait for release.
    pub held: i64,
    pub pages: i64,
    pub requests: i64,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Partition number → offset after the stream's last event there.
    pub end_offsets: BTreeMap<String, i64>,
    /// 32 lower-case hex digits over the live entities.
    pub digest: String,
}

/// A record that could not become an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub stream: String,
    pub entity: Entity,
    pub id: Option<String>,
    /// A word that a program may branch on.
    pub reason: String,
    /// What exactly is wrong, without the value.
    pub detail: Option<String>,
    /// The JSON as received.
    pub raw: Option<String>,
    pub observed_at: Timestamp,
}
