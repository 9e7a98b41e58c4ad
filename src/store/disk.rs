//! sled, and the rules for believing what it holds.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::layout::{self, Checkpoint, LAYOUT};
use super::{Doubt, Error, Expected, Snapshot};
use crate::crash::{self, Point};
use crate::entropy;
use crate::state::View;
use crate::state::format::formats;

/// Memory that sled may use for pages.
const CACHE_BYTES: u64 = 32 << 20;
/// Buckets per `apply_batch`: sled's memory grows with the size of a batch, not with the store.
const BUCKETS_PER_BATCH: usize = 100;
/// sled's own lock outlives its handle for a moment.
const OPEN_ATTEMPTS: u32 = 5;
const LOCK_FILE: &str = "lock";
const FOLDER: &str = "index";
const CHECKPOINT: &[u8] = b"checkpoint";
const BUCKET: u8 = b'b';
const CONTROL: u8 = b'c';

pub struct Disk {
    path: PathBuf,
    /// Held for as long as the store is open; the kernel lets go of it when the process dies.
    _lock: File,
    db: Option<sled::Db>,
    /// Hash of each value on disk, by key: lets the sum follow a change without reading.
    hashes: HashMap<Vec<u8>, u128>,
    sum: u128,
    identity: Identity,
    /// What the checkpoint said, or the last complete snapshot.
    next_offset: i64,
    /// As `next_offset`.
    newest_format: u8,
}

struct Identity {
    cluster_id: String,
    genesis: Uuid,
    seed: u64,
}

