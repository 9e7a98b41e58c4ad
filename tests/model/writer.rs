//! The writer's steps: acquire a workspace, commit a batch, read it back.

use super::broker::{Request, Txn};
use super::log::{Entry, Log};
use super::next::Model;
use super::rules::{Flaw, Served};
use super::world::{Batch, Phase, World, mark};

impl Model {
    /// The next step of an instance's writer, without faults. `None`: it waits.
    pub fn advance(&self, world: &mut World, who: usize) -> Option<&'static str> {
        let phase = world.instances[who].phase;
        match phase {
            Phase::Out => Some(self.catch_up(world, who)),
            Phase::BarrierEpoch | Phase::Epoch => self.take_epoch(world, who),
            Phase::BarrierRead => self.read_to_barrier(world, who),
            Phase::Idle => self.hear(world, who),
            Phase::ReadBack => self.read_back(world, who),
            Phase::BarrierSend
            | Phase::BarrierCommit
            | Phase::Events
            | Phase::State
            | Phase::Commit => self.send(world, who),
        }
    }

    fn catch_up(&self, world: &mut World, who: usize) -> &'static str {
        let end = world.broker.log.stable();
        self.apply(world, who, end);
        world.instances[who].phase = Phase::BarrierEpoch;
        "catches up with the log"
    }

    /// The view takes in what was read. Each state record drops the short cut of its entity: the
    /// bytes were compared with what it replaces.
    fn apply(&self, world: &mut World, who: usize, to: u8) {
        let instance = &mut world.instances[who];
        let kept = self.has(Flaw::ShortCutKept) && !instance.is_owner();
        for (_, entry) in world.broker.log.read(instance.read, to) {
            if let Entry::State { entity, .. } = entry
                && !kept
            {
                instance.short_cuts[usize::from(entity)] = Served::default();
            }
        }
        instance.read = to;
    }

    fn take_epoch(&self, world: &mut World, who: usize) -> Option<&'static str> {
        match world.broker.txn {
            // The coordinator says: try again.
            Txn::Prepared { .. } => None,
            Txn::Open => {
                world.raise_epoch(None);
                world.broker.decide(false);
                Some("wants an epoch: the open transaction is aborted")
            }
            Txn::Empty => {
                world.raise_epoch(Some(who));
                let end = world.broker.log.end();
                let instance = &mut world.instances[who];
                match (instance.phase, instance.in_commit) {
                    (Phase::Epoch, Some(batch)) => instance.phase = first(&batch),
                    _ if self.has(Flaw::NoBarrier) => self.begin(world, who, end),
                    _ => instance.phase = Phase::BarrierSend,
                }
                Some("gets an epoch")
            }
        }
    }

    /// What an instance sends in its phase.
    pub fn request(&self, world: &World, who: usize) -> Option<Request> {
        let instance = &world.instances[who];
        let by = mark(who);
        match (instance.phase, instance.in_commit) {
            (Phase::BarrierSend, _) => {
                let inbox = world.broker.log.fold(instance.read).inbox;
                let inbox = self.has(Flaw::InboxOffsetInBarrier).then_some(inbox);
                Some(Request::Session { by, inbox })
            }
            (Phase::Events, Some(batch)) => Some(Request::Events(batch)),
            (Phase::State, Some(mut batch)) => {
                if self.has(Flaw::InboxOffsetAhead) {
                    batch.inbox = world.broker.inbox.end();
                }
                Some(Request::State { batch, by })
            }
            (Phase::BarrierCommit | Phase::Commit, _) => Some(Request::Commit),
            _ => None,
        }
    }

    fn send(&self, world: &mut World, who: usize) -> Option<&'static str> {
        let request = self.request(world, who)?;
        if !world.instances[who].epoch {
            self.lose(world, who);
            return Some("is fenced");
        }
        let end = world.broker.log.end();
        if world.broker.is_prepared() && request != Request::Commit {
            return None;
        }
        world.broker.take(request);
        let instance = &mut world.instances[who];
        let (next, what) = match instance.phase {
            Phase::BarrierSend => (Phase::BarrierCommit, "sends its session record"),
            Phase::BarrierCommit => (Phase::BarrierRead, "commits its session record"),
            Phase::Events => (Phase::State, "sends the events"),
            Phase::Commit => (Phase::ReadBack, "commits the batch"),
            // Right behind our last record lies its marker; a broker without markers puts the
            // record directly behind. This one always writes them.
            _ if instance.next == Some(end) || instance.next == Some(end + 1) => {
                (Phase::Commit, "sends state and manifest")
            }
            _ if self.has(Flaw::NoOffsetCheck) => (Phase::Commit, "sends state, elsewhere"),
            _ => {
                self.lose(world, who);
                return Some("sends state, and sees that somebody wrote before");
            }
        };
        instance.phase = next;
        Some(what)
    }

    fn read_to_barrier(&self, world: &mut World, who: usize) -> Option<&'static str> {
        let is_ours = |entry| matches!(entry, Entry::Session { by, .. } if by == mark(who));
        let log = &world.broker.log;
        let ours =
            log.read(world.instances[who].read, log.stable()).find(|(_, entry)| is_ours(*entry));
        if let Some((at, _)) = ours {
            self.apply(world, who, at + 1);
            self.begin(world, who, at + 2);
            return Some("reads to its session record, owns the workspace");
        }
        self.give_up(world, who, "does not find its session record")
    }

    /// The view is complete: a session begins.
    fn begin(&self, world: &mut World, who: usize, next: u8) {
        let inbox = world.broker.log.fold(world.instances[who].read).inbox;
        let instance = &mut world.instances[who];
        instance.phase = Phase::Idle;
        instance.next = Some(next);
        if !self.has(Flaw::OverlayKept) {
            instance.building = Batch::after(inbox);
        }
    }

    /// The batch built so far goes to the writer.
    pub fn start_commit(&self, world: &mut World, who: usize) -> Option<&'static str> {
        let instance = &mut world.instances[who];
        let batch = instance.building;
        if instance.phase != Phase::Idle || batch.is_empty() {
            return None;
        }
        instance.building = Batch::after(batch.inbox);
        instance.in_commit = Some(batch);
        if self.has(Flaw::SessionLongEpoch) {
            instance.phase = first(&batch);
            return self.send(world, who);
        }
        instance.epoch = false;
        instance.phase = Phase::Epoch;
        self.take_epoch(world, who)
    }

    fn read_back(&self, world: &mut World, who: usize) -> Option<&'static str> {
        let read = world.instances[who].read;
        match owner_after(&world.broker.log, read) {
            Some((at, Entry::Manifest { by, .. })) if by == mark(who) => {
                self.apply(world, who, at + 1);
                let instance = &mut world.instances[who];
                instance.next = Some(at + 2);
                instance.in_commit = None;
                instance.phase = Phase::Idle;
                Some("reads its batch back")
            }
            Some(_) => {
                self.lose(world, who);
                Some("reads that another one took over")
            }
            None => self.give_up(world, who, "does not find its batch"),
        }
    }

    /// Sooner or later an owner that has nothing to write hears that it is not the owner any more:
    /// the group of consumers tells it. Until then its view may be old, and that does no harm.
    fn hear(&self, world: &mut World, who: usize) -> Option<&'static str> {
        owner_after(&world.broker.log, world.instances[who].read)?;
        if self.has(Flaw::OwnerNotTold) {
            return None;
        }
        self.lose(world, who);
        Some("hears that another one took over")
    }

    /// After a wait in vain; but what is decided comes.
    fn give_up(&self, world: &mut World, who: usize, what: &'static str) -> Option<&'static str> {
        if world.broker.is_prepared() && world.broker.log.is_open() {
            return None;
        }
        self.lose(world, who);
        Some(what)
    }

    /// Whatever went wrong: the producer and all that was diffed are dropped; view and short cuts
    /// stay.
    pub fn lose(&self, world: &mut World, who: usize) {
        world.broker.log.end_session(who);
        let instance = &mut world.instances[who];
        instance.phase = Phase::Out;
        instance.epoch = false;
        instance.next = None;
        if !self.has(Flaw::PolledDataReused) {
            instance.page = None;
        }
        if !self.has(Flaw::OverlayKept) {
            instance.building = Batch::default();
            instance.in_commit = None;
        }
    }
}

/// Where the transaction of a batch begins.
fn first(batch: &Batch) -> Phase {
    if batch.events().next().is_some() { Phase::Events } else { Phase::State }
}

/// The next record that says who owns the workspace.
fn owner_after(log: &Log, read: u8) -> Option<(u8, Entry)> {
    log.read(read, log.stable())
        .find(|(_, entry)| matches!(entry, Entry::Session { .. } | Entry::Manifest { .. }))
}
