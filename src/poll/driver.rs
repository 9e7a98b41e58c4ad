//! The tasks that walk the tree: one per stream, each with its own timer ([`super::task`]).
//!
//! ```text
//!          ┌──────────────────────────── next period, or a new session ◄──────────┐
//!          ▼                                                                       │
//!   wait for the workspace ──► wait for its turn ──► list, page by page ──► wait until
//!   (phase: ready)             (parent list known,   hand over to the owner  committed
//!                               generation decided)
//! ```
//!
//! A failed listing costs its own stream one period and no other stream anything. A new session of
//! the owner voids the listing under way: what was polled for the session before counts no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::sources::Chooser;
use super::task::Task;
use super::tree::{self, EXTERNAL_PAYMENTS, Narrowing, Source, Stream};
use crate::atlar::Client;
use crate::clock::Clock;
use crate::domain::Generation;
use crate::ingest::OwnerHandle;
use crate::json::Json;
use crate::status::{Status, StreamState};
use crate::supervise::Group;

/// Between two of the answers that show that a generation's list is gone.
pub const PROBE_SPACING: Duration = Duration::from_secs(60);

/// The list that external payments are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceChoice {
    /// The first that is served, of those that may be chosen so; kept from then on.
    Auto,
    Fixed(&'static Source),
    Off,
}

/// What the poll tasks need.
pub struct Options {
    pub client: Client,
    pub owner: OwnerHandle,
    pub status: Status,
    pub clock: Clock,
    /// By name of branch.
    pub periods: BTreeMap<&'static str, Duration>,
    /// The generation of the API to read in; none: the one that is served.
    pub generation: Option<Generation>,
    pub source: SourceChoice,
    pub narrowing: Arc<Narrowing>,
    /// See [`PROBE_SPACING`].
    pub probe_spacing: Duration,
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
    /// Nothing to read: its records come with another stream, or nobody needs it.
    Unneeded,
    /// Not read, because the list that its records join failed.
    Blocked {
        by: &'static str,
    },
}

impl Outcome {
    /// Whether what waits for this stream may go on.
    pub fn is_good(&self) -> bool {
        matches!(self, Outcome::Complete | Outcome::NotOffered | Outcome::Unneeded)
    }
}

/// Starts the tasks of a workspace.
#[derive(Clone)]
pub struct Driver {
    pub(super) options: Arc<Options>,
    pub(super) group: Group,
    /// Accounts whose streams run.
    accounts: Arc<Mutex<BTreeSet<String>>>,
    pub(super) outcomes: watch::Sender<BTreeMap<String, Outcome>>,
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
        match driver.options.source {
            SourceChoice::Fixed(source) => {
                if let Some(stream) = tree::of_source(source.name) {
                    driver.start_stream(stream);
                }
            }
            SourceChoice::Auto => driver.group.start(Chooser::new(driver.clone()).run()),
            SourceChoice::Off => {
                let status = &driver.options.status;
                status.stream(EXTERNAL_PAYMENTS, |status| status.state = StreamState::Off);
            }
        }
        driver
    }

    /// How each stream's only listing ended. Meaningful once the group has ended.
    pub fn outcomes(&self) -> BTreeMap<String, Outcome> {
        self.outcomes.borrow().clone()
    }

    pub(super) fn start_stream(&self, stream: Stream) {
        self.options.status.stream(&stream.name, |_| {});
        self.group.start(Task::new(self.clone(), stream).run());
    }

    /// Accounts were handed over: their streams start in the same cycle.
    pub(super) fn see_accounts(&self, items: &[bytes::Bytes]) {
        for item in items {
            if let Ok(json) = Json::parse(item)
                && let Some(id) = json.get("id").text()
                && self.options.narrowing.admits(id)
            {
                self.account_seen(id);
            }
        }
    }

    fn account_seen(&self, id: &str) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.insert(id.to_owned()) {
            for stream in tree::of_account(id) {
                self.start_stream(stream);
            }
        }
    }

    pub(super) fn record(&self, stream: &str, outcome: Outcome) {
        self.outcomes.send_modify(|outcomes| {
            outcomes.insert(stream.to_owned(), outcome);
        });
    }

    pub(super) fn period_of(&self, branch: &str) -> Duration {
        let periods = &self.options.periods;
        periods.get(branch).copied().unwrap_or(Duration::from_secs(1800))
    }
}
