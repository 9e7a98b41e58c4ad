//! Any number of workspaces in one process, those that come and go while it runs among them.
//!
//! ```text
//!   configuration ─┐
//!                  ├─► member: set up if it is new ─► run ─► ended: stopped, failed, taken away
//!   install call ──┘      one task each; a failure is shown and ends no other
//! ```
//!
//! One change at a time: an install or a removal is on the disk before it is done, so that a crash
//! at any moment leaves a process that does the same after its restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use super::connectors::{ConnectorFile, Kept, Planned, id_of};
use super::preflight::Patience;
use super::settings::{Reading, Settings};
use super::setup::{self, How};
use super::workspace::{self, Ended, Mode};
use crate::clock::Clock;
use crate::config::{Resolution, Workspace};
use crate::failure::{ExitCode, Failure};
use crate::ingest::Commands;
use crate::kafka::group::Members as GroupMembers;
use crate::status::{Board, Status};
use crate::supervise::{Fatal, Group};

/// For an order to be taken. An owner that commits is busy for as long as Kafka takes.
const ORDER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a host is made with.
pub struct Options {
    pub clock: Clock,
    /// Shows every member.
    pub board: Board,
    /// For what is under way when a member stops.
    pub drain: Duration,
    /// Go on when nothing is left to run: a connector may be installed.
    pub await_install: bool,
    /// What connectors have of their keys that they do not set.
    pub base: Resolution,
    pub file: ConnectorFile,
    /// The groups that the process belongs to.
    pub members: GroupMembers,
    pub stop: CancellationToken,
}

/// Runs workspaces. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    options: Options,
    group: Group,
    /// Members report their failures themselves.
    _fatal: Mutex<Fatal>,
    members: Mutex<BTreeMap<Uuid, Member>>,
    /// Of members that failed.
    failures: Mutex<BTreeMap<Uuid, Failure>>,
    /// Whoever installs or takes away.
    turn: Turn<()>,
    /// Whether every member has failed.
    lost: watch::Sender<bool>,
}

#[derive(Clone)]
struct Member {
    planned: Planned,
    created_at: jiff::Timestamp,
    status: Status,
    stop: CancellationToken,
    /// Cancelled when its task has ended.
    ended: CancellationToken,
    /// Once it runs.
    commands: Option<Commands>,
}

/// A member as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    pub id: Uuid,
    pub name: Option<String>,
    pub prefix: String,
    pub created_at: jiff::Timestamp,
    pub phase: String,
    pub installed: bool,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
    #[error("{0}")]
    Exists(String),
    #[error("it is in the configuration of the process: take it out there")]
    Configured,
    #[error("there is no connector with this id")]
    Unknown,
    #[error("the process is stopping")]
    Stopping,
    #[error("the connector file cannot be written: {0}")]
    Unwritable(String),
    #[error("its workspace does not take orders at this moment: {0}")]
    Busy(String),
}

impl Host {
    pub fn new(options: Options) -> Host {
        let (group, fatal) = Group::new(options.stop.clone());
        Host(Arc::new(Shared {
            options,
            group,
            _fatal: Mutex::new(fatal),
            members: Mutex::default(),
            failures: Mutex::default(),
            turn: Turn::default(),
            lost: watch::Sender::new(false),
        }))
    }

    /// Starts a workspace; it has clashed with none.
    pub fn start(&self, planned: Planned) {
        let options = &self.0.options;
        let (name, prefix) = (planned.name(), planned.prefix());
        let kept = planned.kept.as_ref();
        let member = Member {
            created_at: kept.map_or_else(|| options.clock.now(), |kept| kept.created_at),
            status: options.board.add(name, prefix),
            stop: options.stop.child_token(),
            ended: CancellationToken::new(),
            commands: None,
            planned: planned.clone(),
        };
        let id = kept.map_or_else(|| id_of(prefix), |kept| kept.id);
        self.members().insert(id, member.clone());
        let host = self.clone();
        let work = async move {
            let outcome = host.run_member(id, &member).await;
            host.member_ended(id, &member, outcome);
            Ok(())
        };
        self.0.group.start(work.instrument(planned.span()));
    }

