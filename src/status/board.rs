//! The statuses of all workspaces that a process hosts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Snapshot, Status};
use crate::clock::Clock;

/// By name; that of the top-level keys has none and comes first.
type Statuses = BTreeMap<Option<String>, Status>;

/// A handle on all of them. Cheap to clone.
#[derive(Clone)]
pub struct Board {
    process: Status,
    statuses: Arc<Mutex<Statuses>>,
    clock: Clock,
}

/// All of them at one moment.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Of the process: its version and times. Everything else is empty.
    pub process: Snapshot,
    pub workspaces: Vec<(Option<String>, Snapshot)>,
}

impl Board {
    pub fn new(clock: Clock) -> Board {
        let process = Status::new(clock.clone(), "");
        Board { process, statuses: Arc::default(), clock }
    }

    /// Adds a workspace, in the place of one of the same name.
    pub fn add(&self, name: Option<&str>, topic_prefix: &str) -> Status {
        let status = Status::new(self.clock.clone(), topic_prefix);
        self.put(name, status.clone());
        status
    }

    /// The same with a status that is there already.
    pub fn put(&self, name: Option<&str>, status: Status) {
        self.lock().insert(name.map(str::to_owned), status);
    }

    pub fn remove(&self, name: Option<&str>) {
        self.lock().remove(&name.map(str::to_owned));
    }

    pub fn look(&self) -> Overview {
        let statuses = self.lock().clone();
        let workspaces =
            statuses.into_iter().map(|(name, status)| (name, status.snapshot())).collect();
        Overview { process: self.process.snapshot(), workspaces }
    }

    fn lock(&self) -> MutexGuard<'_, Statuses> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Overview {
    /// Whether other instances own all that this one could run.
    pub fn is_standby(&self) -> bool {
        !self.workspaces.is_empty() && self.workspaces.iter().all(|(_, of)| of.is_standby())
    }

    /// The workspaces that are not ready to be relied on, by topic prefix, and why. A process that
    /// waits for its first connector is ready to take it.
    pub fn not_ready(&self) -> Vec<(&Snapshot, String)> {
        let reason = |(_, of): &'_ (Option<String>, Snapshot)| of.not_ready();
        self.workspaces.iter().filter_map(|of| reason(of).map(|why| (&of.1, why))).collect()
    }
}
