//! One stream's task: waits for its turn, lists, waits for the next period.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::driver::{Driver, Outcome};
use super::generation::{self, Probes, Turn, turn};
use super::tree::{self, ACCOUNTS, Stream};
use crate::atlar::{ListRequest, Listing, Step, Stop, Totals};
use crate::domain::Generation;
use crate::entropy;
use crate::failure::Failure;
use crate::ingest::{Ids, Known, Phase, SeenPage};
use crate::retry;
use crate::status::{StreamState, chain};

/// Periods are stretched or shortened by up to this share, so that streams do not march in step.
const JITTER: f64 = 0.1;
/// A list that the server does not offer is asked for again after this time.
pub(super) const NOT_OFFERED_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// At its start a process lets a list be read first that others join, for at most so long.
const JOINED_FIRST: Duration = Duration::from_secs(10);

const MISSED_HINT: &str = "the list was there before: check the rights of the access key, baseUrl and \
                           apiVersion; it is asked for again each period";

pub(super) struct Task {
    pub(super) driver: Driver,
    pub(super) stream: Stream,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) probes: Probes,
    /// The ids of a complete listing in a generation to move to.
    pub(super) moving: Option<(Generation, Ids)>,
    /// The list that its records join had its chance to be read first.
    joined: bool,
}

/// How one listing ended.
pub(super) enum Listed {
    Complete(Totals),
    /// The session it was polled for is over.
    Dropped,
    Stopped(Stop),
}

impl Task {
    pub(super) fn new(driver: Driver, stream: Stream) -> Task {
        let phase = driver.options.owner.phase();
        let probes = Probes::new(driver.options.probe_spacing);
        Task { driver, stream, phase, probes, moving: None, joined: false }
    }

