//! The state topic: records and markers, each with an offset of its own.
//!
//! What nobody can tell from its absence is dropped, and offsets move with it. Worlds that differ
//! only in how long they have been running are therefore the same world, and their number is
//! finite.

use std::hash::{Hash, Hasher};

use super::world::ENTITIES;

/// Records that are left at most, in these scenes.
const LOG_MAX: usize = 16;

/// No session that is still going on.
pub const NOBODY: u8 = 0;

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entry {
    /// A marker, or a record of an aborted transaction: takes an offset, is never delivered.
    #[default]
    Void,
    Session {
        /// The instance, from 1, while this is its present session.
        by: u8,
        /// For [`Flaw::InboxOffsetInBarrier`](super::rules::Flaw) alone.
        inbox: Option<u8>,
    },
    State {
        entity: u8,
        known: Known,
    },
    Manifest {
        by: u8,
        /// Next record of the inbox to judge.
        inbox: u8,
        /// Which records of the inbox this batch judged, one bit each. The program does not write
        /// that down: it is what the model checks the offset against.
        judged: u8,
    },
}

/// What is published of an entity: change number, and serial of the state it tells of.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Known {
    pub change_no: u8,
    pub serial: u8,
}

/// What the records up to some offset add up to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Fold {
    pub known: [Known; ENTITIES],
    pub inbox: u8,
}

impl Fold {
    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Void => {}
            Entry::State { entity, known } => self.known[usize::from(entity)] = known,
            Entry::Session { inbox, .. } => self.inbox = inbox.unwrap_or(self.inbox),
            Entry::Manifest { inbox, .. } => self.inbox = inbox,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Log {
    below: Fold,
    entries: [Entry; LOG_MAX],
    end: u8,
    /// Where the open transaction begins: what committed readers do not get beyond.
    open: Option<u8>,
}

impl Log {
    pub fn new(known: [Known; ENTITIES]) -> Log {
        let below = Fold { known, inbox: 0 };
        Log { below, entries: [Entry::Void; LOG_MAX], end: 0, open: None }
    }

    /// Offset of the next record.
    pub fn end(&self) -> u8 {
        self.end
    }

    /// The offset up to which committed readers read.
    pub fn stable(&self) -> u8 {
        self.open.unwrap_or(self.end)
    }

    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn push(&mut self, entry: Entry) {
        self.entries[usize::from(self.end)] = entry;
        self.end += 1;
    }

    /// Appends a record of the open transaction.
    pub fn append(&mut self, entry: Entry) {
        self.open.get_or_insert(self.end);
        self.push(entry);
    }

    /// Writes the marker of the open transaction; hands back what became readable.
    pub fn close(&mut self, commit: bool) -> impl Iterator<Item = Entry> {
        let from = usize::from(self.open.take().unwrap_or(self.end));
        let to = usize::from(self.end);
        if !commit {
            self.entries[from..to].fill(Entry::Void);
        }
        self.push(Entry::Void);
        let entries = self.entries;
        (from..to).map(move |at| entries[at])
    }

    /// The records in a stretch, with their offsets.
    pub fn read(&self, from: u8, to: u8) -> impl Iterator<Item = (u8, Entry)> {
        (from..to).map(|at| (at, self.entries[usize::from(at)]))
    }

    /// The view of who has read up to here.
    pub fn fold(&self, to: u8) -> Fold {
        let mut fold = self.below;
        for (_, entry) in self.read(0, to) {
            fold.apply(entry);
        }
        fold
    }

    /// A session is over: its records are nobody's.
    pub fn end_session(&mut self, instance: usize) {
        self.disown(instance, self.end);
    }

    /// The instances change their names.
    pub fn swap_instances(&mut self) {
        for entry in &mut self.entries[..usize::from(self.end)] {
            if let Entry::Session { by, .. } | Entry::Manifest { by, .. } = entry
                && *by != NOBODY
            {
                *by = 3 - *by;
            }
        }
    }

    /// Drops what no reader can tell from its absence: what all have read becomes part of the fold
    /// below; between two places where readers stop, only the last record of a kind counts, and
    /// voids do not. `readers` are where the instances have read to; none for one that begins anew.
    pub fn compact(&mut self, readers: &mut [Option<u8>]) {
        let stable = self.stable();
        for entry in self.entries[..usize::from(stable)].iter_mut() {
            if let Entry::Manifest { judged, .. } = entry {
                *judged = 0;
            }
        }
        for (instance, read) in (0..).zip(readers.iter()) {
            self.disown(instance, read.unwrap_or(stable));
        }
        let floor = readers.iter().flatten().copied().min().unwrap_or(stable);
        self.below = self.fold(floor);
        let (mut kept, mut places) = ([Entry::Void; LOG_MAX], [0; LOG_MAX + 1]);
        let mut count = 0;
        for at in 0..self.end {
            places[usize::from(at)] = count;
            if at >= stable || (at >= floor && !self.is_superseded(at, stable, readers)) {
                kept[usize::from(count)] = self.entries[usize::from(at)];
                count += 1;
            }
        }
        places[usize::from(self.end)] = count;
        let moved = |at: u8| places[usize::from(at)];
        readers.iter_mut().flatten().for_each(|read| *read = moved(*read));
        self.open = self.open.map(moved);
        self.entries = kept;
        self.end = count;
    }

    /// Whether every reader that is delivered this record gets a later one before it stops.
    fn is_superseded(&self, at: u8, stable: u8, readers: &[Option<u8>]) -> bool {
        let entry = self.entries[usize::from(at)];
        if entry == Entry::Void {
            // Whether the place behind an awaited record and its marker is still free must show.
            return !self.read(at.saturating_sub(2), at).any(|(_, before)| before.is_awaited());
        }
        self.read(at + 1, stable)
            .take_while(|(at, later)| !readers.contains(&Some(*at)) && !later.is_awaited())
            .any(|(_, later)| entry.gives_way_to(later))
    }

    /// Below `read`, an instance's records are no more to it than those of others.
    fn disown(&mut self, instance: usize, read: u8) {
        for entry in &mut self.entries[..usize::from(read)] {
            if let Entry::Session { by, .. } | Entry::Manifest { by, .. } = entry
                && usize::from(*by) == instance + 1
            {
                *by = NOBODY;
            }
        }
    }
}

impl Entry {
    /// Whether an instance stops reading at it.
    fn is_awaited(self) -> bool {
        matches!(self, Entry::Session { by, .. } | Entry::Manifest { by, .. } if by != NOBODY)
    }

    fn gives_way_to(self, later: Entry) -> bool {
        match (self, later) {
            (Entry::State { entity, .. }, Entry::State { entity: other, .. }) => entity == other,
            (Entry::Session { by: NOBODY, inbox: None }, Entry::Session { .. })
            | (
                Entry::Session { by: NOBODY, .. } | Entry::Manifest { by: NOBODY, .. },
                Entry::Manifest { .. } | Entry::Session { inbox: Some(_), .. },
            ) => true,
            _ => false,
        }
    }
}

impl Hash for Log {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.below.hash(state);
        self.entries[..usize::from(self.end)].hash(state);
        self.open.hash(state);
    }
}
