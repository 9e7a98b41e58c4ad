//! One session: from an acquisition until the workspace is lost, given up, or left for a stop.

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::messages::wait;
use super::{End, Handled, Ordered, Owner, Phase, STORE_PERIOD, SessionEnd};
use crate::crash::{self, Point};
use crate::entropy;
use crate::ingest::building::Building;
use crate::ingest::commands::Command;
use crate::ingest::judge::Judge;
use crate::ingest::thread::{AcquireError, Acquired};
use crate::kafka::group::Seat;
use crate::publish::Error;
use crate::state::control::Resync;
use crate::state::view::Read;
use crate::state::{self, Control};
use crate::status::chain;
use crate::store::WriteBehind;

/// How often the age of the batch being built is looked at, and whether the store is due.
const TICK: std::time::Duration = std::time::Duration::from_millis(250);

/// Orders within this time are followed together: each costs the listings under way.
const ORDERS_WINDOW: std::time::Duration = std::time::Duration::from_millis(200);

/// Why the loop of a session ended.
enum Ended {
    Stopped,
    Lost(Error),
    Ordered,
    Revoked,
}

/// The answer to the commit under way.
type Commit = oneshot::Receiver<Result<Vec<Read>, Error>>;

impl Owner {
    pub(super) async fn session(
        &mut self,
        acquired: Acquired,
        stop: &CancellationToken,
    ) -> Result<SessionEnd, End> {
        let Acquired { view, report, from, took, store } = acquired;
        self.store = store.or(self.store.take());
        self.session_no += 1;
        self.options.status.acquired(&report, from, took, (view.index.len(), view.batch_no()));
        tracing::info!(
            session = %report.session,
            entities = view.index.len(),
            records_read = report.read,
            from = from.as_str(),
            store = report.doubt.as_ref().map_or("used", |_| "rebuilt"),
            doubt = report.doubt.as_ref().map(tracing::field::display),
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
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
        let mut ordered_until: Option<Instant> = None;
        let mut seat = self.options.seat.clone();
        let ended = loop {
            for (waiter, published) in judge.building.take_waiters_of_nothing() {
                wait(&mut judge, waiter, published);
            }
            if commit.is_none() && judge.building.is_due() {
                commit = Some(self.start_commit(&mut judge).await?);
            }
            let room = !judge.building.is_full();
            let handled = tokio::select! {
                biased;
                () = stop.cancelled() => break Ended::Stopped,
                () = ended_seat(&mut seat) => break Ended::Revoked,
                answer = answer_of(&mut commit), if commit.is_some() => {
                    commit = None;
                    self.answered(&mut judge, answer)?
                }
                () = until(ordered_until), if ordered_until.is_some() => break Ended::Ordered,
                message = self.messages.recv(), if room => match message {
                    Some(message) => self.handle(&mut judge, message).await?,
                    None => break Ended::Stopped,
                },
                Some(command) = self.options.orders.recv() => self.obey(&judge, command),
                _ = tick.tick() => {
                    self.offer_to_store(&mut judge);
                    if commit.is_none() { self.look().await? } else { Handled::Done }
                }
            };
            match handled {
                Handled::Done => {}
                Handled::Lost(error) => break Ended::Lost(error),
                Handled::Ordered => {
                    ordered_until.get_or_insert_with(|| Instant::now() + ORDERS_WINDOW);
                }
            }
        };
        self.wind_up(&mut judge, commit, &ended).await?;
        let view = Box::new(judge.into_view());
        Ok(match ended {
            Ended::Stopped => SessionEnd::Stopped(view),
            Ended::Ordered => SessionEnd::Ordered(view),
            Ended::Revoked => {
                // Who waits for an order hears that it was not followed.
                self.ordered.clear();
                tracing::info!("the workspace is left to another instance");
                SessionEnd::Revoked(view)
            }
            Ended::Lost(error) => SessionEnd::Lost(view, error),
        })
    }

    /// What the broker was asked for is worth knowing: it saves the next start a restore. Without
    /// patience, what was handed over before the stop is committed too.
    async fn wind_up(
        &mut self,
        judge: &mut Judge,
        mut commit: Option<Commit>,
        ended: &Ended,
    ) -> Result<(), End> {
        let to_the_end = matches!(ended, Ended::Stopped) && !self.options.patient;
        loop {
            if let Some(answer) = commit.take() {
                match answer.await {
                    Ok(Ok(reads)) => {
                        if let Err(error) = self.read_back(judge, &reads) {
                            self.lost(&error.into());
                            return Ok(());
                        }
                    }
                    Ok(Err(error)) => {
                        self.lost(&error);
                        return Ok(());
                    }
                    Err(_) => return Ok(()),
                }
            }
            if !to_the_end {
                return Ok(());
            }
            while !judge.building.is_full()
                && let Ok(message) = self.messages.try_recv()
            {
                self.handle(judge, message).await?;
            }
            if judge.building.is_empty() {
                return Ok(());
            }
            commit = Some(self.start_commit(judge).await?);
        }
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
                Err(error) => Ok(Handled::Lost(error.into())),
            },
            Err(error) if !error.is_transient() => Err(AcquireError::from(error).into()),
            Err(error) => Ok(Handled::Lost(error)),
        }
    }

    /// An owner that has nothing to publish learns here that somebody else wrote to the state
    /// topic: an operator's command, or an owner after it. Until then it compares with an old view.
    async fn look(&self) -> Result<Handled, End> {
        let looked = self.options.writer.look().await?;
        Ok(looked.map_or_else(Handled::Lost, |()| Handled::Done))
    }

    /// Puts what was ordered into the first batch of the session, which holds nothing else.
    fn follow_orders(&mut self, judge: &mut Judge) {
        self.following = Some((judge.building.batch_no(), self.ordered.len()));
        for Ordered { control, .. } in &mut self.ordered {
            if let Control::Resync(resync) = control {
                // Another instance may have given orders of its own meanwhile.
                resync.number = resync.number.max(judge.resync_no);
                judge.resync_no = resync.number;
            }
            judge.decisions.obey(control);
            judge.building.push_control(control.clone());
        }
    }

    fn obey(&mut self, judge: &Judge, command: Command) -> Handled {
        match command {
            Command::Resync { reply } => {
                let number = judge.resync_no + 1;
                let ordered_ms = self.options.clock.now_ms();
                let control = Control::Resync(Resync { number, ordered_ms });
                self.ordered.push(Ordered { control, reply: Some(reply) });
                tracing::info!(number, "ordered to publish everything once more");
                Handled::Ordered
            }
        }
    }

    async fn start_commit(&self, judge: &mut Judge) -> Result<Commit, End> {
        let next = Building::new(judge.building.batch_no() + 1);
        let (batch, in_commit) = std::mem::replace(&mut judge.building, next).close();
        self.options.status.committing(&batch);
        judge.in_commit = Some(in_commit);
        crash::point(Point::I);
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
                for Ordered { control, reply } in
                    self.ordered.drain(..orders.min(self.ordered.len()))
                {
                    if let (Control::Resync(resync), Some(reply)) = (control, reply) {
                        // Who asked may have gone: the order stands.
                        let _ = reply.send(resync.number);
                    }
                }
                self.following = None;
            }
        }
        Ok(())
    }

    pub(super) fn lost(&self, error: &Error) {
        tracing::warn!(
            hint = error.hint(),
            reason = super::loss(error).as_str(),
            "the batch is not known to be committed, acquiring the workspace again: {}",
            chain(error)
        );
    }

    pub(super) fn publish_phase(&self, judge: &Judge) {
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
        if quiet {
            crash::point(Point::G);
        }
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

/// Ends when the group takes the workspace away.
async fn ended_seat(seat: &mut Option<Seat>) {
    match seat {
        Some(seat) => seat.ended().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
