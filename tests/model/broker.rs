//! The broker: a transaction coordinator, the topics, and what is still under way to them.

use super::log::{Entry, Known, Log, NOBODY};
use super::world::{Batch, ENTITIES, Violation};

const PENDING_MAX: usize = 4;
const INBOX_MAX: usize = 2;

/// The transaction of our one transactional id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Txn {
    Empty,
    Open,
    /// Decided: the markers follow, one for each topic written to, at any time.
    Prepared {
        commit: bool,
    },
}

/// A request as it travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Request {
    Session { by: u8, inbox: Option<u8> },
    Events(Batch),
    State { batch: Batch, by: u8 },
    Commit,
}

/// Webhook records, and how often each was applied by a committed batch.
#[derive(Clone, Copy, Default, Hash, Debug)]
pub struct Inbox {
    serials: [u8; INBOX_MAX],
    applied: [u8; INBOX_MAX],
    end: u8,
}

impl Inbox {
    pub fn end(&self) -> u8 {
        self.end
    }

    pub fn push(&mut self, serial: u8) {
        self.serials[usize::from(self.end)] = serial;
        self.end += 1;
    }

    pub fn serial(&self, offset: u8) -> u8 {
        self.serials[usize::from(offset)]
    }

    pub fn is_applied(&self) -> bool {
        self.applied[..usize::from(self.end)].iter().all(|times| *times == 1)
    }

    fn apply(&mut self, judged: u8) -> Option<Violation> {
        for (offset, times) in self.applied.iter_mut().enumerate() {
            *times += judged >> offset & 1;
        }
        self.applied.iter().any(|times| *times > 1).then_some(Violation::AppliedTwice)
    }
}

#[derive(Clone, Copy, Hash, Debug)]
pub struct Broker {
    pub txn: Txn,
    /// Events of the open transaction, in their order.
    pending: [(u8, Known); PENDING_MAX],
    pending_count: u8,
    /// The last event of each entity that committed readers see: the numbers before it were
    /// checked when they became readable.
    pub published: [Known; ENTITIES],
    pub log: Log,
    pub inbox: Inbox,
    /// A request of the newest epoch that is still under way.
    pub late: Option<Request>,
    pub violation: Option<Violation>,
}

impl Broker {
    pub fn new(published: [Known; ENTITIES]) -> Broker {
        Broker {
            txn: Txn::Empty,
            pending: Default::default(),
            pending_count: 0,
            published,
            log: Log::new(published),
            inbox: Inbox::default(),
            late: None,
            violation: None,
        }
    }

    pub fn is_calm(&self) -> bool {
        self.txn == Txn::Empty
    }

    pub fn is_prepared(&self) -> bool {
        matches!(self.txn, Txn::Prepared { .. })
    }

    /// Takes a request of the newest epoch.
    pub fn take(&mut self, request: Request) {
        match request {
            Request::Commit => return self.decide(true),
            Request::Session { by, inbox } => self.log.append(Entry::Session { by, inbox }),
            Request::Events(batch) => {
                for (entity, known) in batch.events() {
                    self.pending[usize::from(self.pending_count)] = (as_byte(entity), known);
                    self.pending_count += 1;
                }
            }
            Request::State { batch, by } => {
                for (entity, change) in batch.changes.iter().enumerate() {
                    if let Some(change) = change {
                        let entity = as_byte(entity);
                        self.log.append(Entry::State { entity, known: change.known });
                    }
                }
                let (inbox, judged) = (batch.inbox, batch.judged);
                self.log.append(Entry::Manifest { by, inbox, judged });
            }
        }
        self.txn = Txn::Open;
    }

    /// Takes a request that comes late. A record outside of a transaction is refused: the leader
    /// asks the coordinator.
    pub fn take_late(&mut self) {
        if let Some(request) = self.late.take()
            && self.txn == Txn::Open
        {
            self.take(request);
        }
    }

    /// The end of whatever transaction is open: the first protocol cannot tell which is meant.
    pub fn decide(&mut self, commit: bool) {
        if self.txn == Txn::Open {
            self.txn = Txn::Prepared { commit };
        }
    }

    /// The marker in the event topics.
    pub fn mark_events(&mut self) -> bool {
        let Txn::Prepared { commit } = self.txn else { return false };
        if self.pending_count == 0 {
            return false;
        }
        if commit {
            for (entity, event) in &self.pending[..usize::from(self.pending_count)] {
                let last = &mut self.published[usize::from(*entity)];
                if event.change_no != last.change_no + 1 {
                    self.violation.get_or_insert(Violation::Numbers);
                } else if event.serial <= last.serial {
                    self.violation.get_or_insert(Violation::Older);
                }
                *last = *event;
            }
        }
        self.pending = Default::default();
        self.pending_count = 0;
        self.complete();
        true
    }

    /// The marker in the state topic.
    pub fn mark_state(&mut self) -> bool {
        let Txn::Prepared { commit } = self.txn else { return false };
        if !self.log.is_open() {
            return false;
        }
        for entry in self.log.close(commit) {
            if let Entry::Manifest { judged, .. } = entry
                && let Some(violation) = self.inbox.apply(judged)
            {
                self.violation.get_or_insert(violation);
            }
        }
        self.complete();
        true
    }

    fn complete(&mut self) {
        if self.pending_count == 0 && !self.log.is_open() {
            self.txn = Txn::Empty;
        }
    }
}

impl Request {
    /// As it looks once its sender's session is over.
    pub fn orphaned(self) -> Request {
        match self {
            Request::Session { inbox, .. } => Request::Session { by: NOBODY, inbox },
            Request::State { batch, .. } => Request::State { batch, by: NOBODY },
            Request::Events(_) | Request::Commit => self,
        }
    }
}

fn as_byte(entity: usize) -> u8 {
    u8::try_from(entity).unwrap_or(u8::MAX)
}
