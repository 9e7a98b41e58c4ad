//! The local store: the view of the state topic, kept over restarts.
//!
//! A cache and nothing else. It may be deleted at any moment, is never ahead of the topic, and is
//! believed only if cluster, genesis, offsets, count and checksum all fit; at any doubt it is wiped
//! and the view is rebuilt from Kafka. It is written behind, in small batches, because sled 0.34
//! needs gigabytes for large ones.

mod disk;
mod layout;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use uuid::Uuid;

use crate::state::View;

/// Why a store cannot be used at all. Doubts about its content are no errors: see [`Doubt`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the store folder {} cannot be written", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the store folder {} is in use by another process", path.display())]
    InUse { path: PathBuf },
    #[error("the store at {} cannot be opened, even when empty", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: Box<sled::Error>,
    },
}

impl Error {
    /// What an operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::Unwritable { .. } => {
                "set store.path to a folder that this user may write; it may be empty"
            }
            Error::InUse { .. } => "stop the other process, or give this one its own store.path",
            Error::Unusable { .. } => "check the disk; the folder may be deleted at any time",
        }
    }
}

/// Why the content of a store was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    #[error("the store is empty")]
    Empty,
    #[error("the store was damaged")]
    Damaged,
    #[error("the store belongs to another Kafka cluster or workspace")]
    Foreign,
    /// Entries tell no format, and the topic must not be taken for one that this release can read.
    #[error("the store was filled from records of a format that this release does not read")]
    NewerFormat,
    #[error("the store ends outside the state topic")]
    OutOfRange,
    #[error("the store's checksum does not fit")]
    Checksum,
}

/// What the store must fit to be believed.
#[derive(Debug, Clone)]
pub struct Expected {
    pub cluster_id: String,
    pub genesis: Uuid,
    /// First and next offset of the state topic.
    pub offsets: (i64, i64),
}

/// Part of a view to be written.
pub struct Snapshot {
    pub(crate) buckets: Vec<(usize, Vec<u8>)>,
    pub(crate) controls: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) streams: Vec<String>,
    pub(crate) entries: u64,
    pub(crate) next_offset: i64,
    pub(crate) newest_format: u8,
}

impl Snapshot {
    /// Everything touched since the last snapshot of this view.
    pub fn take(view: &mut View) -> Snapshot {
        let dirty = view.index.take_dirty();
        let buckets = dirty
            .into_iter()
            .map(|at| (at, layout::encode_bucket(view.index.bucket(at))))
            .collect();
        Snapshot {
            buckets,
            controls: view.take_dirty_controls(),
            streams: view.index.streams().to_vec(),
            entries: view.index.len() as u64,
            next_offset: view.next_offset,
            newest_format: view.newest_format,
        }
    }

    /// Whether writing it is worth the while.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.controls.is_empty()
    }
}

/// A store that is open and locked. Dropping it flushes and releases it.
pub struct Store {
    disk: disk::Disk,
}

impl Store {
    /// Opens the folder, creating it where it is missing. A store that sled cannot open is wiped.
    pub fn open(path: &Path) -> Result<Store, Error> {
        Ok(Store { disk: disk::Disk::open(path)? })
    }

    /// The view as kept, or why it is not believed. After a doubt the store is empty.
    pub fn load(&mut self, expected: &Expected) -> Result<View, Doubt> {
        self.disk.load(expected).inspect_err(|_| self.disk.wipe(expected))
    }

    /// Seed of the short cuts kept here: another store's mean nothing.
    pub fn seed(&self) -> u64 {
        self.disk.seed()
    }

    /// Hands the store to a thread of its own that writes snapshots behind.
    pub fn write_behind(self) -> Result<WriteBehind, Error> {
        let (queue, snapshots): (SyncSender<Snapshot>, Receiver<Snapshot>) = sync_channel(1);
        let seed = self.seed();
        let path = self.disk.path().to_owned();
        let busy = Arc::new(AtomicBool::new(false));
        let mut disk = self.disk;
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn({
                let busy = Arc::clone(&busy);
                move || {
                    for snapshot in snapshots {
                        if let Err(error) = disk.write(&snapshot) {
                            // A cache is lost, nothing else: the next start rebuilds it.
                            let hint = "check the disk; the next start rebuilds the store from Kafka";
                            tracing::warn!(%error, hint, "the local store cannot be written: going on without");
                            return disk.give_up();
                        }
                        busy.store(false, Ordering::Release);
                    }
                    disk.flush();
                }
            })
            .map_err(|source| Error::Unwritable { path, source })?;
        Ok(WriteBehind { queue: Some(queue), thread: Some(thread), busy, seed })
    }
}

/// The writing side of a store. Dropping it writes what is queued, and ends.
pub struct WriteBehind {
    queue: Option<SyncSender<Snapshot>>,
    thread: Option<JoinHandle<()>>,
    /// A snapshot is queued or being written; stays set when the store was given up.
    busy: Arc<AtomicBool>,
    seed: u64,
}

impl WriteBehind {
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Queues what was touched, unless the previous snapshot is still being written: then it stays
    /// touched, and a later call takes it along.
    pub fn offer(&self, view: &mut View) {
        let Some(queue) = &self.queue else { return };
        if self.busy.load(Ordering::Acquire) {
            return;
        }
        let snapshot = Snapshot::take(view);
        if !snapshot.is_empty() {
            self.busy.store(true, Ordering::Release);
            let _ = queue.send(snapshot);
        }
    }

