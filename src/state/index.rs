//! The RAM index: for each entity what the hot path must know, and nothing else.
//!
//! Entities are found by a 128-bit hash of their state key, so the index holds no ids. Entries are
//! never removed: a deleted entity stays, flagged. They are grouped in buckets by the first bits of
//! the hash, the unit in which the local store writes them behind.

use std::collections::HashMap;

use hashbrown::HashTable;

use super::record::{EventLocation, StateRecord};
use crate::change::Fingerprint;

/// Buckets of the local store. 16,384 buckets of some 60 entries hold a million entities in values
/// of a few kilobytes, which sled keeps far cheaper than a million small ones.
pub const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: usize = 14;

/// First 16 bytes of blake3 over the state key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntityKey(pub [u8; 16]);

impl EntityKey {
    pub fn of(entity: &str, id: &str) -> EntityKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(entity.as_bytes()).update(&[0]).update(id.as_bytes());
        EntityKey::from_hash(hasher.finalize())
    }

    pub fn of_state_key(key: &[u8]) -> EntityKey {
        EntityKey::from_hash(blake3::hash(key))
    }

    fn from_hash(hash: blake3::Hash) -> EntityKey {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        EntityKey(bytes)
    }

    pub fn bucket(self) -> usize {
        usize::from(u16::from_be_bytes([self.0[0], self.0[1]]) >> (16 - BUCKET_BITS))
    }

    fn hash(self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[8..]);
        u64::from_be_bytes(bytes)
    }
}

/// Number of a stream's name in this index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamNo(pub u32);

/// What is known of one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: EntityKey,
    pub fingerprint: Fingerprint,
    /// Hash of the received bytes that were judged to carry `fingerprint`, bound to the join
    /// facts of that moment; all zero: none. Local knowledge, dropped whenever a state record is
    /// applied.
    pub short_cut: [u8; 16],
    pub version: Option<i64>,
    pub event: Option<EventLocation>,
    pub change_no: u64,
    pub batch_no: u64,
    pub resync: u32,
    pub stream: StreamNo,
    pub algorithm: u8,
    pub generation: u8,
    pub deleted: bool,
    pub quarantined: bool,
}

/// No hash of received bytes is known.
pub const NO_SHORT_CUT: [u8; 16] = [0; 16];

/// See the module.
pub struct Index {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    buckets: Vec<Vec<u32>>,
    dirty: Vec<bool>,
    streams: Vec<String>,
    stream_numbers: HashMap<String, StreamNo>,
}

impl Default for Index {
    fn default() -> Self {
        Index::new()
    }
}

