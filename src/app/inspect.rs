//! `state inspect` and `state export`: what the state topic says, read by somebody who only looks.
//!
//! Read is the topic and nothing else: not the local store, which belongs to the process that runs.
//! No group is joined, no epoch is raised, so nobody is pushed out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::Settings;
use super::setup::failure;
use crate::domain::Timestamp;
use crate::failure::Failure;
use crate::kafka::reader::{Next, Reader};
use crate::kafka::topics::Admin;
use crate::kafka::{self};
use crate::state::view::Read;
use crate::state::{self, Summary, record, shown};

/// Between two records.
const RECORD_TIMEOUT: Duration = Duration::from_secs(30);

/// What `state inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Everything; where streams are named, those streams only.
    Workspace { streams: Vec<String> },
    /// One entity.
    Entity { entity: String, id: String },
}

/// What the state topic says about what is wanted, as one document. Blocks until it is read.
pub fn inspect(settings: &Settings, wanted: &Wanted) -> Result<Value, Failure> {
    match wanted {
        Wanted::Workspace { streams } => workspace(settings, streams),
        Wanted::Entity { entity, id } => one(settings, entity, id),
    }
}

/// Hands out the state topic as JSON documents: as folded, in the order of keys, control records
/// first; or, `raw`, record by record in the order of offsets. Blocks until it is read.
pub fn export(
    settings: &Settings,
    raw: bool,
    mut print: impl FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if raw {
        return read(settings, |read| print(&shown::document(&read).map_err(unreadable)?));
    }
    let mut last: BTreeMap<Vec<u8>, Read> = BTreeMap::new();
    read(settings, |read| {
        last.insert(read.key.clone(), read);
        Ok(())
    })?;
    // A control record may be taken back by an empty one.
    for read in last.values().filter(|read| read.value.is_some()) {
        print(&shown::document(read).map_err(unreadable)?)?;
    }
    Ok(())
}

fn workspace(settings: &Settings, streams: &[String]) -> Result<Value, Failure> {
    let topic = settings.names.state();
    let offsets = Admin::connect(&settings.kafka).and_then(|admin| admin.offsets(&topic, 0));
    let (first, next) = offsets.map_err(failure)?;
    let mut summary = Summary::default();
    read(settings, |read| summary.apply(&read).map_err(unreadable))?;
    if summary.records == 0 {
        return Err(empty(&topic));
    }
    let shown = streams_of(&summary);
    let unknown = streams.iter().find(|stream| !shown.contains_key(*stream));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = shown.keys().map(String::as_str).collect();
        let hint = format!("the state topic knows: {}", known.join(", "));
        return Err(Failure::usage(format!("there is no stream {unknown}"), hint));
    }
    let wanted = |name: &String| streams.is_empty() || streams.contains(name);
    let shown: BTreeMap<_, _> = shown.into_iter().filter(|(name, _)| wanted(name)).collect();
    let view = &summary.view;
    Ok(json!({
        "topic": topic,
        "first_offset": first,
        "next_offset": next,
        "records": summary.records,
        "genesis": view.genesis,
        "host": view.host(),
        "group": view.group(),
        "organization_id": view.organization,
        "session": view.session.as_ref().map(|session| json!({
            "id": session.id,
            "instance": session.instance,
            "program": session.program,
            "started_at": time(session.started_ms),
        })),
        "last_batch": view.manifest.as_ref().map(|manifest| json!({
            "batch_no": manifest.batch_no,
            "state_records": manifest.state_records,
            "events": manifest.events,
        })),
        "resync": view.resync.as_ref().map(|resync| json!({
            "number": resync.number,
            "ordered_at": time(resync.ordered_ms),
        })),
        "rebuild": view.rebuild.as_ref().map(|rebuild| json!({
            "started_at": time(rebuild.started_ms),
            "finished_at": rebuild.finished_ms.map(time),
            "entities": rebuild.entities,
        })),
        "source": view.source,
        "streams": shown,
        "lists": view.join_lists.iter().collect::<BTreeMap<_, _>>(),
        "facts": {
            "third_parties": view.third_parties.len(),
            "own_identifiers": view.own_identifiers.len(),
            "external_accounts": view.external_accounts.len(),
        },
        "entities": summary.entities.iter().map(|(name, totals)| (name, json!({
            "live": totals.live,
            "deleted": totals.deleted,
            "generations": totals
                .generations
                .iter()
                .map(|(generation, live)| (format!("v{generation}"), *live))
                .collect::<BTreeMap<_, _>>(),
        }))).collect::<BTreeMap<_, _>>(),
    }))
}

