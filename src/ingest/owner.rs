//! The owner's life: stand by until it is its turn, acquire, judge what comes in, commit, read
//! back, and acquire again.

mod messages;
mod session;
mod standby;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::commands::Orders;
use super::judge::{Refusal, Rules};
use super::{Dropped, Ids, Known, Message, Moved, Published, QUEUED_PAGES_MAX, SeenPage};
use crate::clock::Clock;
use crate::entropy;
use crate::ingest::thread::{AcquireError, From, Gone, WriterThread};
use crate::kafka::group::Seat;
use crate::kafka::{self};
use crate::poll::tree::Stream;
use crate::publish::Error;
use crate::recover::Pinned;
use crate::retry::{self, Schedule};
use crate::state::control::Session;
use crate::state::{Control, View};
use crate::status::{Loss, Status, chain};
use crate::store::WriteBehind;
use standby::Turn;

/// Between two attempts to acquire the workspace. Two deployments on one workspace by mistake fence
/// each other: the pauses keep that from becoming a fight.
const ACQUIRE_AGAIN: Schedule = Schedule {
    initial: Duration::from_secs(1),
    max: Duration::from_secs(60),
    factor: 2,
    jitter: 0.5,
    attempts: u32::MAX,
};
/// Sessions that may be lost while somebody waits for the end of `--once`.
const IMPATIENT_FAILURES: u32 = 2;
/// A session that lasted this long proves that nobody fights us.
const CALM_AFTER: Duration = Duration::from_secs(60);

/// While there is always something new, the store is offered it this often: a first load touches
/// every bucket all the time, and the store is only needed by the next start.
const STORE_PERIOD: Duration = Duration::from_secs(20);

/// What the owner does at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Acquiring the workspace, or standing by; nothing may be polled for it.
    Acquiring,
    /// The workspace is ours. `session_no` rises with each acquisition of this process.
    Ready { session_no: u64, known: Known },
    /// Stopped for good.
    Ended,
}

/// Why the owner ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Gone(#[from] Gone),
    /// Somebody waits for the end, and it is not our turn.
    #[error("another instance owns the workspace")]
    Owned,
    /// What lies where the state says is not the entity's last event.
    #[error("{topic} does not hold the event that the state names")]
    OtherHistory { topic: String },
}

/// What an owner is made of.
pub struct Options {
    pub writer: WriterThread,
    /// What the group says; without a group it is always our turn.
    pub seat: Option<Seat>,
    pub rules: Rules,
    pub orders: Orders,
    pub pinned: Pinned,
    pub store: Option<PathBuf>,
    /// Wait for what can pass, for ever; else the first failure to acquire ends the owner.
    pub patient: bool,
    pub clock: Clock,
    pub status: Status,
    /// Host and process, for session records.
    pub instance: String,
}

/// The way in for poll tasks. Cheap to clone.
#[derive(Clone)]
pub struct OwnerHandle {
    messages: mpsc::Sender<Message>,
    phase: watch::Receiver<Phase>,
}

impl OwnerHandle {
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Hands a page over; waits while the owner is busy.
    pub async fn page(&self, page: SeenPage) -> Result<(), Dropped> {
        self.messages.send(Message::Page(page)).await.map_err(|_| Dropped)
    }

    /// Says that a complete listing was handed over, and waits until all that came of it is
    /// committed.
    pub async fn finished(
        &self,
        session_no: u64,
        stream: Stream,
        listed: u64,
    ) -> Result<Published, Dropped> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Finished { session_no, stream, listed, reply };
        self.messages.send(message).await.map_err(|_| Dropped)?;
        answer.await.unwrap_or(Err(Dropped))
    }

    /// Puts on record which generation a stream is read in. What is on record already stays: look
    /// at the phase afterwards.
    pub async fn decide(&self, session_no: u64, stream: Stream) -> Result<(), Dropped> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Decide { session_no, stream, reply };
        self.messages.send(message).await.map_err(|_| Dropped)?;
        answer.await.map_err(|_| Dropped)
    }

    /// Puts on record which list external payments are read from, in the same way, and waits until
    /// it is committed.
    pub async fn choose(&self, session_no: u64, source: &'static str) -> Result<(), Dropped> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Choose { session_no, source, reply };
        self.messages.send(message).await.map_err(|_| Dropped)?;
        answer.await.unwrap_or(Err(Dropped)).map(drop)
    }

    /// Asks for a stream to be read in another generation than on record; `ids` is a complete
    /// listing of it there.
    pub async fn move_to(
        &self,
        session_no: u64,
        stream: Stream,
        ids: Ids,
    ) -> Result<Moved, Dropped> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Move { session_no, stream, ids, reply };
        self.messages.send(message).await.map_err(|_| Dropped)?;
        answer.await.map_err(|_| Dropped)
    }

    pub async fn not_offered(&self, session_no: u64, stream: Stream) -> Result<(), Dropped> {
        let message = Message::NotOffered { session_no, stream };
        self.messages.send(message).await.map_err(|_| Dropped)
    }
}

/// See the module.
pub struct Owner {
    options: Options,
    messages: mpsc::Receiver<Message>,
    phase: watch::Sender<Phase>,
    store: Option<WriteBehind>,
    /// When the store was last offered what is new.
    stored: tokio::time::Instant,
    session_no: u64,
    /// What the next session commits before anything else, in a batch of its own.
    ordered: Vec<Ordered>,
    /// That batch, and how many orders are in it.
    following: Option<(u64, usize)>,
}

/// What is to be put on record, and who waits for that.
struct Ordered {
    control: Control,
    /// Hears the number of an order to publish everything once more.
    reply: Option<oneshot::Sender<u32>>,
}