impl Index {
    pub fn new() -> Index {
        Index {
            table: HashTable::new(),
            entries: Vec::new(),
            buckets: vec![Vec::new(); BUCKETS],
            dirty: vec![false; BUCKETS],
            streams: Vec::new(),
            stream_numbers: HashMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, key: EntityKey) -> Option<&Entry> {
        let slot = self.slot(key)?;
        self.entries.get(slot)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Applies a state record: it replaces what was known, the short cut included.
    pub fn apply(&mut self, key: EntityKey, record: &StateRecord) {
        let stream = self.stream_no(&record.stream);
        self.insert(Entry {
            key,
            fingerprint: record.fingerprint,
            short_cut: NO_SHORT_CUT,
            version: record.version,
            event: record.event,
            change_no: record.change_no,
            batch_no: record.batch_no,
            resync: record.resync,
            stream,
            algorithm: record.algorithm,
            generation: record.generation,
            deleted: record.deleted,
            quarantined: record.quarantined,
        });
    }

    /// Puts an entry in place of what was known.
    pub fn insert(&mut self, entry: Entry) {
        let key = entry.key;
        self.mark_dirty(key);
        match self.slot(key).and_then(|slot| self.entries.get_mut(slot)) {
            Some(known) => *known = entry,
            None => self.append(entry),
        }
    }

    /// Remembers that bytes with this hash carry the published content of the entity.
    pub fn set_short_cut(&mut self, key: EntityKey, short_cut: [u8; 16]) {
        if let Some(slot) = self.slot(key)
            && let Some(entry) = self.entries.get_mut(slot)
            && entry.short_cut != short_cut
        {
            entry.short_cut = short_cut;
            self.mark_dirty(key);
        }
    }

    fn append(&mut self, entry: Entry) {
        let Ok(slot) = u32::try_from(self.entries.len()) else { return };
        if let Some(bucket) = self.buckets.get_mut(entry.key.bucket()) {
            bucket.push(slot);
        }
        let entries = &self.entries;
        let rehash = |slot: &u32| entries.get(*slot as usize).map_or(0, |known| known.key.hash());
        self.table.insert_unique(entry.key.hash(), slot, rehash);
        self.entries.push(entry);
    }

    fn slot(&self, key: EntityKey) -> Option<usize> {
        let same = |slot: &u32| self.entries.get(*slot as usize).is_some_and(|e| e.key == key);
        self.table.find(key.hash(), same).map(|slot| *slot as usize)
    }

    fn mark_dirty(&mut self, key: EntityKey) {
        if let Some(flag) = self.dirty.get_mut(key.bucket()) {
            *flag = true;
        }
    }

    /// Number of a stream's name, given on first use.
    pub fn stream_no(&mut self, name: &str) -> StreamNo {
        if let Some(number) = self.stream_numbers.get(name) {
            return *number;
        }
        let number = StreamNo(u32::try_from(self.streams.len()).unwrap_or(u32::MAX));
        self.streams.push(name.to_owned());
        self.stream_numbers.insert(name.to_owned(), number);
        number
    }

    /// Number of a stream's name, if any entity was ever published from it.
    pub fn find_stream(&self, name: &str) -> Option<StreamNo> {
        self.stream_numbers.get(name).copied()
    }

    pub fn stream_name(&self, number: StreamNo) -> &str {
        self.streams.get(number.0 as usize).map_or("", String::as_str)
    }

    /// The names of all streams, in the order of their numbers.
    pub fn streams(&self) -> &[String] {
        &self.streams
    }

    /// Numbers of the buckets touched since they were last taken, and forgets that they were.
    pub fn take_dirty(&mut self) -> Vec<usize> {
        let touched = self.dirty.iter_mut().enumerate();
        touched.filter_map(|(at, flag)| std::mem::take(flag).then_some(at)).collect()
    }

    pub fn has_dirty(&self) -> bool {
        self.dirty.contains(&true)
    }

    /// The entries of one bucket.
    pub fn bucket(&self, number: usize) -> impl Iterator<Item = &Entry> {
        let slots = self.buckets.get(number).map(Vec::as_slice).unwrap_or_default();
        slots.iter().filter_map(|slot| self.entries.get(*slot as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(change_no: u64, stream: &str) -> StateRecord {
        StateRecord {
            deleted: false,
            quarantined: false,
            algorithm: 1,
            generation: 1,
            event: None,
            change_no,
            fingerprint: Fingerprint([1; 16]),
            version: None,
            batch_no: 1,
            resync: 0,
            stream: stream.into(),
        }
    }

    #[test]
    fn the_last_record_of_an_entity_counts_and_drops_the_short_cut() {
        let mut index = Index::new();
        let keys: Vec<_> =
            (0..5000).map(|n| EntityKey::of("payment", &format!("id-{n}"))).collect();
        for key in &keys {
            index.apply(*key, &record(1, "payments/a"));
        }
        index.set_short_cut(keys[7], [9; 16]);
        assert_eq!(index.get(keys[7]).unwrap().short_cut, [9; 16]);
        index.apply(keys[7], &record(2, "payments/b"));
        let entry = index.get(keys[7]).unwrap();
        assert_eq!((entry.change_no, entry.short_cut), (2, NO_SHORT_CUT));
        assert_eq!(index.stream_name(entry.stream), "payments/b");
        assert_eq!(index.len(), 5000);
        assert!(index.get(EntityKey::of("payment", "absent")).is_none());
        assert_ne!(EntityKey::of("payment", "x"), EntityKey::of("account", "x"));
        assert_eq!(EntityKey::of("a", "b"), EntityKey::of_state_key(b"a\0b"));
    }

    #[test]
    fn buckets_hold_every_entry_once_and_know_what_was_touched() {
        let mut index = Index::new();
        for n in 0..3000 {
            index.apply(EntityKey::of("payment", &n.to_string()), &record(1, "s"));
        }
        let held: usize = (0..BUCKETS).map(|number| index.bucket(number).count()).sum();
        assert_eq!(held, 3000);
        assert!(!index.take_dirty().is_empty() && !index.has_dirty());
        let key = EntityKey::of("payment", "5");
        index.set_short_cut(key, [3; 16]);
        assert_eq!(index.take_dirty(), vec![key.bucket()]);
        index.set_short_cut(key, [3; 16]);
        assert!(index.take_dirty().is_empty());
    }
}
