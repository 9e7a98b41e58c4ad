//! The batch being built, and what is still in commit: the overlay over the committed view.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Dropped, Published};
use crate::publish::{Batch, Event, Write};
use crate::state::{Control, EntityKey, StateRecord};

/// A batch is closed at this many changes …
pub const CHANGES_MAX: usize = 10_000;
/// … or this many bytes of events …
pub const BYTES_MAX: usize = 8 << 20;
/// … or this long after its first change, so that nobody waits for a slow listing to end.
pub const AGE_MAX: Duration = Duration::from_secs(1);

/// A change of one entity that is not committed yet.
#[derive(Debug)]
pub struct Pending {
    pub state_key: Vec<u8>,
    pub record: StateRecord,
    /// None for a state-only record.
    pub event: Option<Event>,
}

/// Told when everything it waits for is committed, or dropped.
pub type Waiter = oneshot::Sender<Result<Published, Dropped>>;

/// See the module.
pub struct Building {
    batch_no: u64,
    slots: HashMap<EntityKey, usize>,
    /// `None`: a change that was taken back before it was committed.
    pending: Vec<Option<(EntityKey, Pending)>>,
    controls: Vec<Control>,
    /// Dead letters: events without an entity's state record.
    letters: Vec<Event>,
    bytes: usize,
    started: Option<Instant>,
    waiters: Vec<(Waiter, Published)>,
}

/// A closed batch while the writer has it.
pub struct InCommit {
    pub batch_no: u64,
    pub events: usize,
    known: HashMap<EntityKey, StateRecord>,
    waiters: Vec<(Waiter, Published)>,
}

impl Building {
    pub fn new(batch_no: u64) -> Building {
        Building {
            batch_no,
            slots: HashMap::new(),
            pending: Vec::new(),
            controls: Vec::new(),
            letters: Vec::new(),
            bytes: 0,
            started: None,
            waiters: Vec::new(),
        }
    }

    pub fn batch_no(&self) -> u64 {
        self.batch_no
    }

    pub fn get(&self, key: EntityKey) -> Option<&StateRecord> {
        let slot = *self.slots.get(&key)?;
        Some(&self.pending.get(slot)?.as_ref()?.1.record)
    }

    /// Puts a change in; a change of the same entity that is not committed yet gives way to it.
    pub fn put(&mut self, key: EntityKey, pending: Pending) {
        self.remove(key);
        self.started.get_or_insert_with(Instant::now);
        self.bytes += pending.event.as_ref().map_or(0, |event| event.value.len());
        self.slots.insert(key, self.pending.len());
        self.pending.push(Some((key, pending)));
    }

    /// Takes a change back.
    pub fn remove(&mut self, key: EntityKey) {
        if let Some(slot) = self.slots.remove(&key)
            && let Some((_, old)) = self.pending.get_mut(slot).and_then(Option::take)
        {
            self.bytes -= old.event.as_ref().map_or(0, |event| event.value.len());
        }
    }

    pub fn push_control(&mut self, control: Control) {
        self.started.get_or_insert_with(Instant::now);
        self.controls.push(control);
    }

    /// Puts a dead letter in, with the record that it was published.
    pub fn push_letter(&mut self, letter: Event, control: Control) {
        self.bytes += letter.value.len();
        self.letters.push(letter);
        self.push_control(control);
    }

    pub fn wait(&mut self, waiter: Waiter, published: Published) {
        self.waiters.push((waiter, published));
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.controls.is_empty()
    }

    /// No more changes may be put in before it is closed.
    pub fn is_full(&self) -> bool {
        self.slots.len() + self.controls.len() >= CHANGES_MAX || self.bytes >= BYTES_MAX
    }

    /// Whether it is time to commit: full, old enough, or somebody waits for it.
    pub fn is_due(&self) -> bool {
        if self.is_empty() {
            return false;
        }
        let aged = self.started.is_some_and(|started| started.elapsed() >= AGE_MAX);
        self.is_full() || aged || !self.waiters.is_empty()
    }

