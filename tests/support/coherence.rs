//! What must hold of a workspace's topics at any moment of rest, whatever happened before.

use std::collections::BTreeMap;

use atlar_ingestor::domain::Entity;
use atlar_ingestor::publish::Names;
use atlar_ingestor::state::control::Manifest;
use atlar_ingestor::state::{Control, StateRecord};

use super::topics::{self, Event, Isolation, Record, Stated};

/// Checks the state topic against itself and against the events. Returns the number of the last
/// batch. Where the state was rebuilt, the manifests of the batches before are lost, and their
/// events are told by their state records alone.
pub fn check(names: &Names) -> u64 {
    let events = topics::events(names, Isolation::Committed);
    let state = topics::state(names);
    let manifests = check_chain(&state);
    let letters = topics::read(&names.dead_letter(), Isolation::Committed);
    for manifest in &manifests {
        check_manifest(names, manifest, &events, &letters);
    }
    let last = manifests.last().map_or(0, |manifest| manifest.batch_no);
    let batched = events.iter().filter(|event| event.batch_no() > last);
    assert_eq!(batched.count(), 0, "an event of a batch that has no manifest");
    let fold = check_locations(names, &state, &events);
    check_fold(&fold, &events);
    assert_eq!(topics::hanging(names), [], "a transaction hangs there");
    last
}

/// Batches are numbered 1, 2, 3 …, and each manifest counts the records before it. In a state that
/// was rebuilt, the numbers go on from those of the events.
fn check_chain(state: &[(i64, Stated)]) -> Vec<Manifest> {
    assert!(matches!(state[0].1, Stated::Control(Control::Genesis(_))), "{:?}", state[0]);
    let mut manifests: Vec<Manifest> = Vec::new();
    let (mut records, mut session) = (0, None);
    let begun =
        |(_, stated): &&(i64, Stated)| matches!(stated, Stated::Control(Control::Rebuild(_)));
    let rebuilt = state.get(1).filter(begun).is_some();
    for (offset, stated) in state.iter().skip(if rebuilt { 2 } else { 1 }) {
        match stated {
            Stated::Control(Control::Genesis(_)) => panic!("a second genesis at {offset}"),
            Stated::Control(Control::Session(found)) => {
                assert_eq!(records, 0, "records of no batch before {offset}");
                session = Some(found.id);
            }
            Stated::Control(Control::Manifest(manifest)) => {
                let first = if rebuilt { manifest.batch_no } else { 1 };
                let expected = manifests.last().map_or(first, |last| last.batch_no + 1);
                assert_eq!(manifest.batch_no, expected, "at {offset}");
                assert_eq!(manifest.state_records, records, "at {offset}");
                assert_eq!(Some(manifest.session), session, "at {offset}");
                manifests.push(manifest.clone());
                records = 0;
            }
            // By a setup, without a batch.
            Stated::Control(Control::BaseUrlHost(_) | Control::GroupId(_)) => {
                assert_eq!(records, 0, "records of no batch before {offset}");
            }
            Stated::Control(_) | Stated::Entity { .. } => records += 1,
        }
    }
    assert_eq!(records, 0, "records of no batch at the end");
    manifests
}

/// A manifest says which events its batch has, and where the last of them lie.
fn check_manifest(names: &Names, manifest: &Manifest, events: &[Event], letters: &[Record]) {
    let changes = events.iter().map(|event| (names.entity(event.entity), &event.record));
    let letters = letters.iter().map(|letter| (names.dead_letter(), letter));
    let batch_no = manifest.batch_no.to_string();
    let of_batch = |(_, record): &(String, &Record)| record.headers["atlar_batch"] == batch_no;
    let mut totals: BTreeMap<(String, i32), (u32, i64)> = BTreeMap::new();
    let (mut count, mut xor) = (0, 0);
    for (topic, record) in changes.chain(letters).filter(of_batch) {
        let total = totals.entry((topic, record.partition)).or_insert((0, -1));
        *total = (total.0 + 1, total.1.max(record.offset));
        count += 1;
        let id = record.headers["ce_id"].replace('-', "");
        xor ^= u64::from_str_radix(&id[..16], 16).unwrap();
    }
    let said: BTreeMap<_, _> = manifest
        .partitions
        .iter()
        .map(|total| ((total.topic.clone(), total.partition), (total.count, total.last_offset)))
        .collect();
    assert_eq!((manifest.events, &said), (count, &totals), "batch {}", manifest.batch_no);
    assert_eq!(manifest.change_xor, format!("{xor:016x}"), "batch {}", manifest.batch_no);
}

/// Every state record points to the event it stands for. Returns the last one of each entity.
fn check_locations<'a>(
    names: &Names,
    state: &'a [(i64, Stated)],
    events: &[Event],
) -> BTreeMap<(Entity, &'a str), &'a StateRecord> {
    let places: BTreeMap<(&str, i32, i64), &Event> = events
        .iter()
        .map(|event| (&event.record, event))
        .map(|(record, event)| ((&*record.topic, record.partition, record.offset), event))
        .collect();
    let mut fold = BTreeMap::new();
    for (offset, stated) in state {
        let Stated::Entity { entity, id, record } = stated else { continue };
        let location = record.event.unwrap_or_else(|| panic!("no event for {entity} {id}"));
        let topic = names.entity(*entity);
        let event = places.get(&(&*topic, location.partition, location.offset));
        let event = event.unwrap_or_else(|| panic!("{topic} {location:?}: no event, at {offset}"));
        assert_eq!((event.id.as_str(), event.change_no()), (id.as_str(), record.change_no));
        assert_eq!(event.value["source"]["stream"], record.stream.as_str());
        fold.insert((*entity, id.as_str()), record);
    }
    fold
}

/// The state of each entity is its last event, and its events are numbered 1, 2, 3 ….
fn check_fold(fold: &BTreeMap<(Entity, &str), &StateRecord>, events: &[Event]) {
    let mut last: BTreeMap<(Entity, &str), &Event> = BTreeMap::new();
    for event in events {
        let before = last.insert((event.entity, &event.id), event);
        let expected = before.map_or(0, Event::change_no) + 1;
        assert_eq!(event.change_no(), expected, "{event:?} after {before:?}");
    }
    assert!(fold.keys().eq(last.keys()), "the state is not of the published entities");
    for (key, record) in fold {
        let event = last[key];
        assert_eq!(event.change_no(), record.change_no, "{event:?}");
        // What was compared by its meaning has another fingerprint in another generation, and what
        // followed without an event may have one by other rules.
        let generation = format!("v{}", record.generation);
        let rules = format!("{}:", record.algorithm);
        if event.value["source"]["api_version"] == generation.as_str()
            && event.fingerprint().starts_with(&rules)
        {
            let fingerprint = format!("{}:{}", record.algorithm, record.fingerprint);
            assert_eq!(event.fingerprint(), fingerprint, "{event:?}");
        }
    }
}