    /// Runs until told to stop; with `--once`, until the stream was listed once. A stop ends it at
    /// any wait: what was handed over is the owner's.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let stop = self.driver.group.stop_token();
        stop.clone().run_until_cancelled(self.turns(stop)).await.unwrap_or(Ok(()))
    }

    async fn turns(&mut self, stop: CancellationToken) -> Result<(), Failure> {
        let once = self.driver.options.once;
        loop {
            let Some((session_no, known, turn)) = self.wait_for_turn(&stop).await else {
                return Ok(());
            };
            let period = match turn {
                Turn::NotYet => continue,
                Turn::Inside => {
                    self.is_inside(&known);
                    if once {
                        return Ok(());
                    }
                    if !self.another_turn(&stop, &turn).await {
                        return Ok(());
                    }
                    continue;
                }
                Turn::Decide(generation) => {
                    let stream = self.stream.in_generation(generation);
                    // Dropped: the next session asks again.
                    let _ = self.driver.options.owner.decide(session_no, stream).await;
                    continue;
                }
                Turn::List(generation) if !self.joined => {
                    self.joined = true;
                    let stream = self.stream.in_generation(generation);
                    if !joined_first(&self.driver, &stream, &stop).await {
                        return Ok(());
                    }
                    continue;
                }
                Turn::List(generation) => {
                    self.stream.generation = generation;
                    match self.list(session_no, &known, &stop).await {
                        Listed::Dropped => continue,
                        Listed::Stopped(Stop::Cancelled(_)) => return Ok(()),
                        Listed::Complete(totals) => self.complete(totals),
                        Listed::Stopped(reason) => {
                            match self.ended_early(session_no, &known, &reason, &stop).await? {
                                Some(period) => period,
                                None => continue,
                            }
                        }
                    }
                }
                Turn::Move(generation) => {
                    match self.move_to(session_no, &known, generation, &stop).await? {
                        Some(period) => period,
                        None => continue,
                    }
                }
            };
            if once {
                return Ok(());
            }
            let (driver, name) = (&self.driver, &self.stream.name);
            if !pause(driver, &mut self.phase, name, session_no, period, &stop).await {
                return Ok(());
            }
        }
    }

    /// Waits until the workspace is ours and what the stream waits for is known. `None`: stop.
    async fn wait_for_turn(&mut self, stop: &CancellationToken) -> Option<(u64, Known, Turn)> {
        let blocked = self.blocked();
        let (stream, configured) = (self.stream.clone(), self.driver.options.generation);
        let ready = self.phase.wait_for(|phase| match phase {
            Phase::Ready { known, .. } => turn(&stream, known, configured) != Turn::NotYet,
            Phase::Acquiring => false,
            Phase::Ended => true,
        });
        let phase = tokio::select! {
            biased;
            ready = ready => ready.ok()?.clone(),
            () = stop.cancelled() => return None,
            blocked = blocked => {
                self.driver.record(&self.stream.name, blocked);
                return None;
            }
        };
        // An owner that is gone has left its last phase behind.
        self.phase.has_changed().ok()?;
        match phase {
            Phase::Ready { session_no, known } => {
                let turn = turn(&self.stream, &known, configured);
                Some((session_no, known, turn))
            }
            Phase::Acquiring | Phase::Ended => None,
        }
    }

    /// Waits until there is something else to do than `last`. `false`: stop.
    async fn another_turn(&mut self, stop: &CancellationToken, last: &Turn) -> bool {
        let (stream, configured) = (self.stream.clone(), self.driver.options.generation);
        let other = self.phase.wait_for(|phase| match phase {
            Phase::Ready { known, .. } => turn(&stream, known, configured) != *last,
            Phase::Acquiring => false,
            Phase::Ended => true,
        });
        tokio::select! {
            other = other => other.is_ok_and(|phase| !matches!(*phase, Phase::Ended)),
            () = stop.cancelled() => false,
        }
    }

    /// With `--once`, a list that failed will not be read again: what waits for it fails with it.
    /// One that is not offered takes along what comes inside it, or is only joined to it.
    fn blocked(&self) -> impl Future<Output = Outcome> + use<> {
        let mut outcomes = self.driver.outcomes.subscribe();
        let routes = [self.stream.routes.v1, self.stream.routes.v2];
        let joined: Vec<&'static str> =
            routes.into_iter().flatten().filter_map(|route| route.after).collect();
        let branch = self.stream.branch;
        let parents: Vec<&'static str> = branch.inside.into_iter().chain(branch.serves).collect();
        let once = self.driver.options.once;
        async move {
            if !once {
                return std::future::pending().await;
            }
            let blocked = |outcomes: &BTreeMap<String, Outcome>| {
                let failed = |parent: &&'static str| {
                    outcomes.get(*parent).is_some_and(|outcome| !outcome.is_good())
                };
                if let Some(by) = joined.iter().chain(&parents).copied().find(failed) {
                    return Some(Outcome::Blocked { by });
                }
                let absent = |parent| outcomes.get(parent) == Some(&Outcome::NotOffered);
                parents.iter().copied().any(absent).then_some(Outcome::Unneeded)
            };
            let found = outcomes.wait_for(|outcomes| blocked(outcomes).is_some()).await;
            match found.ok().and_then(|outcomes| blocked(&outcomes)) {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        }
    }

    pub(super) async fn list(
        &mut self,
        session_no: u64,
        known: &Known,
        stop: &CancellationToken,
    ) -> Listed {
        let options = Arc::clone(&self.driver.options);
        options.status.listing_started(&self.stream.name);
        for inside in tree::inside(self.stream.branch.name, self.stream.generation) {
            options.status.listing_started(&inside.name);
        }
        let Some((path, query)) = self.stream.request(&options.narrowing) else {
            return Listed::Dropped;
        };
        let undecided =
            self.stream.branch.entity.is_some() && known.generation(&self.stream.name).is_none();
        let mut listing = Listing::start(options.client.clone(), ListRequest { path, query });
        loop {
            let step = tokio::select! {
                step = listing.next_page(stop) => step,
                () = session_over(&mut self.phase, session_no) => return Listed::Dropped,
            };
            match step {
                Ok(Step::Restarted) => {}
                Ok(Step::Page(page)) => {
                    let totals = listing.totals();
                    if undecided && totals.pages <= 1 {
                        // It is served: that is what decides.
                        let decided = options.owner.decide(session_no, self.stream.clone());
                        if decided.await.is_err() {
                            return Listed::Dropped;
                        }
                    }
                    options.status.stream(&self.stream.name, |status| {
                        status.pages = totals.pages;
                        status.requests = totals.requests;
                    });
                    let seen = SeenPage {
                        session_no,
                        stream: self.stream.clone(),
                        items: page.items.clone(),
                        requested_at: page.requested_at,
                        received_ms: options.clock.now_ms(),
                    };
                    if options.owner.page(seen).await.is_err() {
                        return Listed::Dropped;
                    }
                    if self.stream.branch.name == ACCOUNTS {
                        // After the page: it shows whose data this is.
                        self.driver.see_accounts(&page.items);
                    }
                }
                Ok(Step::Complete(totals)) => {
                    let handed =
                        options.owner.finished(session_no, self.stream.clone(), totals.items);
                    return match handed.await {
                        Ok(_) => Listed::Complete(totals),
                        Err(_) => Listed::Dropped,
                    };
                }
                Err(reason) => return Listed::Stopped(reason),
            }
        }
    }

    /// A listing is complete and committed. Returns the period until the next.
    fn complete(&mut self, totals: Totals) -> Duration {
        self.probes.clear();
        let options = &self.driver.options;
        let now_ms = options.clock.now_ms();
        options.status.stream(&self.stream.name, |status| {
            status.is_fresh(now_ms);
            let (new, changed) = (status.listing.new, status.listing.changed);
            let (stream, pages, records) = (&self.stream.name, totals.pages, totals.items);
            if new + changed > 0 {
                tracing::info!(stream, pages, records, new, changed, "listing complete");
            } else {
                tracing::debug!(stream, pages, records, "listing complete, nothing new");
            }
        });
        for inside in tree::inside(self.stream.branch.name, self.stream.generation) {
            options.status.stream(&inside.name, |status| status.is_fresh(now_ms));
        }
        self.driver.record(&self.stream.name, Outcome::Complete);
        self.period()
    }

    /// The stream's records come inside those of another one, or nobody needs it.
    fn is_inside(&self, known: &Known) {
        if self.stream.branch.serves.is_some() {
            let status = &self.driver.options.status;
            status.stream(&self.stream.name, |status| status.state = StreamState::Off);
        }
        tracing::debug!(
            stream = %self.stream.name,
            lists = known.lists.len(),
            "nothing to list: its records come with another stream"
        );
        self.driver.record(&self.stream.name, Outcome::Unneeded);
    }

    /// A listing that ended early. Returns when to try again; none: at once.
    async fn ended_early(
        &mut self,
        session_no: u64,
        known: &Known,
        reason: &Stop,
        stop: &CancellationToken,
    ) -> Result<Option<Duration>, Failure> {
        let Stop::NotOffered { .. } = reason else {
            return self.failed(session_no, known, reason).await;
        };
        let configured = self.driver.options.generation;
        if generation::alternative(&self.stream, known, configured) {
            let other = self.stream.in_generation(Generation::V2);
            match self.is_served(&other, stop).await {
                Ok(true) => {
                    // Dropped: the next session asks again.
                    let _ = self.driver.options.owner.decide(session_no, other).await;
                    return Ok(None);
                }
                Ok(false) => return self.failed(session_no, known, reason).await,
                Err(reason) => return self.failed(session_no, known, &reason).await,
            }
        }
        let may_move = configured.is_none()
            && self.stream.generation == Generation::V1
            && self.stream.routes.v2.is_some()
            && self.stream.branch.entity.is_some();
        if !may_move || !reason.is_gone_by_atlar() || self.driver.options.once {
            return self.failed(session_no, known, reason).await;
        }
        if self.probes.gone(Instant::now()) {
            return self.move_to(session_no, known, Generation::V2, stop).await;
        }
        self.show(StreamState::Failed, &chain(reason), "apiVersion auto asks v2 if this lasts");
        Ok(Some(self.period().min(self.probes.pause())))
    }

    async fn is_served(&self, stream: &Stream, stop: &CancellationToken) -> Result<bool, Stop> {
        let options = &self.driver.options;
        let Some((path, query)) = stream.request(&options.narrowing) else { return Ok(false) };
        let mut listing = Listing::start(options.client.clone(), ListRequest { path, query });
        match listing.next_page(stop).await {
            Ok(_) => Ok(true),
            Err(Stop::NotOffered { .. }) => Ok(false),
            Err(reason) => Err(reason),
        }
    }

    pub(super) fn show(&self, state: StreamState, what: &str, hint: &str) {
        self.driver.options.status.stream(&self.stream.name, |status| {
            status.state = state;
            status.error = Some(what.to_owned());
            status.hint = Some(hint.to_owned());
        });
        tracing::warn!(stream = %self.stream.name, hint, "listing ended early: {what}");
    }

    /// Returns when to try again; fails where the process cannot go on.
    pub(super) async fn failed(
        &self,
        session_no: u64,
        known: &Known,
        reason: &Stop,
    ) -> Result<Option<Duration>, Failure> {
        let options = &self.driver.options;
        let (what, hint) = (chain(reason), reason.hint().to_owned());
        // A list that was read before has gone missing, which is no way to turn it off.
        let missed = known.completed.contains(&self.stream.name)
            && matches!(reason, Stop::NotOffered { .. });
        let hint = if missed { MISSED_HINT.to_owned() } else { hint };
        let state = match reason {
            Stop::Cancelled(_) => return Ok(Some(self.period())),
            Stop::NotOffered { .. } if !missed => StreamState::Off,
            Stop::Unauthorized(_) | Stop::Forbidden(_) => StreamState::Refused,
            _ => StreamState::Failed,
        };
        self.show(state, &what, &hint);
        match reason {
            Stop::NotOffered { .. } if !missed => {
                // The owner may have gone on to another session: then it asks again.
                let _ = options.owner.not_offered(session_no, self.stream.clone()).await;
                self.driver.record(&self.stream.name, Outcome::NotOffered);
                Ok(Some(NOT_OFFERED_PERIOD))
            }
            Stop::Unauthorized(_) => {
                if options.client.accepted_auth().is_none() && !options.once {
                    let what = format!("Atlar refused the credentials: {what}");
                    return Err(Failure::credentials(what, hint));
                }
                self.driver.record(&self.stream.name, Outcome::Refused { what, hint });
                Ok(Some(self.period()))
            }
            _ => {
                self.driver.record(&self.stream.name, Outcome::Failed { what, hint });
                Ok(Some(self.period()))
            }
        }
    }

    pub(super) fn period(&self) -> Duration {
        self.driver.period_of(self.stream.branch.name)
    }
}