/// What is said of each stream, by any kind of record.
fn streams_of(summary: &Summary) -> BTreeMap<String, Value> {
    let view = &summary.view;
    let names: BTreeSet<&String> = summary
        .streams
        .keys()
        .chain(view.cycles.keys())
        .chain(view.generations.keys())
        .chain(view.letters.keys())
        .chain(view.holds.keys())
        .collect();
    let shown = names.into_iter().map(|name| {
        let cycle = view.cycles.get(name);
        let letters = view.letters.get(name).into_iter().flatten();
        let shown = json!({
            "api_version": view.generations.get(name).map(|number| format!("v{number}")),
            "live": summary.streams.get(name).copied().unwrap_or(0),
            "listings": cycle.map(|cycle| cycle.listings),
            "listed": cycle.map(|cycle| cycle.listed),
            "finished_at": cycle.map(|cycle| time(cycle.finished_ms)),
            "stale": cycle.map_or(0, |cycle| cycle.stale.len()),
            "dead_letters": letters.filter(|(_, letter)| letter.live).count(),
            "hold": view.holds.get(name),
        });
        (name.clone(), shown)
    });
    shown.collect()
}

fn one(settings: &Settings, entity: &str, id: &str) -> Result<Value, Failure> {
    let key = record::key(entity, id);
    let mut last = None;
    read(settings, |read| {
        if read.key == key {
            last = Some(read);
        }
        Ok(())
    })?;
    let Some(read) = last else {
        let what = format!("the state topic knows no {entity} with this id");
        let hint = "it was never published; a dead letter may stand for it";
        return Err(Failure::dependency(what, hint));
    };
    let mut document = shown::document(&read).map_err(unreadable)?;
    // Where its last event lies, in full.
    if let Some(event) = document.get_mut("event").and_then(Value::as_object_mut) {
        let topic = format!("{}.{entity}", settings.names.prefix());
        event.insert("topic".to_owned(), json!(topic));
    }
    Ok(document)
}

/// Every committed record of the state topic, up to the end as it is found.
fn read(
    settings: &Settings,
    mut take: impl FnMut(Read) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (topic, group) = (settings.names.state(), &settings.pinned.group_id);
    let reader = Reader::open(&settings.kafka, group, &topic, 0, 0).map_err(failure)?;
    loop {
        match reader.next(RECORD_TIMEOUT).map_err(failure)? {
            Next::Record { offset, key, value } => {
                take(Read { offset, key: key.unwrap_or_default(), value })?;
            }
            Next::End => return Ok(()),
            Next::TimedOut => return Err(failure(kafka::Error::timed_out("reading the state"))),
        }
    }
}

fn empty(topic: &str) -> Failure {
    let hint = "run `atlar-ingestor setup` once; it says so where a state was lost";
    Failure::dependency(format!("{topic} is empty"), hint)
}

fn unreadable(error: state::Error) -> Failure {
    let hint = error.hint();
    match error {
        state::Error::NewerFormat { .. } => Failure::schema(error.to_string(), hint),
        error => Failure::dependency(error.to_string(), hint),
    }
}

fn time(ms: i64) -> String {
    Timestamp(ms).to_string()
}
