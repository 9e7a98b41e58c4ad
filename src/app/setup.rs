//! `setup`: topics, schemas, genesis. Does only what is missing; the first one wins.
//!
//! Genesis is the workspace's first record. It may be written only while the state topic and all
//! event topics are empty: an empty state topic beside events means that the state was lost, and
//! everything would be published again. Two setups at once are safe: under a fresh epoch, genesis
//! must land where the topic ended before the check, with nothing but markers of aborted
//! transactions in between.
//!
//! Host and group of a workspace can be changed later, in the same way. The group only while the
//! old one has no live member for the state topic: whoever acquires the workspace after the offset
//! was seen moves the end of the topic, and whoever comes later reads the record. A member of the
//! new group does not matter: it was refused so far, and is let in from now on.

use std::time::{Duration, Instant};

use super::Settings;
use super::preflight::{Passing, Patience, block, kafka_failure, registry_failure};
use crate::avro::registry::COMPATIBILITY;
use crate::avro::{Subject, schema_text};
use crate::entropy;
use crate::failure::Failure;
use crate::kafka::group;
use crate::kafka::producer::{Outgoing, Producers};
use crate::kafka::reader::{Next, Reader};
use crate::kafka::topics::{Admin, Difference, compare};
use crate::kafka::{self};
use crate::publish::Error;
use crate::recover;
use crate::state::control::Genesis;
use crate::state::{Control, View};

const GENESIS_TIMEOUT: Duration = Duration::from_secs(60);
/// Another setup that writes at the same moment is read on the next attempt.
const GENESIS_ATTEMPTS: u32 = 5;
/// Replicas where there are brokers enough.
const REPLICATION_WANTED: usize = 3;

/// One thing that was, or would be, done.
pub type Step = String;

/// What to do beyond what is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Only say what would be done.
    pub dry_run: bool,
    /// The same bank has a new address: let the workspace belong to the host of the settings.
    pub new_host: bool,
    /// The deployment has a new group: let the workspace belong to that of the settings.
    pub new_group: bool,
}

/// Does what is missing, and says what it did.
pub async fn setup(
    settings: &Settings,
    patience: &Patience,
    how: How,
) -> Result<Vec<Step>, Failure> {
    let dry_run = how.dry_run;
    let (missing, mut steps): (Vec<String>, Vec<Step>) =
        topics(settings, patience, dry_run).await?.into_iter().unzip();
    steps.extend(schemas(settings, patience, dry_run).await?);
    // A plan has created nothing.
    let exists = |topic: &String| !(dry_run && missing.contains(topic));
    let mut events = settings.names.events();
    events.retain(exists);
    let state = exists(&settings.names.state());
    let owned = settings.clone();
    let genesis = tokio::task::spawn_blocking(move || {
        if state { genesis(&owned, how, &events) } else { first_genesis(&owned, &events) }
    });
    let genesis = genesis
        .await
        .map_err(|error| Failure::unexpected("setting up the workspace").because(error))??;
    steps.extend(genesis);
    Ok(steps)
}

/// Creates the topics that are missing, and says which and how; refuses those that are not as they
/// must be.
pub(super) async fn topics(
    settings: &Settings,
    patience: &Patience,
    dry_run: bool,
) -> Result<Vec<(String, Step)>, Failure> {
    if settings.embedded_broker {
        return Ok(Vec::new());
    }
    let wanted = settings.names.wanted(settings.pinned.partitions);
    let (admin, brokers, actual) = patience
        .wait_for("Kafka", || async {
            let admin = Admin::connect(&settings.kafka).map_err(kafka_failure)?;
            let (brokers, _) = admin.look(&[]).await.map_err(kafka_failure)?;
            let actual = admin.describe(&wanted).await.map_err(kafka_failure)?;
            Ok((admin, brokers, actual))
        })
        .await?;
    let most = i32::try_from(brokers.min(REPLICATION_WANTED)).unwrap_or(1).max(1);
    let replication = settings.replication.unwrap_or(most);
    let mut steps = Vec::new();
    let mut wrong = Vec::new();
    for difference in compare(&wanted, &actual) {
        match &difference {
            Difference::Missing { topic, partitions } => {
                if let Some(missing) = wanted.iter().find(|wanted| wanted.name == *topic)
                    && !dry_run
                {
                    admin
                        .create(missing, replication)
                        .await
                        .map_err(|error| kafka_failure(error).failure)?;
                }
                let shape = format!("{partitions} partition(s), {replication} replica(s)");
                steps.push((topic.clone(), format!("create topic {topic} ({shape})")));
            }
            _ if difference.breaks_promise() => wrong.push(format!("topic {difference}")),
            _ => tracing::warn!("{difference}"),
        }
    }
    if wrong.is_empty() {
        return Ok(steps);
    }
    let hint =
        "correct them by hand, or use another kafka.topicPrefix: setup never changes a topic";
    Err(Failure::dependency("topics exist that are not as they must be", hint)
        .with_details(block(wrong.into_iter())))
}

