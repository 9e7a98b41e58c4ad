//! One workspace, from its first listing to its last flush.
//!
//! ```text
//! start:  topics and schemas checked ─► group joined ─► writer thread ─► owner ─► poll tasks
//! stop:   poll tasks end ─► owner lets the commit under way end, drops what it builds ─► store
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::preflight::{self, Patience};
use super::settings::{Reading, Settings};
use super::setup::writer_failure;
use crate::atlar::{self, ListRequest, Observer, Waiting};
use crate::change::Tally;
use crate::config;
use crate::failure::Failure;
use crate::ingest::commands::Orders;
use crate::ingest::dry_run::{DryRun, Print};
use crate::ingest::judge::Rules;
use crate::ingest::owner::{End, Options as OwnerOptions, Owner};
use crate::ingest::thread::{AcquireError, WriterThread};
use crate::kafka::group::{self, Lease, Seat};
use crate::poll::driver::{self, Driver, Outcome, PROBE_SPACING};
use crate::poll::tree;
use crate::publish::Writer;
use crate::retry::{self, Schedule};
use crate::secret::SharedCredentials;
use crate::status::{Status, chain};
use crate::store;
use crate::supervise::Group;

/// Retries of a request for `--once`: somebody waits for the end.
const ONCE_RETRY: Schedule = Schedule { attempts: 4, max: Duration::from_secs(4), ..atlar::RETRY };

/// How a workspace is run.
pub enum Mode {
    /// Until told to stop.
    Forever,
    /// One complete listing of every stream.
    Once,
    /// As `Once`, but the events go to this printer, and nothing is written anywhere.
    DryRun(Print),
}

/// What ended a run that was not a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Stopped,
    /// Every stream was listed once.
    Listed,
}

/// The thread of the writer, or of what stands in for it in a dry run, and what says when it is
/// our turn.
async fn start_writer(
    settings: &Settings,
    mode: Mode,
) -> Result<(WriterThread, Option<Seat>), Failure> {
    let (kafka, group_id) = (settings.kafka.clone(), settings.pinned.group_id.clone());
    let names = settings.names.clone();
    let mut seat = None;
    let writer = match mode {
        Mode::DryRun(print) => WriterThread::start(DryRun::new(kafka, group_id, names, print)),
        Mode::Forever | Mode::Once => {
            if matches!(mode, Mode::Once) {
                refuse_if_owned(settings).await?;
            }
            let joined = join(settings)?;
            Writer::new(kafka, group_id, names).and_then(|writer| match joined {
                None => WriterThread::start(writer),
                Some((lease, ours)) => {
                    seat = Some(ours);
                    WriterThread::start(writer.leased(lease))
                }
            })
        }
    };
    match writer {
        Ok(writer) => Ok((writer, seat)),
        Err(error) => Err(Failure::unexpected("cannot start a thread").because(error)),
    }
}

/// Takes part in sharing out the workspaces. The embedded broker of the demo has but one instance,
/// which need not wait for a group to form.
fn join(settings: &Settings) -> Result<Option<(Lease, Seat)>, Failure> {
    if settings.embedded_broker {
        return Ok(None);
    }
    let (group_id, topic) = (&settings.pinned.group_id, settings.names.state());
    let joined = settings.members.join(&settings.kafka, group_id, &topic);
    joined.map(Some).map_err(|error| preflight::kafka_failure(error).failure)
}

/// Whoever lists once takes the workspace from nobody. A member that was killed counts as alive
/// until its group gives it up.
async fn refuse_if_owned(settings: &Settings) -> Result<(), Failure> {
    let (kafka, group_id) = (settings.kafka.clone(), settings.pinned.group_id.clone());
    let topic = settings.names.state();
    let asked = tokio::task::spawn_blocking(move || group::subscriber(&kafka, &group_id, &topic));
    let answer = asked.await.map_err(|error| {
        Failure::unexpected("the question for the group's members ended early").because(error)
    })?;
    match answer.map_err(|error| preflight::kafka_failure(error).failure)? {
        Some(owner) => Err(owned(&format!("another instance ({}) owns", owner.host))),
        None => Ok(()),
    }
}

