//! The tasks that walk the tree: one per stream, each with its own timer.
//!
//! ```text
//!          ┌──────────────────────────── next period, or a new session ◄──────────┐
//!          ▼                                                                       │
//!   wait for the workspace ──► wait for the parent list ──► list, page by page ──► wait until
//!   (phase: ready)             (known once in its life)     hand over to the owner  committed
//! ```
//!
//! A failed listing costs its own stream one period and no other stream anything. A new session of
//! the owner voids the listing under way: what was polled for the session before counts no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::tree::{self, ACCOUNTS, Stream};
use crate::atlar::{Client, ListRequest, Listing, Step, Stop, Totals};
use crate::clock::Clock;
use crate::entropy;
use crate::failure::Failure;
use crate::ingest::{OwnerHandle, Phase, SeenPage};
use crate::json::Json;
use crate::retry;
use crate::status::{Status, StreamState, chain};
use crate::supervise::Group;

/// Periods are stretched or shortened by up to this share, so that streams do not march in step.
const JITTER: f64 = 0.1;
/// A list that the server does not offer is asked for again after this time.
const NOT_OFFERED_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// What the poll tasks need.
pub struct Options {
    pub client: Client,
    pub owner: OwnerHandle,
    pub status: Status,
    pub clock: Clock,
    /// By name of branch.
    pub periods: BTreeMap<&'static str, Duration>,
    /// Branches that are not read.
    pub off: Vec<&'static str>,
    /// One complete listing of each stream, then end.
    pub once: bool,
}

/// How a stream's only listing ended, for `run --once`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Complete,
    NotOffered,
    /// The credentials were refused with 401.
    Refused {
        what: String,
        hint: String,
    },
    Failed {
        what: String,
        hint: String,
    },
    /// Not read, because the list that its records join failed.
    Blocked {
        by: &'static str,
    },
}

/// Starts the tasks of a workspace.
pub struct Driver {
    options: Arc<Options>,
    group: Group,
    /// Accounts whose streams run.
    accounts: Arc<Mutex<BTreeSet<String>>>,
    outcomes: watch::Sender<BTreeMap<String, Outcome>>,
}

impl Clone for Driver {
    fn clone(&self) -> Driver {
        Driver {
            options: Arc::clone(&self.options),
            group: self.group.clone(),
            accounts: Arc::clone(&self.accounts),
            outcomes: self.outcomes.clone(),
        }
    }
}

impl Driver {
    /// Starts every stream of the tree in `group`; streams of accounts follow as accounts appear.
    pub fn start(options: Options, group: Group) -> Driver {
        let driver = Driver {
            options: Arc::new(options),
            group,
            accounts: Arc::default(),
            outcomes: watch::Sender::default(),
        };
        for stream in tree::roots() {
            driver.start_stream(stream);
        }
        driver
    }

    /// How each stream's only listing ended. Meaningful once the group has ended.
    pub fn outcomes(&self) -> BTreeMap<String, Outcome> {
        self.outcomes.borrow().clone()
    }

    fn start_stream(&self, stream: Stream) {
        if self.options.off.contains(&stream.branch.name) {
            self.options.status.stream(&stream.name, |status| status.state = StreamState::Off);
            return;
        }
        self.options.status.stream(&stream.name, |_| {});
        let task = Task { driver: self.clone(), stream, phase: self.options.owner.phase() };
        self.group.start(task.run());
    }

    /// An account was seen: its streams start in the same cycle.
    fn account_seen(&self, id: &str) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.insert(id.to_owned()) {
            for stream in tree::of_account(id) {
                self.start_stream(stream);
            }
        }
    }

    fn record(&self, stream: &str, outcome: Outcome) {
        self.outcomes.send_modify(|outcomes| {
            outcomes.insert(stream.to_owned(), outcome);
        });
    }
}

struct Task {
    driver: Driver,
    stream: Stream,
    phase: watch::Receiver<Phase>,
}

/// How one listing ended.
enum Listed {
    Complete(Totals),
    /// The session it was polled for is over.
    Dropped,
    Stopped(Stop),
}

impl Task {
    async fn run(mut self) -> Result<(), Failure> {
        let stop = self.driver.group.stop_token();
        loop {
            let Some(session_no) = self.wait_for_turn(&stop).await else { return Ok(()) };
            let over = stop.child_token();
            let listed = self.list(session_no, &over).await;
            let period = match listed {
                Listed::Dropped => continue,
                Listed::Stopped(Stop::Cancelled(_)) => return Ok(()),
                Listed::Complete(totals) => {
                    self.fresh(totals);
                    self.driver.record(&self.stream.name, Outcome::Complete);
                    self.period()
                }
                Listed::Stopped(reason) => self.failed(session_no, &reason).await?,
            };
            if self.driver.options.once {
                return Ok(());
            }
            if !self.pause(session_no, period, &stop).await {
                return Ok(());
            }
        }
    }

    /// Waits until the workspace is ours and the list that the records join is known. `None`: stop.
    async fn wait_for_turn(&mut self, stop: &CancellationToken) -> Option<u64> {
        let after = self.stream.branch.after;
        let parent_failed = self.parent_failed();
        let ready = self.phase.wait_for(|phase| match phase {
            Phase::Ready { known_lists, .. } => {
                after.is_none_or(|list| known_lists.iter().any(|known| known == list))
            }
            Phase::Acquiring => false,
            Phase::Ended => true,
        });
        let phase = tokio::select! {
            ready = ready => ready.ok()?.clone(),
            () = stop.cancelled() => return None,
            failed = parent_failed => {
                self.driver.record(&self.stream.name, failed);
                return None;
            }
        };
        match phase {
            Phase::Ready { session_no, .. } => Some(session_no),
            Phase::Acquiring | Phase::Ended => None,
        }
    }

