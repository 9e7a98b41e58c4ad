//! `state rebuild`: takes a lost state from the events.
//!
//! ```text
//!  1. nobody is at work       no member of the group is live
//!  2. nothing is there        the state topic is empty, the event topics are not and are whole
//!  3. genesis and "rebuild"   in one transaction, at the offset seen before step 2
//!  4. acquire                 as every writer does: fresh epoch, barrier
//!  5. read                    events, scan markers, dead letters, to their ends
//!  6. write                   in batches; the last one holds "rebuild, finished"
//! ```
//!
//! Until the last batch the workspace is known to be partial, and every writer refuses it. A crash
//! leaves it so, and the command goes on at step 4 when it is run again: it writes everything once
//! more, over what is there. Events are read behind the barrier, when no earlier transaction can
//! add to them.

use super::Settings;
use super::preflight::{Patience, kafka_failure, registry_failure};
use super::setup::{failure, new_genesis, topics, write_first, writer_failure};
use crate::avro::{self, Subject, registry};
use crate::failure::Failure;
use crate::ingest::rebuild::{Damage, Taken};
use crate::kafka::follower::{Begin, Followed, Follower};
use crate::kafka::topics::Admin;
use crate::publish::{Error, Writer};
use crate::recover;
use crate::state::control::{Genesis, Rebuild};
use crate::state::{Control, View};

/// Somebody else who writes at the same moment is read on the next attempt.
const BEGIN_ATTEMPTS: u32 = 5;

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub events: u64,
    pub entities: u64,
    pub streams: usize,
    pub batches: u64,
}

/// The workspace is ours, and known to be partial.
struct Begun {
    writer: Writer,
    genesis: Genesis,
    view: View,
    started_ms: i64,
}

/// Takes the state from the events; `None`: it is there.
pub async fn rebuild(settings: &Settings, patience: &Patience) -> Result<Option<Rebuilt>, Failure> {
    topics(settings, patience, false).await?;
    let owned = settings.clone();
    let Some(begun) = blocking(move || begin(&owned)).await? else { return Ok(None) };
    tracing::info!(batch = begun.view.batch_no(), "workspace acquired, reading its events");
    let taken = take(settings, begun.genesis.clone()).await?;
    let (events, entities) = (taken.events, taken.entities());
    tracing::info!(events, entities, "events read, writing the state");
    let clock = settings.clock.clone();
    blocking(move || finish(begun, taken, || clock.now_ms())).await.map(Some)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::unexpected("rebuilding").because(error))?
}

fn begin(settings: &Settings) -> Result<Option<Begun>, Failure> {
    let (kafka, pinned) = (&settings.kafka, &settings.pinned);
    let mut writer = settings.writer()?;
    let admin = Admin::connect(kafka).map_err(failure)?;
    let mut last = None;
    for _ in 0..BEGIN_ATTEMPTS {
        let (_, end) = admin.offsets(&settings.names.state(), 0).map_err(failure)?;
        match recover::read_genesis(&writer) {
            Ok(genesis) => {
                recover::check_partitions(&genesis, pinned).map_err(writer_failure)?;
                let view = recover::read_view(&writer).map_err(writer_failure)?;
                recover::check_group(&view, pinned).map_err(writer_failure)?;
                let Some(rebuild) = view.rebuild.as_ref().filter(|_| view.is_partial()) else {
                    return Ok(None);
                };
                let started_ms = rebuild.started_ms;
                check_nobody_is_live(settings, &admin)?;
                let mut view = View::default();
                let session = settings.session();
                recover::acquire_to_rebuild(&mut writer, &mut view, pinned, &session)
                    .map_err(writer_failure)?;
                if !view.is_partial() {
                    // Another rebuild came to its end meanwhile.
                    return Ok(None);
                }
                return Ok(Some(Begun { writer, genesis, view, started_ms }));
            }
            Err(Error::NotSetUp) => {}
            Err(error) => return Err(writer_failure(error)),
        }
        check_nobody_is_live(settings, &admin)?;
        check_histories(settings, &admin)?;
        let events = recover::any_events(&writer, pinned.partitions);
        if events.map_err(writer_failure)?.is_none() {
            let what = "the event topics are empty as well: there is nothing to take a state from";
            return Err(Failure::dependency(what, "run `atlar-ingestor setup`"));
        }
        let started_ms = settings.clock.now_ms();
        let started = Rebuild { started_ms, finished_ms: None, entities: 0 };
        let first = [new_genesis(settings), Control::Rebuild(started)];
        match write_first(settings, &writer.producers, &first, end) {
            Ok(_) => {}
            // Somebody took the epoch, or the answer was lost: the log tells.
            Err(error) if error.is_transient() => last = Some(error),
            Err(error) => return Err(failure(error)),
        }
    }
    let hint = "stop everything else that writes to it, and run `state rebuild` again";
    let moved = Failure::dependency("somebody else writes to the state topic", hint);
    Err(match last {
        Some(error) => moved.because(error),
        None => moved,
    })
}