fn owned(who: &str) -> Failure {
    let hint = "it publishes what is new by itself: wait for that, or stop it first; one that was \
                killed is given up after some 10 seconds";
    Failure::owned(format!("{who} the workspace"), hint)
}

/// Runs a workspace until it is stopped, done, or cannot go on. It takes the `orders` of others
/// while it runs.
pub async fn run(
    settings: &Settings,
    reading: &Reading,
    mode: Mode,
    orders: Orders,
    status: &Status,
    stop: &CancellationToken,
    drain: Duration,
) -> Result<Ended, Failure> {
    let forever = matches!(mode, Mode::Forever);
    let patience = Patience { patient: forever, stop: stop.clone(), status: Some(status.clone()) };
    let dry_run = matches!(mode, Mode::DryRun(_));
    if !dry_run {
        preflight::check_topics(settings, &patience).await?;
    }
    let press = if dry_run {
        preflight::unregistered_press(settings)?
    } else {
        preflight::press(settings, &patience).await?
    };
    let retry = if forever { atlar::RETRY } else { ONCE_RETRY };
    let observer = Arc::new(StatusObserver(status.clone()));
    let client = reading.client(settings.clock.clone(), observer, retry)?;
    // Last of all: who cannot work must not hold a workspace that others could.
    let (writer, seat) = start_writer(settings, mode).await?;

    let narrowing = Arc::new(reading.narrowing.clone());
    let (owner, handle) = Owner::new(OwnerOptions {
        writer,
        seat,
        rules: Rules {
            press: Arc::new(press),
            include_raw: settings.include_raw,
            narrowing: Arc::clone(&narrowing),
        },
        orders,
        pinned: settings.pinned.clone(),
        store: settings.store.clone().filter(|_| !dry_run),
        patient: forever,
        clock: settings.clock.clone(),
        status: status.clone(),
        instance: super::settings::instance(),
    });
    // The owner outlives the poll tasks: what they have handed over is worth a commit.
    let owner_stop = CancellationToken::new();
    let (owning, mut owner_fatal) = Group::new(owner_stop.clone());
    let polls_stop = stop.child_token();
    let (polling, mut poll_fatal) = Group::new(polls_stop.clone());
    owning.start({
        let (owner_stop, polls_stop) = (owner_stop.clone(), polls_stop.clone());
        async move {
            let outcome = owner.run(owner_stop).await.map_err(end_failure);
            // Without an owner there is nobody to poll for.
            polls_stop.cancel();
            outcome
        }
    });
    if let (Some(files), true) = (reading.credential_files.clone(), forever) {
        polling.start(reload(files, reading.credentials.clone(), polls_stop));
    }
    let driver = Driver::start(
        driver::Options {
            client,
            owner: handle,
            status: status.clone(),
            clock: settings.clock.clone(),
            periods: reading.periods.clone(),
            generation: reading.generation,
            source: reading.source,
            narrowing,
            probe_spacing: PROBE_SPACING,
            once: !forever,
        },
        polling.clone(),
    );

    // The tasks end by themselves: when listed once, when stopped, when one cannot go on.
    polling.ended().await;
    let drained = owning.stop(drain).await;
    if let Some(failure) = owner_fatal.take().or_else(|| poll_fatal.take()) {
        return Err(failure);
    }
    if !drained {
        let hint = "nothing is lost: the next start goes on from what was committed";
        return Err(Failure::dependency("the last batch did not end within the drain time", hint));
    }
    if forever || stop.is_cancelled() {
        return Ok(Ended::Stopped);
    }
    summary(status);
    judge_outcomes(&driver).map(|()| Ended::Listed)
}

/// How often credential files are read again.
const RELOAD_PERIOD: Duration = Duration::from_secs(10);

