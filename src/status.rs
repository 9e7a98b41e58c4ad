//! What the process does at this moment: one value, written by the parts, shown by the status page,
//! `/status.json`, `/readyz` and `/metrics`, so that all of them tell the same.
//!
//! No names, no account numbers, no amounts: ids and counts only.

mod board;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::change::Tally;
use crate::clock::Clock;
use crate::domain::Entity;
use crate::publish::Batch;
use crate::recover::Report;

pub use board::{Board, Overview};
pub use session::{Ended, Loss, Source};

/// Entries of the change feed.
const FEED_MAX: usize = 50;
/// The phase of who waits for its turn.
const STANDBY: &str = "standby";

/// What a stream does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamState {
    /// Its turn has not come.
    #[default]
    Waiting,
    Listing,
    /// Its last listing was complete.
    Fresh,
    /// Its last listing failed; it is read again in the next period.
    Failed,
    /// The credentials were refused.
    Refused,
    /// The server does not offer the list.
    Off,
}

/// One stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StreamStatus {
    pub state: StreamState,
    /// Milliseconds since 1970: end of the last complete listing.
    pub fresh_ms: Option<i64>,
    /// When it is read next.
    pub next_ms: Option<i64>,
    pub error: Option<String>,
    pub hint: Option<String>,
    /// What its present request waits for.
    pub waits_for: Option<String>,
    pub pages: u64,
    pub requests: u64,
    /// Of the listing under way or the last one.
    pub listing: Tally,
    /// Since the process began.
    pub total: Tally,
}

impl StreamStatus {
    /// Its listing was complete, and all that came of it is committed.
    pub fn is_fresh(&mut self, now_ms: i64) {
        self.state = StreamState::Fresh;
        self.fresh_ms = Some(now_ms);
        self.error = None;
        self.hint = None;
    }
}

/// An entry of the change feed.
#[derive(Debug, Clone, Serialize)]
pub struct FeedEntry {
    pub at_ms: i64,
    pub op: &'static str,
    pub entity: &'static str,
    pub id: String,
    pub change_no: u64,
}

/// Everything there is to tell. The JSON of `/status.json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    pub version: &'static str,
    pub started_ms: i64,
    pub now_ms: i64,
    pub topic_prefix: String,
    /// `acquiring`, `ready`, `standby`, `stopped`, `failed: ` and why, or what it waits for.
    pub phase: String,
    /// What an operator can do about a failure.
    pub hint: Option<String>,
    pub session: Option<String>,
    /// Acquisitions since the process began.
    pub acquisitions: u64,
    /// Milliseconds since 1970: when the workspace was last acquired.
    pub acquired_ms: Option<i64>,
    /// How long that took.
    pub acquisition_took_ms: u64,
    /// What it restored the state from, before it read the state topic on.
    pub restored_from: Option<Source>,
    /// The same of all acquisitions since the process began.
    pub restores: BTreeMap<&'static str, u64>,
    /// Sessions that ended while the process went on, by why, since it began.
    pub sessions_ended: BTreeMap<&'static str, u64>,
    /// The last one of them.
    pub last_session_end: Option<Ended>,
    /// Why the local store was not used at the last acquisition.
    pub store_doubt: Option<String>,
    pub records_restored: u64,
    pub entities: u64,
    pub batch_no: u64,
    /// Since the process began.
    pub batches: u64,
    pub events: u64,
    pub events_by_entity: BTreeMap<&'static str, u64>,
    pub last_event_ms: Option<i64>,
    /// Odd records that were published all the same, by kind of oddity, since the process began.
    pub odd: BTreeMap<&'static str, u64>,
    /// Records that could not be events, by reason, since the process began.
    pub unmapped: BTreeMap<&'static str, u64>,
    pub streams: BTreeMap<String, StreamStatus>,
    pub feed: VecDeque<FeedEntry>,
    #[serde(skip)]
    committing: Vec<FeedEntry>,
    #[serde(skip)]
    committing_by_entity: BTreeMap<&'static str, u64>,
}

/// A handle on the one value. Cheap to clone.
#[derive(Clone)]
pub struct Status {
    inner: Arc<Mutex<Snapshot>>,
    clock: Clock,
}

