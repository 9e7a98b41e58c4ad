//! The main job: everything once, then what changes, and nothing else.

use std::collections::BTreeMap;

use atlar_ingestor::domain::Entity;
use atlar_ingestor::simulator::Kind;
use serde_json::{Value, json};

use super::coherence;
use super::topics::{self, Isolation, Stated};
use super::workspace::Workspace;

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_every_record_once_and_a_second_run_publishes_nothing() {
    let workspace = Workspace::small("life-once").await;
    let truth = workspace.bank.truth();
    let first = workspace.once(&[]).await.ended_with(0);
    assert_eq!(first.published(), truth.len() as u64, "{first}");

    let tail = workspace.start(&["tail", "--exit", "-o", "json"], &[]).ended().await.ended_with(0);
    let mut shown: BTreeMap<(Entity, String), u32> = BTreeMap::new();
    for line in tail.stdout.lines() {
        let document: Value = serde_json::from_str(line).unwrap();
        let (value, source) = (&document["value"], &document["value"]["source"]);
        assert_eq!((&value["op"], &source["change_no"]), (&json!("r"), &json!(1)), "{line}");
        assert_eq!(value["after"]["id"], document["key"], "{line}");
        let entity: Entity = source["entity"].as_str().unwrap().parse().unwrap();
        let id = document["key"].as_str().unwrap().to_owned();
        let version = source["entity_version"].as_u64().unwrap();
        let twice = shown.insert((entity, id), u32::try_from(version).unwrap());
        assert_eq!(twice, None, "shown twice: {line}");
    }
    assert_eq!(shown, truth);
    let text = workspace.start(&["tail", "--exit"], &[]).ended().await.ended_with(0);
    assert_eq!(text.stdout.lines().count(), truth.len(), "{text}");

    let ends = topics::ends(&workspace.names);
    let second = workspace.once(&[]).await.ended_with(0);
    assert_eq!((second.published(), second.acquired().0.as_str()), (0, "used"), "{second}");
    for (place, end) in topics::ends(&workspace.names) {
        // The barrier of the second run lies on the state topic, and nothing else anywhere.
        let more = if place.0 == workspace.names.state() { 2 } else { 0 };
        assert_eq!(end.1, ends[&place].1 + more, "{place:?}");
    }
    workspace.every_record_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_edit_is_one_event_and_a_mere_version_is_none() {
    let workspace = Workspace::small("life-edits").await;
    let (bank, world) = (&workspace.bank, workspace.bank.world());
    workspace.once(&[]).await.ended_with(0);

    let edited = bank.some(Kind::Transaction, 5);
    world.patch(Kind::Transaction, &edited, &json!({"description": "edited"})).unwrap();
    let second = workspace.once(&[]).await.ended_with(0);
    assert_eq!(second.published(), 1, "{second}");
    let later = workspace.later_events();
    assert_eq!(later.len(), 1);
    let event = &later[0];
    assert_eq!((event.entity, event.id.as_str()), (Entity::Payment, edited.as_str()));
    assert_eq!((event.op(), event.change_no()), ("u", 2));
    assert_eq!(event.value["after"]["description"], "edited");
    assert_eq!(event.value["source"]["entity_version"], 2);
    assert_eq!(event.value["source"]["snapshot"], "false");

    // A higher version with equal content: the state takes it over, no consumer hears of it.
    for (kind, number) in [(Kind::Transaction, 7), (Kind::Account, 0), (Kind::Counterparty, 3)] {
        world.edit(kind, &bank.some(kind, number), |_| {}).unwrap();
    }
    let third = workspace.once(&[]).await.ended_with(0);
    assert_eq!(third.published(), 0, "{third}");
    let bumped = bank.some(Kind::Transaction, 7);
    let stated = last_state(&workspace, Entity::Payment, &bumped);
    assert_eq!((stated.version, stated.change_no), (Some(2), 1));

    // A match, and a match that is undone.
    let matched = bank.some(Kind::Transaction, 9);
    let status_of = |number: u64| {
        let later = workspace.later_events();
        let found = later.into_iter().find(|e| e.id == matched && e.change_no() == number);
        found.map(|event| event.value["after"]["reconciliation_status"].clone())
    };
    let before = world.get(Kind::Transaction, &matched).unwrap().payload;
    let first_undone = before["reconciliation"]["status"] == "RECONCILED";
    let deeds: [bool; 2] = [!first_undone, first_undone];
    for (reconcile, change_no) in deeds.into_iter().zip(2..) {
        let deed = if reconcile { world.reconcile(&matched) } else { world.unreconcile(&matched) };
        deed.unwrap();
        let run = workspace.once(&[]).await.ended_with(0);
        assert!(run.published() >= 1, "{run}");
        let expected = if reconcile { "RECONCILED" } else { "BOOKED" };
        assert_eq!(status_of(change_no), Some(json!(expected)), "change {change_no}");
    }
}

fn last_state(
    workspace: &Workspace,
    entity: Entity,
    id: &str,
) -> atlar_ingestor::state::StateRecord {
    let wanted = |stated| match stated {
        (_, Stated::Entity { entity: e, id: i, record }) if e == entity && i == id => Some(record),
        _ => None,
    };
    topics::state(&workspace.names).into_iter().filter_map(wanted).next_back().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_process_publishes_what_changes_and_shows_it() {
    let workspace = Workspace::small("life-run").await;
    let total = workspace.bank.truth().len();
    let running = workspace.run(&[]).await;
    let mut feed = topics::Feed::open(&workspace.names);
    feed.until("the first load", |events| events.len() == total);
    let created = workspace.bank.world().create_transaction(None, Some(-12_345)).unwrap();
    let changed = |event: &topics::Event| event.id == created;
    feed.until("the new entry", |events| events.iter().any(changed));
    let event = feed.events.iter().find(|event| changed(event)).unwrap();
    assert_eq!((event.op(), event.change_no()), ("c", 1));
    assert_eq!(event.value["after"]["amount"]["minor_units"], -12_345);

    let status = workspace.status(&running).await;
    assert_eq!(status["phase"], "ready", "{status}");
    assert_eq!(status["acquisitions"], 1, "{status}");
    assert!(status["events"].as_u64().unwrap() >= total as u64, "{status}");
    running.stop().await;
    // Nobody interfered: not even a reader of uncommitted data sees more.
    assert_eq!(topics::events(&workspace.names, Isolation::Uncommitted), workspace.events());
    coherence::check(&workspace.names);
}