    /// Those who wait for a batch that has become empty: all its changes were taken back.
    pub fn take_waiters_of_nothing(&mut self) -> Vec<(Waiter, Published)> {
        if self.is_empty() { std::mem::take(&mut self.waiters) } else { Vec::new() }
    }

    /// Closes the batch. Facts learnt go first, as the changes may rest on them.
    pub fn close(self) -> (Batch, InCommit) {
        let mut events = Vec::with_capacity(self.slots.len());
        let mut writes: Vec<Write> = self.controls.into_iter().map(Write::Control).collect();
        let mut known = HashMap::with_capacity(self.slots.len());
        for (key, pending) in self.pending.into_iter().flatten() {
            known.insert(key, pending.record.clone());
            let event = pending.event.map(|event| {
                events.push(event);
                events.len() - 1
            });
            writes.push(Write::Entity { key: pending.state_key, record: pending.record, event });
        }
        events.extend(self.letters);
        let in_commit = InCommit {
            batch_no: self.batch_no,
            events: events.len(),
            known,
            waiters: self.waiters,
        };
        (Batch { batch_no: self.batch_no, events, writes }, in_commit)
    }

    /// Everything that was built is dropped.
    pub fn fail(self) {
        fail(self.waiters);
    }
}

impl InCommit {
    pub fn get(&self, key: EntityKey) -> Option<&StateRecord> {
        self.known.get(&key)
    }

    pub fn wait(&mut self, waiter: Waiter, published: Published) {
        self.waiters.push((waiter, published));
    }

    /// The batch came back from the log.
    pub fn succeed(self) {
        for (waiter, published) in self.waiters {
            // Nobody waits any more: fine.
            let _ = waiter.send(Ok(published));
        }
    }

    pub fn fail(self) {
        fail(self.waiters);
    }
}

fn fail(waiters: Vec<(Waiter, Published)>) {
    for (waiter, _) in waiters {
        let _ = waiter.send(Err(Dropped));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Fingerprint;
    use crate::state::record;

    fn pending(id: &str, change_no: u64) -> (EntityKey, Pending) {
        let record = StateRecord {
            deleted: false,
            quarantined: false,
            algorithm: 1,
            generation: 1,
            event: None,
            change_no,
            fingerprint: Fingerprint([0; 16]),
            version: None,
            batch_no: 1,
            resync: 0,
            stream: "s".into(),
        };
        let state_key = record::key("payment", id);
        (EntityKey::of("payment", id), Pending { state_key, record, event: None })
    }

    #[test]
    fn a_later_change_of_an_entity_takes_the_place_of_the_earlier() {
        let mut building = Building::new(7);
        for (id, change_no) in [("a", 1), ("b", 1), ("a", 2), ("c", 1)] {
            let (key, pending) = pending(id, change_no);
            building.put(key, pending);
        }
        building.remove(EntityKey::of("payment", "c"));
        let known = building.get(EntityKey::of("payment", "a")).unwrap().change_no;
        assert_eq!(known, 2);
        assert!(building.get(EntityKey::of("payment", "c")).is_none());
        let (batch, in_commit) = building.close();
        assert_eq!((batch.batch_no, batch.writes.len()), (7, 2));
        assert!(in_commit.get(EntityKey::of("payment", "b")).is_some());
    }

    #[test]
    fn waiters_hear_what_became_of_the_batch() {
        let listen = |building: &mut Building| {
            let (sender, receiver) = oneshot::channel();
            building.wait(sender, Published::default());
            receiver
        };
        let mut building = Building::new(1);
        let mut kept = listen(&mut building);
        building.push_control(Control::Organization("o".into()));
        assert!(building.is_due());
        building.close().1.succeed();
        assert!(kept.try_recv().unwrap().is_ok());
        let mut building = Building::new(2);
        let mut dropped = listen(&mut building);
        building.fail();
        assert!(dropped.try_recv().unwrap().is_err());
    }
}
