//! The owner's life: acquire, judge what comes in, commit, read back, and acquire again.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::building::Building;
use super::commands::{Command, Orders};
use super::judge::{Judge, Observed, Refusal, Rules};
use super::{
    Dropped, Ids, Known, Message, Moved, Published, QUEUED_PAGES_MAX, SeenPage, decisions,
};
use crate::avro::{self, Subject};
use crate::clock::Clock;
use crate::domain::Record;
use crate::entropy;
use crate::ingest::thread::{AcquireError, Acquired, From, Gone, WriterThread};
use crate::poll::tree::Stream;
use crate::publish::{Error, Past, PastEvent};
use crate::recover::Pinned;
use crate::retry::{self, Schedule};
use crate::state::control::{ListStatus, Resync, Session};
use crate::state::view::Read;
use crate::state::{self, Control, View};
use crate::status::{Status, chain};
use crate::store::WriteBehind;

/// Between two attempts to acquire the workspace. Two deployments on one workspace by mistake fence
/// each other: the pauses keep that from becoming a fight.
const ACQUIRE_AGAIN: Schedule = Schedule {
    initial: Duration::from_secs(1),
    max: Duration::from_secs(60),
    factor: 2,
    jitter: 0.5,
    attempts: u32::MAX,
};
/// A session that lasted this long proves that nobody fights us.
const CALM_AFTER: Duration = Duration::from_secs(60);
/// How often the age of the batch being built is looked at, and whether the store is due.
const TICK: Duration = Duration::from_millis(250);
/// While batches follow each other the store is offered what is new this often: a first load
/// touches every bucket all the time, and the store is only needed by the next start.
const STORE_PERIOD: Duration = Duration::from_secs(20);

/// What the owner does at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Acquiring the workspace; nothing may be polled for it.
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
    /// What lies where the state says is not the entity's last event.
    #[error("{topic} does not hold the event that the state names")]
    OtherHistory { topic: String },
}

/// What an owner is made of.
pub struct Options {
    pub writer: WriterThread,
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