fn check_nobody_is_live(settings: &Settings, admin: &Admin) -> Result<(), Failure> {
    let group = &settings.pinned.group_id;
    match admin.group_members(group).map_err(failure)? {
        0 => Ok(()),
        members => {
            let what = format!("the group {group} has {members} live member(s)");
            Err(Failure::owned(what, "stop every instance of this deployment first"))
        }
    }
}

/// What was deleted from a history cannot be taken from it: entities would begin anew.
fn check_histories(settings: &Settings, admin: &Admin) -> Result<(), Failure> {
    for topic in settings.names.events() {
        for partition in 0..settings.pinned.partitions {
            let (low, _) = admin.offsets(&topic, partition).map_err(failure)?;
            if low > 0 {
                let what = format!("the beginning of {topic} partition {partition} was deleted");
                return Err(Failure::dependency(what, HISTORY_HINT));
            }
        }
    }
    Ok(())
}

const HISTORY_HINT: &str =
    "a state can be taken from a whole history of our own only; use another kafka.topicPrefix";

/// Reads what was published.
async fn take(settings: &Settings, genesis: Genesis) -> Result<Taken, Failure> {
    let registry = settings.registry()?;
    let mut taken = Taken::new(genesis);
    for subject in Subject::ALL {
        let topic = format!("{}.{}", settings.names.prefix(), subject.topic_suffix());
        let (kafka, group) = (settings.kafka.clone(), settings.pinned.group_id.clone());
        let opened = blocking(move || {
            Follower::open(&kafka, &group, &topic, Begin::Beginning)
                .map_err(|error| kafka_failure(error).failure)
        });
        let mut follower = opened.await?;
        while let Some(record) =
            follower.next().await.map_err(|error| kafka_failure(error).failure)?
        {
            take_one(&mut taken, &registry, subject, &record).await?;
        }
    }
    Ok(taken)
}

async fn take_one(
    taken: &mut Taken,
    registry: &registry::Client,
    subject: Subject,
    record: &Followed,
) -> Result<(), Failure> {
    let foreign = |error: avro::Error| {
        let what = format!("{} holds a record that is not ours", record.topic);
        Failure::dependency(what, HISTORY_HINT).because(error)
    };
    let bytes = record.value.as_deref().unwrap_or_default();
    let (id, datum) = avro::wire_format(bytes).map_err(foreign)?;
    let schema = registry.schema_by_id(id).await;
    let schema = schema.map_err(|error| registry_failure(error).failure)?;
    let outcome = match subject {
        Subject::Entity(entity) => {
            let envelope = avro::decode_envelope(entity, &schema, datum).map_err(foreign)?;
            taken.event(entity, record, &envelope)
        }
        Subject::Scan => taken.marker(record, &avro::decode(&schema, datum).map_err(foreign)?),
        Subject::DeadLetter => {
            taken.letter(record, &avro::decode(&schema, datum).map_err(foreign)?)
        }
    };
    outcome.map_err(|damage: Damage| Failure::dependency(damage.to_string(), HISTORY_HINT))
}

fn finish(begun: Begun, taken: Taken, now_ms: impl Fn() -> i64) -> Result<Rebuilt, Failure> {
    let Begun { mut writer, view, started_ms, .. } = begun;
    let (events, entities) = (taken.events, taken.entities());
    let streams = taken.streams();
    let done = Rebuild { started_ms, finished_ms: Some(now_ms()), entities };
    let mut batches = 0;
    for batch in taken.batches(view.batch_no(), done) {
        writer.commit(batch).map_err(writer_failure)?;
        batches += 1;
    }
    Ok(Rebuilt { events, entities, streams, batches })
}