impl Status {
    pub fn new(clock: Clock, topic_prefix: &str) -> Status {
        let snapshot = Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            started_ms: clock.now_ms(),
            topic_prefix: topic_prefix.to_owned(),
            phase: "starting".to_owned(),
            ..Snapshot::default()
        };
        Status { inner: Arc::new(Mutex::new(snapshot)), clock }
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything, as of now.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.lock().clone();
        snapshot.now_ms = self.clock.now_ms();
        snapshot
    }

    pub fn phase(&self, phase: &str) {
        let mut inner = self.lock();
        if inner.phase != phase {
            phase.clone_into(&mut inner.phase);
        }
    }

    /// It cannot go on, and says no more.
    pub fn failed(&self, why: &str, hint: &str) {
        let mut inner = self.lock();
        inner.phase = format!("failed: {why}");
        inner.hint = Some(hint.to_owned());
    }

    /// The workspace is ours; it holds so many entities, and its last batch has this number.
    pub fn acquired(
        &self,
        report: &Report,
        from: Source,
        took: Duration,
        (entities, batch_no): (usize, u64),
    ) {
        let now_ms = self.clock.now_ms();
        let mut inner = self.lock();
        inner.session = Some(report.session.to_string());
        inner.acquisitions += 1;
        inner.acquired_ms = Some(now_ms);
        inner.acquisition_took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        inner.restored_from = Some(from);
        *inner.restores.entry(from.as_str()).or_default() += 1;
        inner.store_doubt = report.doubt.as_ref().map(ToString::to_string);
        inner.records_restored = report.read;
        inner.entities = entities as u64;
        inner.batch_no = batch_no;
    }

    /// The session ended, and the process goes on; `error` is what ended it, if it was one.
    pub fn session_ended(&self, reason: Loss, error: Option<String>) {
        let at_ms = self.clock.now_ms();
        let mut inner = self.lock();
        *inner.sessions_ended.entry(reason.as_str()).or_default() += 1;
        inner.last_session_end = Some(Ended { at_ms, reason, error });
    }

    /// Another instance is the owner; this is how far we follow it.
    pub fn standing_by(&self, entities: usize, batch_no: u64) {
        self.phase(STANDBY);
        let mut inner = self.lock();
        inner.entities = entities as u64;
        inner.batch_no = batch_no;
        // The owner reads the lists: how old our own reading is says nothing any more.
        for stream in inner.streams.values_mut() {
            let kept = StreamStatus { total: stream.total, ..StreamStatus::default() };
            *stream = kept;
        }
    }

    /// A batch goes to the writer.
    pub fn committing(&self, batch: &Batch) {
        let at_ms = self.clock.now_ms();
        let mut inner = self.lock();
        let newest = batch.events.iter().rev().take(FEED_MAX).rev();
        inner.committing = newest
            .map(|event| FeedEntry {
                at_ms,
                op: event.what.op(),
                entity: event.what.name(),
                id: String::from_utf8_lossy(&event.key).into_owned(),
                change_no: event.change_no,
            })
            .collect();
        inner.committing_by_entity.clear();
        for event in &batch.events {
            *inner.committing_by_entity.entry(event.what.name()).or_default() += 1;
        }
    }

    /// The batch came back from the log.
    pub fn committed(&self, batch_no: u64, events: usize, entities: usize) {
        let now_ms = self.clock.now_ms();
        let mut inner = self.lock();
        inner.batch_no = batch_no;
        inner.batches += 1;
        inner.events += events as u64;
        inner.entities = entities as u64;
        if events > 0 {
            inner.last_event_ms = Some(now_ms);
        }
        for (entity, count) in std::mem::take(&mut inner.committing_by_entity) {
            *inner.events_by_entity.entry(entity).or_default() += count;
        }
        let fresh = std::mem::take(&mut inner.committing);
        inner.feed.extend(fresh);
        while inner.feed.len() > FEED_MAX {
            inner.feed.pop_front();
        }
    }

    /// Changes what is known of a stream.
    pub fn stream(&self, name: &str, change: impl FnOnce(&mut StreamStatus)) {
        let mut inner = self.lock();
        match inner.streams.get_mut(name) {
            Some(stream) => change(stream),
            None => change(inner.streams.entry(name.to_owned()).or_default()),
        }
    }

    /// A listing of the stream begins.
    pub fn listing_started(&self, name: &str) {
        self.stream(name, |status| {
            status.state = StreamState::Listing;
            status.listing = Tally::default();
        });
    }

    /// The stream was a placeholder for another one.
    pub fn forget_stream(&self, name: &str) {
        self.lock().streams.remove(name);
    }

    /// Adds counts of oddities.
    pub fn odd(&self, odd: BTreeMap<&'static str, u64>, unmapped: BTreeMap<&'static str, u64>) {
        let mut inner = self.lock();
        for (kind, count) in odd {
            *inner.odd.entry(kind).or_default() += count;
        }
        for (reason, count) in unmapped {
            *inner.unmapped.entry(reason).or_default() += count;
        }
    }

    pub fn observed(&self, stream: &str, tally: &Tally) {
        self.stream(stream, |status| {
            status.listing.add(tally);
            status.total.add(tally);
        });
    }

    /// The counts of the listing under way.
    pub fn listing_tally(&self, stream: &str) -> Tally {
        self.lock().streams.get(stream).map(|status| status.listing).unwrap_or_default()
    }

    /// Why the process is not ready to be relied on; `None`: it is.
    pub fn not_ready(&self) -> Option<String> {
        self.lock().not_ready()
    }
}

impl Snapshot {
    /// Events of an entity since the process began.
    pub fn events_of(&self, entity: Entity) -> u64 {
        self.events_by_entity.get(entity.as_str()).copied().unwrap_or(0)
    }

    /// Whether another instance is the owner, and this one is ready to take over.
    pub fn is_standby(&self) -> bool {
        self.phase == STANDBY
    }

    /// Why the process was not ready to be relied on; `None`: it was. A standby is: it does what it
    /// is there for.
    pub fn not_ready(&self) -> Option<String> {
        if self.is_standby() {
            return None;
        }
        if self.phase != "ready" {
            return Some(self.phase.clone());
        }
        let refused = self.streams.iter().find(|(_, s)| s.state == StreamState::Refused);
        refused.map(|(name, _)| format!("the credentials were refused for {name}"))
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Transparent errors say what their cause says.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