    /// With `--once`, a parent that failed will not be read again: its children fail with it.
    fn parent_failed(&self) -> impl Future<Output = Outcome> + use<> {
        let mut outcomes = self.driver.outcomes.subscribe();
        let parent = self.stream.branch.after.filter(|_| self.driver.options.once);
        async move {
            let Some(parent) = parent else { return std::future::pending().await };
            let failed = |outcomes: &BTreeMap<String, Outcome>| {
                let outcome = outcomes.get(parent);
                outcome.is_some_and(|end| !matches!(end, Outcome::Complete | Outcome::NotOffered))
            };
            let heard = outcomes.wait_for(failed).await.is_ok();
            if !heard {
                return std::future::pending().await;
            }
            Outcome::Blocked { by: parent }
        }
    }

    async fn list(&mut self, session_no: u64, stop: &CancellationToken) -> Listed {
        let options = Arc::clone(&self.driver.options);
        options.status.stream(&self.stream.name, |status| {
            status.state = StreamState::Listing;
            status.listing = crate::change::Tally::default();
        });
        let (path, query) = self.stream.request();
        let mut listing = Listing::start(options.client.clone(), ListRequest { path, query });
        loop {
            let step = tokio::select! {
                step = listing.next_page(stop) => step,
                () = session_over(&mut self.phase, session_no) => return Listed::Dropped,
            };
            match step {
                Ok(Step::Restarted) => {}
                Ok(Step::Page(page)) => {
                    if self.stream.branch.name == ACCOUNTS {
                        self.see_accounts(&page.items);
                    }
                    let totals = listing.totals();
                    options.status.stream(&self.stream.name, |status| {
                        status.pages = totals.pages;
                        status.requests = totals.requests;
                    });
                    let seen = SeenPage {
                        session_no,
                        stream: self.stream.clone(),
                        items: page.items,
                        requested_at: page.requested_at,
                        received_ms: options.clock.now_ms(),
                    };
                    if options.owner.page(seen).await.is_err() {
                        return Listed::Dropped;
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

    fn see_accounts(&self, items: &[bytes::Bytes]) {
        for item in items {
            if let Ok(json) = Json::parse(item)
                && let Some(id) = json.get("id").text()
            {
                self.driver.account_seen(id);
            }
        }
    }

    fn fresh(&self, totals: Totals) {
        let options = &self.driver.options;
        let now_ms = options.clock.now_ms();
        options.status.stream(&self.stream.name, |status| {
            status.state = StreamState::Fresh;
            status.fresh_ms = Some(now_ms);
            status.error = None;
            status.hint = None;
            let (new, changed) = (status.listing.new, status.listing.changed);
            let (stream, pages, records) = (&self.stream.name, totals.pages, totals.items);
            if new + changed > 0 {
                tracing::info!(stream, pages, records, new, changed, "listing complete");
            } else {
                tracing::debug!(stream, pages, records, "listing complete, nothing new");
            }
        });
    }

    /// A listing that ended early. Returns when to try again; fails where the process cannot go on.
    async fn failed(&self, session_no: u64, reason: &Stop) -> Result<Duration, Failure> {
        let options = &self.driver.options;
        let (what, hint) = (chain(reason), reason.hint().to_owned());
        let state = match reason {
            Stop::NotOffered { .. } => StreamState::Off,
            Stop::Unauthorized(_) | Stop::Forbidden(_) => StreamState::Refused,
            _ => StreamState::Failed,
        };
        options.status.stream(&self.stream.name, |status| {
            status.state = state;
            status.error = Some(what.clone());
            status.hint = Some(hint.clone());
        });
        tracing::warn!(stream = %self.stream.name, hint, "listing ended early: {what}");
        match reason {
            Stop::NotOffered { .. } => {
                // The owner may have gone on to another session: then it asks again.
                let _ = options.owner.not_offered(session_no, self.stream.clone()).await;
                self.driver.record(&self.stream.name, Outcome::NotOffered);
                Ok(NOT_OFFERED_PERIOD)
            }
            Stop::Unauthorized(_) => {
                if options.client.accepted_auth().is_none() && !options.once {
                    let what = format!("Atlar refused the credentials: {what}");
                    return Err(Failure::credentials(what, hint));
                }
                self.driver.record(&self.stream.name, Outcome::Refused { what, hint });
                Ok(self.period())
            }
            _ => {
                self.driver.record(&self.stream.name, Outcome::Failed { what, hint });
                Ok(self.period())
            }
        }
    }

    fn period(&self) -> Duration {
        let periods = &self.driver.options.periods;
        periods.get(self.stream.branch.name).copied().unwrap_or(Duration::from_secs(1800))
    }

    /// Waits for the next period, or less if a new session begins. `false`: stop.
    async fn pause(&mut self, session_no: u64, period: Duration, stop: &CancellationToken) -> bool {
        let stretch = 1.0 + JITTER * (2.0 * entropy::fraction() - 1.0);
        let period = period.mul_f64(stretch);
        let options = &self.driver.options;
        let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
        let next_ms = options.clock.now_ms().saturating_add(period_ms);
        options.status.stream(&self.stream.name, |status| status.next_ms = Some(next_ms));
        tokio::select! {
            slept = retry::sleep(period, stop) => slept.is_ok(),
            () = session_over(&mut self.phase, session_no) => true,
        }
    }
}

/// Ends when the owner is no longer in this session.
async fn session_over(phase: &mut watch::Receiver<Phase>, session: u64) {
    let other =
        |phase: &Phase| !matches!(phase, Phase::Ready { session_no, .. } if *session_no == session);
    // The sender lives as long as the owner; without it the session is over too.
    let _ = phase.wait_for(other).await;
}
