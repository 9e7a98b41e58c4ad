//! The state that is explored: everything that can differ between two moments.

use super::broker::Broker;
use super::log::{Known, NOBODY};
use super::rules::{Scene, Served};

pub const ENTITIES: usize = 2;
pub const INSTANCES: usize = 2;

/// What must never be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// A change number is missing, or there twice.
    Numbers,
    /// An event tells of the same or an earlier state than the one before.
    Older,
    /// Events and state differ, and no transaction is open.
    Torn,
    /// A record of the inbox was applied twice.
    AppliedTwice,
    /// An instance goes on without faults, and never publishes what the source and inbox hold.
    Lost,
}

/// Where the writer of an instance stands.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Not the owner: acquires next.
    #[default]
    Out,
    BarrierEpoch,
    BarrierSend,
    BarrierCommit,
    BarrierRead,
    /// Owner from here on, as far as it knows; no batch in commit.
    Idle,
    Epoch,
    Events,
    State,
    Commit,
    ReadBack,
}

/// A change that is not committed yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Change {
    pub known: Known,
    /// With an event, or a state record alone.
    pub event: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Batch {
    pub changes: [Option<Change>; ENTITIES],
    /// Next record of the inbox to judge.
    pub inbox: u8,
    /// The records of the inbox judged in it, one bit each.
    pub judged: u8,
}

impl Batch {
    /// The batch to build after this one.
    pub fn after(inbox: u8) -> Batch {
        Batch { inbox, ..Batch::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.judged == 0 && self.changes.iter().all(Option::is_none)
    }

    pub fn events(&self) -> impl Iterator<Item = (usize, Known)> {
        let changes = self.changes.iter().enumerate();
        changes.filter_map(|(entity, change)| {
            let change = change.as_ref().filter(|change| change.event)?;
            Some((entity, change.known))
        })
    }
}

/// One process.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instance {
    pub phase: Phase,
    /// Its producer holds the newest epoch: whatever an older one sends is refused.
    pub epoch: bool,
    /// The view is the fold of the state topic below this offset: nothing else feeds it.
    pub read: u8,
    /// Where the first record of the next batch must lie; none where it cannot lie there any more.
    pub next: Option<u8>,
    /// Bytes that were judged to carry what the view holds, by entity.
    pub short_cuts: [Served; ENTITIES],
    /// A page received and not judged yet: serials by entity, 0 for one that is not on it.
    pub page: Option<[u8; ENTITIES]>,
    pub building: Batch,
    pub in_commit: Option<Batch>,
}

impl Instance {
    pub fn is_owner(&self) -> bool {
        self.phase >= Phase::Idle
    }

    /// Whether its place in the state topic still matters.
    fn reads_on(&self) -> bool {
        self.phase != Phase::Out || self.short_cuts.iter().any(|bytes| !bytes.is_gone())
    }
}

#[derive(Clone, Copy, Hash, Debug)]
pub struct World {
    pub broker: Broker,
    pub instances: [Instance; INSTANCES],
    /// Serial of what the source holds, by entity.
    pub source: [u8; ENTITIES],
    /// Faults still to come.
    pub faults: u8,
}

impl World {
    pub fn new(scene: &Scene) -> World {
        let first = scene.scripts.map(|script| u8::from(!script.is_empty()));
        let known = first.map(|serial| Known { change_no: serial, serial });
        World {
            broker: Broker::new(if scene.begun { known } else { Default::default() }),
            instances: [Instance::default(); INSTANCES],
            source: first,
            faults: scene.faults,
        }
    }

    /// An epoch is raised; `holder` gets it. What carries an older one will be refused when it
    /// arrives, so it is forgotten here.
    pub fn raise_epoch(&mut self, holder: Option<usize>) {
        self.broker.late = None;
        for (number, instance) in self.instances.iter_mut().enumerate() {
            instance.epoch = holder == Some(number);
        }
    }

    /// The first violation to be seen in this state alone.
    pub fn violation(&self, scene: &Scene) -> Option<Violation> {
        let broker = &self.broker;
        if broker.violation.is_some() {
            return broker.violation;
        }
        let state = broker.log.fold(broker.log.stable());
        let agree = (0..ENTITIES).all(|entity| {
            let (event, state) = (broker.published[entity], state.known[entity]);
            let content = |known: Known| scene.served(entity, known.serial).content;
            event.change_no == state.change_no && content(event) == content(state)
        });
        (broker.is_calm() && !agree).then_some(Violation::Torn)
    }

    /// Whether everything is published and applied.
    pub fn is_settled(&self, scene: &Scene) -> bool {
        let broker = &self.broker;
        let published = (0..ENTITIES).all(|entity| {
            let content = |serial| scene.served(entity, serial).content;
            content(broker.published[entity].serial) == content(self.source[entity])
        });
        published && broker.inbox.is_applied()
    }

    /// The same world as far as any later step can tell, in fewer records.
    pub fn compact(&mut self) {
        let log = &mut self.broker.log;
        let end = log.end();
        let mut readers =
            self.instances.map(|instance| instance.reads_on().then_some(instance.read));
        log.compact(&mut readers);
        for (instance, read) in self.instances.iter_mut().zip(readers) {
            instance.read = read.unwrap_or(0);
            // A place that somebody wrote to is never the end again.
            let next = instance.next.filter(|next| *next >= end);
            instance.next = next.map(|next| next - end + log.end());
        }
    }

    /// The same world with the instances' names changed.
    pub fn swapped(&self) -> World {
        let mut world = *self;
        world.instances.swap(0, 1);
        world.broker.log.swap_instances();
        world
    }
}

/// A session's mark in the log.
pub fn mark(instance: usize) -> u8 {
    u8::try_from(instance + 1).unwrap_or(NOBODY)
}