    /// Puts on record which list external payments are read from, in the same way.
    pub async fn choose(&self, session_no: u64, source: &'static str) -> Result<(), Dropped> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Choose { session_no, source, reply };
        self.messages.send(message).await.map_err(|_| Dropped)?;
        answer.await.map_err(|_| Dropped)
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
    ordered: Vec<Control>,
    /// That batch, and how many orders are in it.
    following: Option<(u64, usize)>,
}

/// How a session ended.
enum SessionEnd {
    /// Asked to stop.
    Stopped(Box<View>),
    /// Acquire again, after a pause.
    Lost(Box<View>),
    /// Something was ordered that all that was diffed before must give way to: acquire again.
    Ordered(Box<View>),
}

/// What came of a message.
enum Handled {
    Done,
    /// The session is lost.
    Lost,
    /// See [`SessionEnd::Ordered`].
    Ordered,
}

/// The answer to the commit under way.
type Commit = oneshot::Receiver<Result<Vec<Read>, Error>>;

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
    /// under way end and drops the batch being built: the next listing finds its changes again.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), End> {
        let outcome = self.sessions(&stop).await;
        self.phase.send_replace(Phase::Ended);
        self.options.status.phase("stopped");
        match outcome {
            Ok(Some(mut view)) => {
                if let Some(store) = self.store.take() {
                    // Writing and flushing blocks for as long as the disk takes.
                    let finished =
                        tokio::task::spawn_blocking(move || store.finish(&mut view)).await;
                    if finished.is_err() {
                        tracing::warn!("the local store was not flushed");
                    }
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(end) => Err(end),
        }
    }

    async fn sessions(&mut self, stop: &CancellationToken) -> Result<Option<Box<View>>, End> {
        let mut view: Option<Box<View>> = None;
        let mut failures = 0;
        loop {
            self.phase.send_replace(Phase::Acquiring);
            self.options.status.phase("acquiring");
            let from = match (view.take(), self.options.store.clone()) {
                (Some(view), _) => From::Memory(view),
                (None, Some(folder)) => From::Folder(folder),
                (None, None) => From::Topic,
            };
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
                            view = Some(kept);
                            continue;
                        }
                        SessionEnd::Lost(kept) => view = Some(kept),
                    }
                    if started.elapsed() >= CALM_AFTER {
                        failures = 0;
                    }
                    None
                }
                Err(failed) => {
                    view = failed.view;
                    Some(failed.error)
                }
            };
            failures += 1;
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
            if retry::sleep(delay, stop).await.is_err() {
                return Ok(None);
            }
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

    async fn session(
        &mut self,
        acquired: Acquired,
        stop: &CancellationToken,
    ) -> Result<SessionEnd, End> {
        let Acquired { view, report, store } = acquired;
        self.store = store.or(self.store.take());
        self.session_no += 1;
        self.options.status.acquired(&report, view.index.len(), view.batch_no());
        tracing::info!(
            session = %report.session,
            entities = view.index.len(),
            records_read = report.read,
            store = report.doubt.as_ref().map_or("used", |_| "rebuilt"),
            "workspace acquired"
        );
        let seed = self.store.as_ref().map_or_else(entropy::seed, WriteBehind::seed);
        let mut judge = Judge::new(view, self.options.rules.clone(), seed);
        let mut commit: Option<Commit> = None;
        if !self.ordered.is_empty() {
            self.follow_orders(&mut judge);
            commit = Some(self.start_commit(&mut judge).await?);
        }
        self.publish_phase(&judge);
        let mut tick = tokio::time::interval(TICK);
        let ended: fn(Box<View>) -> SessionEnd = loop {
            if commit.is_none() && judge.building.is_due() {
                commit = Some(self.start_commit(&mut judge).await?);
            }
            let room = !judge.building.is_full();
            let handled = tokio::select! {
                biased;
                () = stop.cancelled() => break SessionEnd::Stopped,
                answer = answer_of(&mut commit), if commit.is_some() => {
                    commit = None;
                    self.answered(&mut judge, answer)?
                }
                message = self.messages.recv(), if room => match message {
                    Some(message) => self.handle(&mut judge, message).await?,
                    None => break SessionEnd::Stopped,
                },
                Some(command) = self.options.orders.recv() => self.obey(&judge, command),
                _ = tick.tick() => {
                    self.offer_to_store(&mut judge);
                    Handled::Done
                }
            };
            match handled {
                Handled::Done => {}
                Handled::Lost => break SessionEnd::Lost,
                Handled::Ordered => break SessionEnd::Ordered,
            }
        };
        if let Some(commit) = commit.take() {
            // What the broker was asked for is worth knowing: it saves the next start a restore.
            if let Ok(Ok(reads)) = commit.await
                && let Err(error) = self.read_back(&mut judge, &reads)
            {
                self.lost(&error.into());
            }
        }
        Ok(ended(Box::new(judge.into_view())))
    }

    /// The answer to a commit.
    fn answered(
        &mut self,
        judge: &mut Judge,
        answer: Result<Vec<Read>, Error>,
    ) -> Result<Handled, End> {
        match answer {
            Ok(reads) => match self.read_back(judge, &reads) {
                Ok(()) => Ok(Handled::Done),
                Err(error) => {
                    self.lost(&error.into());
                    Ok(Handled::Lost)
                }
            },
            Err(error) if !error.is_transient() => Err(AcquireError::from(error).into()),
            Err(error) => {
                self.lost(&error);
                Ok(Handled::Lost)
            }
        }
    }

    /// Puts what was ordered into the first batch of the session, which holds nothing else.
    fn follow_orders(&mut self, judge: &mut Judge) {
        self.following = Some((judge.building.batch_no(), self.ordered.len()));
        for control in &self.ordered {
            match control {
                Control::Resync(resync) => judge.resync_no = resync.number,
                other => judge.decisions.obey(other),
            }
            judge.building.push_control(control.clone());
        }
    }

    fn obey(&mut self, judge: &Judge, command: Command) -> Handled {
        match command {
            Command::Resync { reply } => {
                let number = judge.resync_no + 1;
                let ordered_ms = self.options.clock.now_ms();
                self.ordered.push(Control::Resync(Resync { number, ordered_ms }));
                tracing::info!(number, "ordered to publish everything once more");
                // Who asked may have gone: the order stands.
                let _ = reply.send(number);
                Handled::Ordered
            }
        }
    }

    async fn start_commit(&self, judge: &mut Judge) -> Result<Commit, End> {
        let next = Building::new(judge.building.batch_no() + 1);
        let (batch, in_commit) = std::mem::replace(&mut judge.building, next).close();
        self.options.status.committing(&batch);
        judge.in_commit = Some(in_commit);
        Ok(self.options.writer.commit(batch).await?)
    }

    /// A batch has come back from the log: the view takes it in.
    fn read_back(&mut self, judge: &mut Judge, reads: &[Read]) -> Result<(), state::Error> {
        for read in reads {
            judge.view.apply(read)?;
        }
        if let Some(in_commit) = judge.in_commit.take() {
            let in_commit_no = in_commit.batch_no;
            judge.committed(in_commit_no);
            let entities = judge.view.index.len();
            self.options.status.committed(in_commit.batch_no, in_commit.events, entities);
            self.publish_phase(judge);
            in_commit.succeed();
            if let Some((batch_no, orders)) = self.following
                && batch_no == in_commit_no
            {
                self.ordered.drain(..orders.min(self.ordered.len()));
                self.following = None;
            }
        }
        Ok(())
    }

    fn lost(&self, error: &Error) {
        tracing::warn!(
            hint = error.hint(),
            "the batch is not known to be committed, acquiring the workspace again: {}",
            chain(error)
        );
    }

    async fn handle(&mut self, judge: &mut Judge, message: Message) -> Result<Handled, End> {
        let now_ms = self.options.clock.now_ms();
        match message {
            Message::Page(page) if page.session_no == self.session_no => {
                if judge.obeys(&page.stream) {
                    return self.observe(judge, &page, now_ms).await;
                }
            }
            Message::Finished { session_no, stream, listed, reply }
                if session_no == self.session_no && judge.obeys(&stream) =>
            {
                judge.finish(&stream, listed, now_ms);
                let tally = self.options.status.listing_tally(&stream.name);
                wait(judge, reply, Published { tally });
                self.publish_phase(judge);
            }
            Message::NotOffered { session_no, stream } if session_no == self.session_no => {
                if stream.branch.entity.is_none() {
                    judge.record_list(&stream, ListStatus::NotOffered);
                    self.publish_phase(judge);
                }
            }
            Message::Decide { session_no, stream, reply } if session_no == self.session_no => {
                judge.decide(&stream);
                self.publish_phase(judge);
                let _ = reply.send(());
            }
            Message::Choose { session_no, source, reply } if session_no == self.session_no => {
                judge.choose_source(source);
                self.publish_phase(judge);
                let _ = reply.send(());
            }
            Message::Move { session_no, stream, ids, reply } if session_no == self.session_no => {
                let coverage = judge.coverage(&stream.name, &ids);
                if !coverage.suffices() {
                    let _ = reply.send(Moved::Held(coverage));
                    return Ok(Handled::Done);
                }
                self.ordered.push(decisions::control(&stream.name, stream.generation));
                let generation = stream.generation.as_str();
                tracing::info!(stream = %stream.name, generation, "stream moves to another API");
                let _ = reply.send(Moved::Accepted);
                return Ok(Handled::Ordered);
            }
            Message::Finished { reply, .. } => {
                let _ = reply.send(Err(Dropped));
            }
            // Their senders hear by the dropped reply that they were too late.
            Message::Page(_)
            | Message::NotOffered { .. }
            | Message::Decide { .. }
            | Message::Choose { .. }
            | Message::Move { .. } => {}
        }
        Ok(Handled::Done)
    }

    async fn observe(
        &mut self,
        judge: &mut Judge,
        page: &SeenPage,
        now_ms: i64,
    ) -> Result<Handled, End> {
        let Observed { tallies, aside } = judge.observe(page, now_ms)?;
        self.count(&tallies);
        if aside.is_empty() {
            return Ok(Handled::Done);
        }
        let names = &self.options.rules.press.names;
        let place = |aside: &super::judge::Aside| Past {
            topic: names.entity(aside.entity),
            partition: aside.location.partition,
            offset: aside.location.offset,
        };
        let wanted = aside.iter().map(place).collect();
        let events = match self.options.writer.past(wanted).await? {
            Ok(events) => events,
            Err(error) if error.is_transient() => {
                tracing::warn!(hint = error.hint(), "past events not read: {}", chain(&error));
                return Ok(Handled::Lost);
            }
            Err(error) => return Err(AcquireError::from(error).into()),
        };
        for (aside, event) in aside.iter().zip(&events) {
            let published = last_published(aside.entity, event, aside.change_no);
            let published =
                published.ok_or_else(|| End::OtherHistory { topic: names.entity(aside.entity) })?;
            let observed = judge.resolve(page, aside, &published, now_ms)?;
            self.count(&observed.tallies);
        }
        Ok(Handled::Done)
    }

    fn count(&self, tallies: &[(String, crate::change::Tally)]) {
        for (stream, tally) in tallies {
            self.options.status.observed(stream, tally);
        }
    }

    fn publish_phase(&self, judge: &Judge) {
        let phase = Phase::Ready { session_no: self.session_no, known: judge.known() };
        self.phase.send_if_modified(|known| {
            let differs = *known != phase;
            if differs {
                *known = phase;
            }
            differs
        });
        self.options.status.phase("ready");
    }

    fn offer_to_store(&mut self, judge: &mut Judge) {
        let quiet = judge.building.is_empty() && judge.in_commit.is_none();
        if let Some(store) = &self.store
            && (quiet || self.stored.elapsed() >= STORE_PERIOD)
        {
            store.offer(&mut judge.view);
            self.stored = tokio::time::Instant::now();
        }
    }
}