/// How a session ended.
enum SessionEnd {
    /// Asked to stop.
    Stopped(Box<View>),
    /// Acquire again, after a pause.
    Lost(Box<View>, Error),
    /// Something was ordered that all that was diffed before must give way to: acquire again.
    Ordered(Box<View>),
    /// The group gives the workspace to another instance.
    Revoked(Box<View>),
}

/// What came of a message.
enum Handled {
    Done,
    /// The session is lost.
    Lost(Error),
    /// See [`SessionEnd::Ordered`].
    Ordered,
}

/// What an error says about the session that it ends.
fn loss(error: &Error) -> Loss {
    match error {
        Error::Moved { .. } | Error::TakenOver | Error::Kafka(kafka::Error::Fenced) => Loss::Fenced,
        Error::Kafka(kafka::Error::NotOurs { .. }) => Loss::Group,
        Error::Kafka(_) => Loss::Kafka,
        _ => Loss::Log,
    }
}

impl Owner {
    pub fn new(options: Options) -> (Owner, OwnerHandle) {
        let (sender, messages) = mpsc::channel(QUEUED_PAGES_MAX);
        let (phase, watcher) = watch::channel(Phase::Acquiring);
        let stored = tokio::time::Instant::now();
        let owner = Owner {
            options,
            messages,
            phase,
            store: None,
            stored,
            session_no: 0,
            ordered: Vec::new(),
            following: None,
        };
        (owner, OwnerHandle { messages: sender, phase: watcher })
    }

    /// Runs until told to stop, or until something that no wait can mend. A stop lets the commit
    /// under way end. What is being built is dropped: the next listing finds its changes again. But
    /// where the owner is not patient, as with `--once`, it is committed: nobody lists again soon.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), End> {
        let outcome = self.sessions(&stop).await;
        self.phase.send_replace(Phase::Ended);
        self.options.status.phase("stopped");
        let Owner { options, store, .. } = self;
        // First of all: as long as we belong to the group nobody else takes over.
        let left = tokio::task::spawn_blocking(move || drop(options.writer)).await;
        if left.is_err() {
            let hint = "nothing was lost: the next start goes on from the state topic";
            tracing::warn!(hint, "the writer's thread did not end in order");
        }
        if let (Some(mut view), Some(store)) = (outcome?, store) {
            // Writing and flushing blocks for as long as the disk takes.
            let finished = tokio::task::spawn_blocking(move || store.finish(&mut view)).await;
            if finished.is_err() {
                let hint = "nothing was lost: the next start rebuilds the store";
                tracing::warn!(hint, "the local store was not flushed");
            }
        }
        Ok(())
    }

    async fn sessions(&mut self, stop: &CancellationToken) -> Result<Option<Box<View>>, End> {
        let mut view: Option<Box<View>> = None;
        let mut failures = 0;
        loop {
            self.phase.send_replace(Phase::Acquiring);
            match self.turn(&mut view, stop).await? {
                Turn::Now => {}
                // Somebody else was the owner since: what failed before is over.
                Turn::AfterStandby => failures = 0,
                Turn::Stopped => return Ok(view),
            }
            self.options.status.phase("acquiring");
            let from = self.start_from(view.take());
            let session = self.new_session();
            let acquiring = self.options.writer.acquire(from, self.options.pinned.clone(), session);
            let acquired = tokio::select! {
                acquired = acquiring => acquired?,
                () = stop.cancelled() => return Ok(None),
            };
            let error = match acquired {
                Ok(acquired) => {
                    let started = tokio::time::Instant::now();
                    match self.session(acquired, stop).await? {
                        SessionEnd::Stopped(view) => return Ok(Some(view)),
                        SessionEnd::Ordered(kept) => {
                            self.options.status.session_ended(Loss::Ordered, None);
                            view = Some(kept);
                            continue;
                        }
                        SessionEnd::Revoked(kept) => {
                            self.options.status.session_ended(Loss::Group, None);
                            view = Some(kept);
                            failures = 0;
                            continue;
                        }
                        SessionEnd::Lost(kept, error) => {
                            self.lost(&error);
                            self.options.status.session_ended(loss(&error), Some(chain(&error)));
                            view = Some(kept);
                            if started.elapsed() >= CALM_AFTER {
                                failures = 0;
                            }
                            if !self.options.patient && failures >= IMPATIENT_FAILURES {
                                return Err(AcquireError::from(error).into());
                            }
                        }
                    }
                    None
                }
                Err(failed) => {
                    view = failed.view;
                    Some(failed.error)
                }
            };
            failures += 1;
            self.phase.send_replace(Phase::Acquiring);
            self.options.status.phase("acquiring");
            let delay = ACQUIRE_AGAIN.delay(failures, entropy::fraction(), None);
            if let Some(error) = error {
                if !(self.options.patient && error.is_transient()) {
                    return Err(error.into());
                }
                let waits_for = chain(&error);
                self.options.status.phase(&format!("waiting: {waits_for}"));
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                let hint = error.hint();
                tracing::warn!(delay_ms, hint, "workspace not acquired, trying again: {waits_for}");
            }
            if let Some(seat) = &self.options.seat {
                seat.release();
            }
            if retry::sleep(delay, stop).await.is_err() {
                return Ok(None);
            }
        }
    }

    fn start_from(&self, view: Option<Box<View>>) -> From {
        match (view, self.options.store.clone()) {
            (Some(view), _) => From::Memory(view),
            (None, Some(folder)) => From::Folder(folder),
            (None, None) => From::Topic,
        }
    }

    fn new_session(&self) -> Session {
        Session {
            id: entropy::identity(),
            instance: self.options.instance.clone(),
            started_ms: self.options.clock.now_ms(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
