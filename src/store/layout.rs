//! Bytes of the local store.
//!
//! A bucket is a list of entries of a fixed 95 bytes, integers big endian: key 16, fingerprint 16,
//! short cut 16, version 8, event offset 8, `change_no` 8, `batch_no` 8, resync 4, stream 4,
//! event partition 4, then algorithm, generation, flags. The number of the layout is in the
//! checkpoint; another number means: wipe.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::change::Fingerprint;
use crate::state::index::{EntityKey, Entry, StreamNo};
use crate::state::record::EventLocation;

pub const LAYOUT: u32 = 1;

const DELETED: u8 = 1;
const QUARANTINED: u8 = 2;
const HAS_VERSION: u8 = 4;
const HAS_EVENT: u8 = 8;

/// Written in the same batch as what it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub layout: u32,
    pub cluster_id: String,
    pub genesis: Uuid,
    /// Everything below is in the store.
    pub next_offset: i64,
    /// The highest number of a format that it was read from.
    pub format: u8,
    pub entries: u64,
    /// Sum over hashes of all other values, as 32 hex digits.
    pub sum: String,
    pub seed: u64,
    pub streams: Vec<String>,
}

pub fn encode_bucket<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let event = entry.event.unwrap_or(EventLocation { partition: -1, offset: -1 });
        let mut flags = 0;
        flags |= if entry.deleted { DELETED } else { 0 };
        flags |= if entry.quarantined { QUARANTINED } else { 0 };
        flags |= if entry.version.is_some() { HAS_VERSION } else { 0 };
        flags |= if entry.event.is_some() { HAS_EVENT } else { 0 };
        out.extend_from_slice(&entry.key.0);
        out.extend_from_slice(&entry.fingerprint.0);
        out.extend_from_slice(&entry.short_cut);
        out.extend_from_slice(&entry.version.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&event.offset.to_be_bytes());
        out.extend_from_slice(&entry.change_no.to_be_bytes());
        out.extend_from_slice(&entry.batch_no.to_be_bytes());
        out.extend_from_slice(&entry.resync.to_be_bytes());
        out.extend_from_slice(&entry.stream.0.to_be_bytes());
        out.extend_from_slice(&event.partition.to_be_bytes());
        out.extend_from_slice(&[entry.algorithm, entry.generation, flags]);
    }
    out
}

/// The entries of a bucket; `None` where the bytes are not whole entries.
pub fn decode_bucket(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut rest = bytes;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let key = EntityKey(take(&mut rest)?);
        let fingerprint = Fingerprint(take(&mut rest)?);
        let short_cut = take(&mut rest)?;
        let version = i64::from_be_bytes(take(&mut rest)?);
        let offset = i64::from_be_bytes(take(&mut rest)?);
        let change_no = u64::from_be_bytes(take(&mut rest)?);
        let batch_no = u64::from_be_bytes(take(&mut rest)?);
        let resync = u32::from_be_bytes(take(&mut rest)?);
        let stream = StreamNo(u32::from_be_bytes(take(&mut rest)?));
        let partition = i32::from_be_bytes(take(&mut rest)?);
        let [algorithm, generation, flags] = take(&mut rest)?;
        entries.push(Entry {
            key,
            fingerprint,
            short_cut,
            version: (flags & HAS_VERSION != 0).then_some(version),
            event: (flags & HAS_EVENT != 0).then_some(EventLocation { partition, offset }),
            change_no,
            batch_no,
            resync,
            stream,
            algorithm,
            generation,
            deleted: flags & DELETED != 0,
            quarantined: flags & QUARANTINED != 0,
        });
    }
    Some(entries)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}