async fn schemas(
    settings: &Settings,
    patience: &Patience,
    dry_run: bool,
) -> Result<Vec<Step>, Failure> {
    let registry = settings.registry()?;
    let mut steps = Vec::new();
    for subject in Subject::ALL {
        let name = subject.name(settings.names.prefix());
        let text = schema_text(subject);
        let known = patience
            .wait_for("the schema registry", || async {
                registry.lookup(&name, text).await.map_err(registry_failure)
            })
            .await?;
        let failed = |error| registry_failure(error).failure;
        if known.is_none() {
            steps.push(format!("register schema {name} ({COMPATIBILITY})"));
        }
        if dry_run {
            continue;
        }
        if known.is_none()
            && let Err(error) = registry.register(&name, text).await
        {
            // Of two setups at once, a registry refuses the slower one's new subject.
            let by_the_other = matches!(registry.lookup(&name, text).await, Ok(Some(_)));
            if !by_the_other {
                return Err(failed(error));
            }
        }
        // Also where the schema is known: an earlier setup may have ended between the two calls.
        if registry.set_compatibility(&name, COMPATIBILITY).await.is_err() {
            // The slower one again: now there is a setting to be changed.
            registry.set_compatibility(&name, COMPATIBILITY).await.map_err(failed)?;
        }
    }
    Ok(steps)
}

/// What is to be done where there is not even a state topic: refused beside events.
fn first_genesis(settings: &Settings, events: &[String]) -> Result<Vec<Step>, Failure> {
    let Settings { kafka, pinned, .. } = settings;
    let found = recover::first_with_events(kafka, &pinned.group_id, events, pinned.partitions);
    match found.map_err(writer_failure)? {
        Some(topic) => Err(writer_failure(Error::StateLost { topic })),
        None => Ok(vec!["write genesis".to_owned()]),
    }
}

fn genesis(settings: &Settings, how: How, events: &[String]) -> Result<Vec<Step>, Failure> {
    let writer = settings.writer()?;
    let mut last = None;
    for _ in 0..GENESIS_ATTEMPTS {
        let state = settings.names.state();
        let admin = Admin::connect(&settings.kafka).map_err(failure)?;
        let (_, end) = admin.offsets(&state, 0).map_err(failure)?;
        match recover::read_genesis(&writer) {
            Ok(genesis) => {
                recover::check_partitions(&genesis, &settings.pinned).map_err(writer_failure)?;
                let view = recover::read_view(&writer).map_err(writer_failure)?;
                if view.is_partial() {
                    return Err(writer_failure(Error::Partial));
                }
                let (steps, controls) = changes(settings, &view, how)?;
                if controls.is_empty() || how.dry_run {
                    return Ok(steps);
                }
                match write_first(settings, &writer.producers, &controls, end) {
                    Ok(true) => return Ok(steps),
                    Ok(false) => continue,
                    Err(error) if error.is_transient() => {
                        last = Some(error);
                        continue;
                    }
                    Err(error) => return Err(failure(error)),
                }
            }
            Err(Error::NotSetUp) => {}
            Err(error) => return Err(writer_failure(error)),
        }
        let steps = first_genesis(settings, events)?;
        if how.dry_run {
            return Ok(steps);
        }
        match write_first(settings, &writer.producers, &[new_genesis(settings)], end) {
            Ok(true) => return Ok(steps),
            Ok(false) => {}
            // Another setup took the epoch, or the answer was lost: the log tells.
            Err(error) if error.is_transient() => last = Some(error),
            Err(error) => return Err(failure(error)),
        }
    }
    let hint = "run setup again once nothing else writes to the state topic";
    let moved = Failure::dependency("somebody else writes to the state topic", hint);
    Err(match last {
        Some(error) => moved.because(error),
        None => moved,
    })
}