/// Takes over credentials that were changed in their files: a rotation needs no restart. A pair
/// that cannot be read leaves the known one in use.
async fn reload(
    files: config::Credentials,
    shared: SharedCredentials,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let mut said = false;
    while retry::sleep(RELOAD_PERIOD, &stop).await.is_ok() {
        match files.read() {
            Ok(read) => {
                let known = shared.get();
                let same = known.access_key == read.access_key
                    && known.secret.expose_secret() == read.secret.expose_secret();
                if !same {
                    shared.replace(read);
                    tracing::info!(
                        "the credentials changed in their files and are used from now on"
                    );
                }
                said = false;
            }
            Err(failure) if !said => {
                tracing::warn!(hint = failure.hint, "credentials not read again: {}", failure.what);
                said = true;
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// One line about a run that ends by itself.
fn summary(status: &Status) {
    let snapshot = status.snapshot();
    let mut total = Tally::default();
    for stream in snapshot.streams.values() {
        total.add(&stream.total);
    }
    tracing::info!(
        streams = snapshot.streams.len(),
        records = total.seen,
        events = snapshot.events,
        unmapped = total.unmapped,
        entities = snapshot.entities,
        "every stream was listed once"
    );
}

/// Shows in the status what requests wait for.
struct StatusObserver(Status);

impl Observer for StatusObserver {
    fn waiting(&self, waiting: &Waiting<'_>) {
        let text = chain(waiting.cause);
        self.0.stream(&stream_of(waiting.list), |status| status.waits_for = Some(text));
    }

    fn settled(&self, list: &ListRequest) {
        self.0.stream(&stream_of(list), |status| status.waits_for = None);
    }
}

/// The stream that a request belongs to.
fn stream_of(list: &ListRequest) -> String {
    tree::stream_of_request(&list.path, &list.query).unwrap_or_else(|| list.path.clone())
}

/// With `--once`, a stream that failed fails the command; the others were published all the same.
fn judge_outcomes(driver: &Driver) -> Result<(), Failure> {
    let outcomes = driver.outcomes();
    let mut details = Vec::new();
    let mut first_hint = None;
    let mut refused = false;
    for (stream, outcome) in &outcomes {
        match outcome {
            Outcome::Complete | Outcome::NotOffered | Outcome::Unneeded => {}
            Outcome::Blocked { by } => {
                details.push(format!("{stream}: it needs the list {by}, which was never complete"));
            }
            Outcome::Refused { what, hint } | Outcome::Failed { what, hint } => {
                details.push(format!("{stream}: {what}"));
                refused |= matches!(outcome, Outcome::Refused { .. });
                first_hint.get_or_insert_with(|| hint.clone());
            }
        }
    }
    let mut asked = outcomes.values().filter(|end| **end != Outcome::Unneeded).peekable();
    if asked.peek().is_some() && asked.all(|end| *end == Outcome::NotOffered) {
        // Nothing was read at all: no workspace is like that, a wrong address is.
        let hint = "check baseUrl: it looks like https://api.atlar.com";
        return Err(Failure::dependency(
            "the server at baseUrl offers none of Atlar's lists",
            hint,
        ));
    }
    let Some(hint) = first_hint else { return Ok(()) };
    let what = format!("{} of {} streams failed", details.len(), outcomes.len());
    let failure = if refused {
        Failure::credentials("Atlar refused the credentials", hint)
    } else {
        Failure::dependency(what, hint)
    };
    Err(failure.with_details(preflight::block(details.into_iter())))
}

fn end_failure(end: End) -> Failure {
    match end {
        End::Acquire(AcquireError::Writer(error)) => writer_failure(error),
        End::Acquire(AcquireError::Store(error)) => {
            let hint = error.hint();
            match error {
                store::Error::InUse { .. } => Failure::owned(error.to_string(), hint),
                store::Error::Unwritable { .. } => {
                    Failure::configuration(error.to_string(), hint).because(error)
                }
                store::Error::Unusable { .. } => {
                    Failure::dependency(error.to_string(), hint).because(error)
                }
            }
        }
        End::Refused(refusal) => Failure::dependency(refusal.to_string(), refusal.hint()),
        End::OtherHistory { .. } => {
            let hint = "event topics must keep their history; if it was deleted, set up a new \
                        kafka.topicPrefix";
            Failure::dependency(end.to_string(), hint)
        }
        End::Owned => owned("another instance owns"),
        End::Gone(gone) => Failure::unexpected("the writer stopped").because(gone),
    }
}