impl Disk {
    pub fn open(path: &Path) -> Result<Disk, Error> {
        let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(unwritable)?;
        let lock = File::create(path.join(LOCK_FILE)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        let folder = path.join(FOLDER);
        let db = match open_sled(&folder) {
            Ok(db) => db,
            Err(_) => {
                let hint = "nothing to do: it is rebuilt from Kafka";
                tracing::warn!(
                    hint,
                    "the local store cannot be opened: starting with an empty one"
                );
                remove(&folder);
                open_sled(&folder).map_err(|source| Error::Unusable {
                    path: path.to_owned(),
                    source: Box::new(source),
                })?
            }
        };
        Ok(Disk {
            path: path.to_owned(),
            _lock: lock,
            db: Some(db),
            hashes: HashMap::new(),
            sum: 0,
            identity: Identity {
                cluster_id: String::new(),
                genesis: Uuid::nil(),
                seed: entropy::seed(),
            },
            next_offset: 0,
            newest_format: 0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn seed(&self) -> u64 {
        self.identity.seed
    }

    /// Reads and checks everything. See [`super::Store::load`].
    pub fn load(&mut self, expected: &Expected) -> Result<View, Doubt> {
        // sled 0.34 panics on some damaged files.
        let read = catch_unwind(AssertUnwindSafe(|| self.read(expected)));
        let (view, hashes, checkpoint) = read.unwrap_or(Err(Doubt::Damaged))?;
        self.sum = hashes.values().fold(0, |sum, hash| sum.wrapping_add(*hash));
        self.hashes = hashes;
        self.next_offset = checkpoint.next_offset;
        self.newest_format = checkpoint.format;
        self.identity = Identity {
            cluster_id: checkpoint.cluster_id,
            genesis: checkpoint.genesis,
            seed: checkpoint.seed,
        };
        Ok(view)
    }

    #[expect(clippy::type_complexity, reason = "private, used once")]
    fn read(
        &self,
        expected: &Expected,
    ) -> Result<(View, HashMap<Vec<u8>, u128>, Checkpoint), Doubt> {
        let db = self.db.as_ref().ok_or(Doubt::Empty)?;
        let found = db.get(CHECKPOINT).map_err(|_| Doubt::Damaged)?.ok_or(Doubt::Empty)?;
        let checkpoint: Checkpoint = serde_json::from_slice(&found).map_err(|_| Doubt::Damaged)?;
        if checkpoint.layout != LAYOUT
            || checkpoint.cluster_id != expected.cluster_id
            || checkpoint.genesis != expected.genesis
        {
            return Err(Doubt::Foreign);
        }
        if checkpoint.format > formats().newest.number() {
            return Err(Doubt::NewerFormat);
        }
        let (first, next) = expected.offsets;
        if checkpoint.next_offset < first || checkpoint.next_offset > next {
            return Err(Doubt::OutOfRange);
        }
        let mut view = View::default();
        for name in &checkpoint.streams {
            view.index.stream_no(name);
        }
        let mut hashes = HashMap::new();
        for pair in db.iter() {
            let (key, value) = pair.map_err(|_| Doubt::Damaged)?;
            match key.split_first() {
                _ if key == CHECKPOINT => continue,
                Some((&BUCKET, _)) => {
                    for entry in layout::decode_bucket(&value).ok_or(Doubt::Damaged)? {
                        view.index.insert(entry);
                    }
                }
                Some((&CONTROL, name)) => {
                    view.restore_control(name, &value).map_err(|_| Doubt::Damaged)?;
                }
                _ => return Err(Doubt::Damaged),
            }
            hashes.insert(key.to_vec(), hash(&key, &value));
        }
        let sum = hashes.values().fold(0u128, |sum, hash| sum.wrapping_add(*hash));
        if format!("{sum:032x}") != checkpoint.sum || view.index.len() as u64 != checkpoint.entries
        {
            return Err(Doubt::Checksum);
        }
        view.next_offset = checkpoint.next_offset;
        view.newest_format = checkpoint.format;
        view.index.take_dirty();
        view.take_dirty_controls();
        Ok((view, hashes, checkpoint))
    }

    /// Empties the store, for this cluster and workspace.
    pub fn wipe(&mut self, expected: &Expected) {
        drop(self.db.take());
        let folder = self.path.join(FOLDER);
        remove(&folder);
        self.db = open_sled(&folder).ok();
        self.hashes.clear();
        self.sum = 0;
        self.next_offset = 0;
        self.newest_format = 0;
        self.identity = Identity {
            cluster_id: expected.cluster_id.clone(),
            genesis: expected.genesis,
            seed: entropy::seed(),
        };
    }

    /// Writes a snapshot in small batches, each with a checkpoint that fits the store as it is
    /// then. The offset moves with the last one: records applied again change nothing.
    pub fn write(&mut self, snapshot: &Snapshot) -> Result<(), sled::Error> {
        let Some(db) = self.db.clone() else { return Ok(()) };
        // With the first chunk already: it may hold what was read in that format.
        self.newest_format = self.newest_format.max(snapshot.newest_format);
        let mut pairs: Vec<(Vec<u8>, &[u8])> = Vec::new();
        for (number, bytes) in &snapshot.buckets {
            let number = u16::try_from(*number).unwrap_or(u16::MAX).to_be_bytes();
            pairs.push((vec![BUCKET, number[0], number[1]], bytes));
        }
        for (key, value) in &snapshot.controls {
            pairs.push(([&[CONTROL], key.as_slice()].concat(), value));
        }
        let mut entries_on_disk = None;
        let chunks = pairs.chunks(BUCKETS_PER_BATCH);
        let last = chunks.len().saturating_sub(1);
        for (number, chunk) in chunks.enumerate() {
            let mut batch = sled::Batch::default();
            for (key, value) in chunk {
                let new = hash(key, value);
                let old = self.hashes.insert(key.clone(), new).unwrap_or(0);
                self.sum = self.sum.wrapping_sub(old).wrapping_add(new);
                batch.insert(key.as_slice(), *value);
            }
            if number == last {
                self.next_offset = snapshot.next_offset;
                entries_on_disk = Some(snapshot.entries);
            }
            let checkpoint = Checkpoint {
                layout: LAYOUT,
                cluster_id: self.identity.cluster_id.clone(),
                genesis: self.identity.genesis,
                next_offset: self.next_offset,
                format: self.newest_format,
                // Between the first and the last chunk the count is unknown: a store that a crash
                // leaves there is not believed.
                entries: entries_on_disk.unwrap_or(u64::MAX),
                sum: format!("{:032x}", self.sum),
                seed: self.identity.seed,
                streams: snapshot.streams.clone(),
            };
            batch.insert(CHECKPOINT, serde_json::to_vec(&checkpoint).unwrap_or_default());
            crash::point(Point::S);
            db.apply_batch(batch)?;
        }
        crash::point(Point::T);
        Ok(())
    }

    /// Removes what may be half written.
    pub fn give_up(&mut self) {
        drop(self.db.take());
        remove(&self.path.join(FOLDER));
    }

    pub fn flush(&self) {
        if let Some(db) = &self.db
            && let Err(error) = db.flush()
        {
            tracing::warn!(%error, "the local store could not be flushed");
        }
        crash::point(Point::U);
    }
}

fn hash(key: &[u8], value: &[u8]) -> u128 {
    xxh3_128(key).rotate_left(64) ^ xxh3_128(value)
}

fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "the local store could not be removed"),
    }
}

/// Opens sled, waiting for a lock that lingers.
pub(super) fn open_sled(folder: &Path) -> Result<sled::Db, sled::Error> {
    let config = || sled::Config::new().path(folder).cache_capacity(CACHE_BYTES);
    let mut outcome = Err(sled::Error::Unsupported(String::new()));
    for _ in 0..OPEN_ATTEMPTS {
        let opened = catch_unwind(AssertUnwindSafe(|| config().open()));
        outcome = opened.unwrap_or(Err(sled::Error::Unsupported("sled panicked".into())));
        match &outcome {
            Err(sled::Error::Io(_)) => std::thread::park_timeout(OPEN_PAUSE),
            _ => break,
        }
    }
    outcome
}

const OPEN_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