    /// Queues everything touched, waiting for room: for a stop.
    pub fn finish(self, view: &mut View) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(Snapshot::take(view));
        }
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Fingerprint;
    use crate::state::format::formats;
    use crate::state::view::Read;
    use crate::state::{Control, EntityKey, StateRecord, record};

    fn expected() -> Expected {
        Expected { cluster_id: "c".into(), genesis: Uuid::from_u128(1), offsets: (0, 1 << 40) }
    }

    fn filled(count: usize) -> View {
        let mut view = View::default();
        let organization = Control::Organization("org".into());
        let mut apply = |offset, key, value| {
            view.apply(&Read { offset, key, value: Some(value) }).unwrap();
        };
        apply(0, organization.key(), organization.value());
        for n in 0..count {
            let state = StateRecord {
                deleted: n % 7 == 0,
                quarantined: false,
                algorithm: 1,
                generation: 1,
                event: Some(record::EventLocation { partition: 3, offset: n as i64 }),
                change_no: 1,
                fingerprint: Fingerprint([n as u8; 16]),
                version: (n % 2 == 0).then_some(n as i64),
                batch_no: 1,
                resync: 0,
                stream: format!("payments/{}", n % 3),
            };
            apply(n as i64 + 1, record::key("payment", &n.to_string()), state.encode());
        }
        view
    }

    fn save(path: &Path, view: &mut View) -> u64 {
        let mut store = Store::open(path).unwrap();
        let _ = store.load(&expected());
        let seed = store.seed();
        store.write_behind().unwrap().finish(view);
        seed
    }

    #[track_caller]
    fn check_doubt(path: &Path, expected: &Expected, doubt: Doubt) {
        let mut store = Store::open(path).unwrap();
        assert_eq!(store.load(expected).err(), Some(doubt));
        assert_eq!(store.load(expected).err(), Some(Doubt::Empty), "it was not wiped");
    }

    #[test]
    fn a_view_survives_a_restart_with_its_short_cuts() {
        let folder = tempfile::tempdir().unwrap();
        let mut view = filled(5000);
        let key = EntityKey::of("payment", "8");
        view.index.set_short_cut(key, [4; 16]);
        let seed = save(folder.path(), &mut view);
        let mut store = Store::open(folder.path()).unwrap();
        let loaded = store.load(&expected()).unwrap();
        assert_eq!(store.seed(), seed);
        assert_eq!(loaded.index.len(), 5000);
        assert_eq!(loaded.next_offset, view.next_offset);
        assert_eq!((loaded.newest_format, view.newest_format), (1, 1));
        assert_eq!(loaded.organization.as_deref(), Some("org"));
        for entry in view.index.iter() {
            let kept = loaded.index.get(entry.key).unwrap();
            assert_eq!(kept, entry);
            assert_eq!(loaded.index.stream_name(kept.stream), view.index.stream_name(entry.stream));
        }
    }

    #[test]
    fn what_does_not_fit_is_wiped() {
        let folder = tempfile::tempdir().unwrap();
        let others = [
            (Expected { cluster_id: "d".into(), ..expected() }, Doubt::Foreign),
            (Expected { genesis: Uuid::from_u128(2), ..expected() }, Doubt::Foreign),
            (Expected { offsets: (0, 20), ..expected() }, Doubt::OutOfRange),
            (Expected { offsets: (5000, 6000), ..expected() }, Doubt::OutOfRange),
        ];
        for (other, doubt) in others {
            save(folder.path(), &mut filled(100));
            check_doubt(folder.path(), &other, doubt);
        }
    }

    #[test]
    fn what_was_read_from_a_newer_format_is_wiped() {
        let folder = tempfile::tempdir().unwrap();
        let mut view = filled(10);
        view.newest_format = formats().newest.number() + 1;
        save(folder.path(), &mut view);
        check_doubt(folder.path(), &expected(), Doubt::NewerFormat);
    }

    #[test]
    fn changed_and_missing_values_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let tamper: [&dyn Fn(&sled::Db); 3] = [
            &|db| {
                let (key, mut value) = first_bucket(db);
                value[20] ^= 1;
                db.insert(key, value).unwrap();
            },
            &|db| {
                db.remove(first_bucket(db).0).unwrap();
            },
            &|db| {
                db.insert(b"zzz", b"").unwrap();
            },
        ];
        let doubts = [Doubt::Checksum, Doubt::Checksum, Doubt::Damaged];
        for (tamper, doubt) in tamper.into_iter().zip(doubts) {
            save(folder.path(), &mut filled(300));
            let db = disk::open_sled(&folder.path().join("index")).unwrap();
            tamper(&db);
            drop(db);
            check_doubt(folder.path(), &expected(), doubt);
        }
    }

    fn first_bucket(db: &sled::Db) -> (Vec<u8>, Vec<u8>) {
        let pair = db.scan_prefix(b"b").next().unwrap().unwrap();
        (pair.0.to_vec(), pair.1.to_vec())
    }

    #[test]
    fn files_that_sled_cannot_read_are_wiped() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &mut filled(2000));
        for file in ["db", "conf"] {
            let file = folder.path().join("index").join(file);
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes.truncate(middle);
            bytes.iter_mut().step_by(13).for_each(|byte| *byte ^= 0x5a);
            std::fs::write(&file, bytes).unwrap();
        }
        let mut store = Store::open(folder.path()).unwrap();
        assert!(store.load(&expected()).is_err());
        drop(store);
        save(folder.path(), &mut filled(10));
        assert_eq!(Store::open(folder.path()).unwrap().load(&expected()).unwrap().index.len(), 10);
    }

    #[test]
    fn a_folder_in_use_or_unwritable_is_an_error_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &mut filled(10));
        let open = Store::open(folder.path()).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(Error::InUse { .. })));
        drop(open);
        assert_eq!(Store::open(folder.path()).unwrap().load(&expected()).unwrap().index.len(), 10);
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(matches!(Store::open(&file.join("store")), Err(Error::Unwritable { .. })));
    }
}