/// What is on record and shall be another; what differs and shall not is refused.
fn changes(
    settings: &Settings,
    view: &View,
    how: How,
) -> Result<(Vec<Step>, Vec<Control>), Failure> {
    let (mut steps, mut controls) = (Vec::new(), Vec::new());
    match recover::check_group(view, &settings.pinned) {
        Ok(()) => {}
        Err(Error::Group { ours, theirs }) if how.new_group => {
            refuse_while_live(settings, &theirs)?;
            steps.push(format!("let the workspace belong to the group {ours} instead of {theirs}"));
            controls.push(Control::GroupId(ours));
        }
        Err(error) => return Err(writer_failure(error)),
    }
    match recover::check_host(view, &settings.pinned) {
        Ok(()) => {}
        Err(Error::Host { ours, theirs }) if how.new_host => {
            steps.push(format!("let the workspace belong to {ours} instead of {theirs}"));
            controls.push(Control::BaseUrlHost(ours));
        }
        Err(error) => return Err(writer_failure(error)),
    }
    Ok((steps, controls))
}

/// Two groups give a workspace to two instances, which would push each other out.
fn refuse_while_live(settings: &Settings, group: &str) -> Result<(), Failure> {
    let state = settings.names.state();
    match group::subscriber(&settings.kafka, group, &state).map_err(failure)? {
        None => Ok(()),
        Some(member) => {
            let what = format!(
                "an instance ({}) of the group {group} is live and has a part in the workspace",
                member.host
            );
            let hint = "stop every instance of this deployment first; one that was killed is \
                        given up after some 10 seconds";
            Err(Failure::owned(what, hint))
        }
    }
}

pub(super) fn new_genesis(settings: &Settings) -> Control {
    Control::Genesis(Genesis {
        id: entropy::identity(),
        created_ms: settings.clock.now_ms(),
        partitions: settings.names.pinned_partitions(settings.pinned.partitions),
        group_id: settings.pinned.group_id.clone(),
        base_url_host: settings.pinned.base_url_host.clone(),
    })
}

/// Commits records of the workspace itself, if nothing was committed to the state topic from `end`
/// on. `false`: somebody else has written since, and they were not committed.
pub(super) fn write_first(
    settings: &Settings,
    producers: &Producers,
    controls: &[Control],
    end: i64,
) -> Result<bool, kafka::Error> {
    let deadline = Instant::now() + GENESIS_TIMEOUT;
    let producer = producers.take()?;
    let attempt = || -> Result<bool, kafka::Error> {
        producer.init(deadline)?;
        let Some(end) = still_the_end(settings, end)? else { return Ok(false) };
        producer.begin()?;
        let topic = &settings.names.state();
        for control in controls {
            let (key, value) = (control.key(), control.value());
            let record = Outgoing { topic, partition: 0, key: &key, value: &value, headers: None };
            producer.send(record, deadline)?;
        }
        if producer.drain(deadline)?.first() != Some(&end) {
            return Ok(false);
        }
        producer.commit(deadline)?;
        Ok(true)
    };
    let outcome = attempt();
    producers.retire(producer);
    outcome
}

/// Where the state topic ends, if no record was committed from `end` on. The new epoch has ended
/// what an earlier writer left open when it died, and the marker of that takes an offset.
fn still_the_end(settings: &Settings, end: i64) -> Result<Option<i64>, kafka::Error> {
    let (topic, group) = (settings.names.state(), &settings.pinned.group_id);
    let (_, now) = Admin::connect(&settings.kafka)?.offsets(&topic, 0)?;
    if now == end {
        return Ok(Some(end));
    }
    match Reader::open(&settings.kafka, group, &topic, 0, end)?.next(GENESIS_TIMEOUT)? {
        Next::End => Ok(Some(now)),
        Next::Record { .. } => Ok(None),
        Next::TimedOut => Err(kafka::Error::timed_out("reading the state topic")),
    }
}

/// What a failed call to Kafka means to an operator.
pub(super) fn failure(error: kafka::Error) -> Failure {
    let Passing { failure, .. } = kafka_failure(error);
    failure
}

/// What an error of the writer means to an operator.
pub fn writer_failure(error: Error) -> Failure {
    let hint = error.hint().to_owned();
    match error {
        Error::Kafka(error) => failure(error),
        Error::State(crate::state::Error::NewerFormat { .. }) => {
            Failure::schema("the state topic was written by a newer release", hint).because(error)
        }
        Error::Moved { .. } | Error::TakenOver => {
            Failure::owned("the workspace is owned by another instance", hint).because(error)
        }
        Error::StateLost { .. } | Error::Partial | Error::Replaced => {
            Failure::dependency(error.to_string(), hint)
        }
        Error::Group { .. } => Failure::owned(error.to_string(), hint),
        error => Failure::dependency("the workspace cannot be acquired", hint).because(error),
    }
}