/// Waits until this process has read the list that the stream's records join, or failed to: what it
/// has to tell is then judged with them and not one period later. `false`: stop.
async fn joined_first(driver: &Driver, stream: &Stream, stop: &CancellationToken) -> bool {
    let Some(list) = stream.after() else { return true };
    let mut outcomes = driver.outcomes.subscribe();
    tokio::select! {
        _ = outcomes.wait_for(|outcomes| outcomes.contains_key(list)) => true,
        slept = retry::sleep(JOINED_FIRST, stop) => slept.is_ok(),
    }
}

/// Waits for the next period, or less if a new session begins. `false`: stop.
pub(super) async fn pause(
    driver: &Driver,
    phase: &mut watch::Receiver<Phase>,
    stream: &str,
    session_no: u64,
    period: Duration,
    stop: &CancellationToken,
) -> bool {
    let stretch = 1.0 + JITTER * (2.0 * entropy::fraction() - 1.0);
    let period = period.mul_f64(stretch);
    let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
    let next_ms = driver.options.clock.now_ms().saturating_add(period_ms);
    driver.options.status.stream(stream, |status| status.next_ms = Some(next_ms));
    tokio::select! {
        slept = retry::sleep(period, stop) => slept.is_ok(),
        () = session_over(phase, session_no) => true,
    }
}

/// Ends when the owner is no longer in this session.
pub(super) async fn session_over(phase: &mut watch::Receiver<Phase>, session: u64) {
    let other =
        |phase: &Phase| !matches!(phase, Phase::Ready { session_no, .. } if *session_no == session);
    // The sender lives as long as the owner; without it the session is over too.
    let _ = phase.wait_for(other).await;
}

/// The number of the session, when there is one. `None`: stop.
pub(super) async fn wait_for_session(
    phase: &mut watch::Receiver<Phase>,
    stop: &CancellationToken,
) -> Option<u64> {
    let ready = phase.wait_for(|phase| !matches!(phase, Phase::Acquiring));
    let phase = tokio::select! {
        ready = ready => ready.ok()?.clone(),
        () = stop.cancelled() => return None,
    };
    match phase {
        Phase::Ready { session_no, .. } => Some(session_no),
        Phase::Acquiring | Phase::Ended => None,
    }
}