async fn answer_of(commit: &mut Option<Commit>) -> Result<Vec<Read>, Error> {
    match commit {
        // A writer that is gone answers nothing: its next call ends the owner.
        Some(answer) => answer.await.unwrap_or(Err(Error::TakenOver)),
        None => std::future::pending().await,
    }
}

/// Lets a listing's end wait for all that came of it.
fn wait(judge: &mut Judge, reply: super::building::Waiter, published: Published) {
    if !judge.building.is_empty() {
        judge.building.wait(reply, published);
    } else if let Some(in_commit) = &mut judge.in_commit {
        in_commit.wait(reply, published);
    } else {
        let _ = reply.send(Ok(published));
    }
}

/// What an entity's last event says; none if it is not that event.
fn last_published(
    entity: crate::domain::Entity,
    event: &PastEvent,
    change_no: u64,
) -> Option<Record> {
    let schema = avro::schema(Subject::Entity(entity)).ok()?;
    let (_, datum) = avro::wire_format(&event.value).ok()?;
    let envelope = avro::decode_envelope(entity, schema, datum).ok()?;
    let record = envelope.after.or(envelope.before)?;
    let same = u64::try_from(envelope.source.change_no) == Ok(change_no)
        && record.id().as_bytes() == event.key;
    same.then_some(record)
}