    /// Runs until it is stopped, or until every member has failed: then with the failure of the
    /// first one in the order of names.
    pub async fn run(&self) -> Result<Ended, Failure> {
        let Options { stop, await_install, .. } = &self.0.options;
        let mut lost = self.0.lost.subscribe();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = lost.wait_for(|lost| *lost), if !await_install => {}
        }
        if stop.is_cancelled() {
            // What failed before was shown, and is not why the process ends.
            lock(&self.0.failures).clear();
        }
        stop.cancel();
        self.0.group.ended().await;
        self.first_failure().map_or(Ok(Ended::Stopped), Err)
    }

    async fn run_member(&self, id: Uuid, member: &Member) -> Result<(), Failure> {
        let Options { clock, drain, members, .. } = &self.0.options;
        let (settings, reading) = parts(&member.planned, clock, members)?;
        let (status, stop) = (&member.status, &member.stop);
        if member.planned.kept.as_ref().is_some_and(|kept| !kept.set_up) {
            let patience =
                Patience { patient: true, stop: stop.clone(), status: Some(status.clone()) };
            let steps = setup::setup(&settings, &patience, How::default()).await?;
            tracing::info!(prefix = settings.names.prefix(), steps = steps.len(), "set up");
            let set_up = stop.run_until_cancelled(self.set_up(id)).await;
            set_up.unwrap_or_else(|| Err(Failure::interrupted("stopped while setting up")))?;
        }
        let (commands, orders) = Commands::new();
        if let Some(known) = self.members().get_mut(&id) {
            known.commands = Some(commands);
        }
        let run = workspace::run(&settings, &reading, Mode::Forever, orders, status, stop, *drain);
        run.await.map(drop)
    }

    fn member_ended(&self, id: Uuid, member: &Member, outcome: Result<(), Failure>) {
        let taken_away = member.stop.is_cancelled() && !self.0.options.stop.is_cancelled();
        if let Err(failure) = outcome
            && !taken_away
        {
            self.member_failed(id, member, failure);
        }
        member.ended.cancel();
    }

    fn member_failed(&self, id: Uuid, member: &Member, failure: Failure) {
        let ids: Vec<Uuid> = self.members().keys().copied().collect();
        let (several, prefix) = (ids.len() > 1, member.planned.prefix());
        member.status.failed(&failure.message(), &failure.hint);
        if several || self.0.options.await_install {
            let (message, details) = (failure.message(), failure.details.join("\n"));
            tracing::error!(prefix, hint = failure.hint, details, "workspace failed: {message}");
        }
        let failure = if several { of_workspace(failure, prefix) } else { failure };
        let mut failures = lock(&self.0.failures);
        failures.insert(id, failure);
        self.0.lost.send_replace(ids.iter().all(|id| failures.contains_key(id)));
    }

    /// In the order of names; one that was only interrupted says least.
    fn first_failure(&self) -> Option<Failure> {
        let names: BTreeMap<Uuid, Option<String>> =
            self.list().into_iter().map(|member| (member.id, member.name)).collect();
        let mut failures: Vec<(Uuid, Failure)> =
            std::mem::take(&mut *lock(&self.0.failures)).into_iter().collect();
        failures.sort_by_key(|(id, failure)| {
            (failure.code == ExitCode::Interrupted, names.get(id).cloned())
        });
        failures.into_iter().next().map(|(_, failure)| failure)
    }

    /// Remembers that topics, schemas and genesis are there.
    async fn set_up(&self, id: Uuid) -> Result<(), Failure> {
        let _turn = self.0.turn.lock().await;
        let mut kept = self.kept();
        for kept in kept.iter_mut().filter(|kept| kept.id == id) {
            kept.set_up = true;
        }
        self.write(kept).await.map_err(|refusal| {
            let hint = "check the disk and the rights of the folder of connectorFile";
            Failure::dependency(refusal.to_string(), hint)
        })?;
        if let Some(Member { planned: Planned { kept: Some(kept), .. }, .. }) =
            self.members().get_mut(&id)
        {
            kept.set_up = true;
        }
        Ok(())
    }

    /// Checks and keeps a connector, and starts it.
    pub async fn install(&self, config: String) -> Result<Uuid, Refusal> {
        let host = self.clone();
        self.undisturbed(async move { host.install_in_turn(&config).await }).await
    }

    async fn install_in_turn(&self, config: &str) -> Result<Uuid, Refusal> {
        let _turn = self.0.turn.lock().await;
        let Options { base, clock, stop, .. } = &self.0.options;
        if stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let workspace = base.connector(config).map_err(Refusal::Faults)?;
        // It was read a moment ago.
        let config = serde_json::from_str(config).unwrap_or_default();
        let id = id_of(&workspace.config.kafka.topic_prefix);
        let kept = Kept { id, created_at: clock.now(), set_up: false, config };
        let planned = Planned { workspace, kept: Some(kept.clone()) };
        let clash = self.members().values().find_map(|member| planned.clash(&member.planned));
        if let Some(clash) = clash {
            return Err(Refusal::Exists(clash));
        }
        let mut all = self.kept();
        all.push(kept);
        self.write(all).await?;
        self.start(planned);
        Ok(id)
    }

    /// Forgets a connector and stops it. Its topics and its state stay.
    pub async fn uninstall(&self, id: Uuid) -> Result<(), Refusal> {
        let host = self.clone();
        self.undisturbed(async move { host.uninstall_in_turn(id).await }).await
    }

    async fn uninstall_in_turn(&self, id: Uuid) -> Result<(), Refusal> {
        let _turn = self.0.turn.lock().await;
        let member = self.members().get(&id).cloned().ok_or(Refusal::Unknown)?;
        if member.planned.kept.is_none() {
            return Err(Refusal::Configured);
        }
        let mut all = self.kept();
        all.retain(|kept| kept.id != id);
        self.write(all).await?;
        member.stop.cancel();
        member.ended.cancelled().await;
        self.0.options.board.remove(member.planned.name());
        self.members().remove(&id);
        lock(&self.0.failures).remove(&id);
        Ok(())
    }

    /// Has every entity of a workspace published once more.
    pub async fn reset(&self, id: Uuid) -> Result<(), Refusal> {
        let member = self.members().get(&id).cloned().ok_or(Refusal::Unknown)?;
        let phase = member.status.snapshot().phase;
        let commands = member.commands.filter(|_| phase == "ready").ok_or(Refusal::Busy(phase))?;
        let number = tokio::time::timeout(ORDER_TIMEOUT, commands.resync()).await;
        let number = number.map_err(|_| Refusal::Busy("it gave no answer".to_owned()))?;
        let number = number.map_err(|refused| Refusal::Busy(refused.to_string()))?;
        tracing::info!(prefix = member.planned.prefix(), number, "everything is published again");
        Ok(())
    }

    /// Every member, in the order of names.
    pub fn list(&self) -> Vec<Listed> {
        let members = self.members();
        let mut listed: Vec<Listed> = members
            .iter()
            .map(|(id, member)| Listed {
                id: *id,
                name: member.planned.workspace.name.clone(),
                prefix: member.planned.prefix().to_owned(),
                created_at: member.created_at,
                phase: member.status.snapshot().phase,
                installed: member.planned.kept.is_some(),
            })
            .collect();
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        listed
    }

    /// The workspace of a member.
    pub fn workspace(&self, id: Uuid) -> Option<Workspace> {
        self.members().get(&id).map(|member| member.planned.workspace.clone())
    }

    fn kept(&self) -> Vec<Kept> {
        self.members().values().filter_map(|member| member.planned.kept.clone()).collect()
    }

    async fn write(&self, kept: Vec<Kept>) -> Result<(), Refusal> {
        let file = self.0.options.file.clone();
        let written = tokio::task::spawn_blocking(move || file.write(kept)).await;
        let unwritable = |error: &dyn std::fmt::Display| Refusal::Unwritable(error.to_string());
        written.map_err(|error| unwritable(&error))?.map_err(|error| unwritable(&error))
    }

    /// Lets work go on to its end even if nobody waits for it any more.
    async fn undisturbed<T, F>(&self, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let (done, waits) = oneshot::channel();
        self.0.group.start(async move {
            // Whoever asked may have gone.
            let _ = done.send(work.await);
            Ok(())
        });
        waits.await.unwrap_or(Err(Refusal::Stopping))
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<Uuid, Member>> {
        lock(&self.0.members)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a workspace is run with.
pub fn parts(
    planned: &Planned,
    clock: &Clock,
    members: &GroupMembers,
) -> Result<(Settings, Reading), Failure> {
    let config = &planned.workspace.config;
    let (mut settings, reading) = (Settings::of(config, clock.clone())?, Reading::of(config)?);
    settings.members = members.clone();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        prefix = settings.names.prefix(),
        kafka = settings.kafka.bootstrap_servers,
        base_url = reading.base_url,
        page_size = reading.page_size,
        "starting"
    );
    Ok((settings, reading))
}

/// Says which workspace failed, where there are several.
pub fn of_workspace(mut failure: Failure, prefix: &str) -> Failure {
    failure.what = format!("workspace {prefix}: {}", failure.what);
    failure
}
