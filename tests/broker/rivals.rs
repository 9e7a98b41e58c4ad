//! Somebody else on our topics, whom no group keeps away: another writer of ours, a foreign one, a
//! writer that slept.

use std::collections::BTreeMap;

use atlar_ingestor::change::Fingerprint;
use atlar_ingestor::domain::{Entity, Op};
use atlar_ingestor::entropy;
use atlar_ingestor::kafka::Options;
use atlar_ingestor::publish::{Batch, Error, Event, Names, What, Write, Writer};
use atlar_ingestor::recover::{self, Pinned};
use atlar_ingestor::simulator::Kind;
use atlar_ingestor::state::control::Session;
use atlar_ingestor::state::record::{self, StateRecord};
use atlar_ingestor::state::{self, View};
use serde_json::json;

use super::topics::{self, Feed, Isolation};
use super::workspace::{PARTITIONS, Workspace};
use super::{coherence, services};

const AGAIN: &str = "the batch is not known to be committed, acquiring the workspace again";

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_no_group_keeps_away_costs_acquisitions_and_nothing_else() {
    let workspace = Workspace::small("rivals-copies").await;
    let slow = ["--set", "requests.perSecond=8", "--set", "pageSize=10"];
    let mut running = workspace.run(&slow).await;
    for times in 1..=2 {
        // It takes the workspace without asking anybody, and writes nothing more.
        acquire(&workspace.names, &mut writer(&workspace.names), &mut View::default());
        running.says(AGAIN, times).await;
        running.says("workspace acquired", times + 1).await;
    }
    let total = workspace.bank.truth().len();
    Feed::open(&workspace.names).until("all of the bank", |events| events.len() == total);
    running.stop().await;
    workspace.every_record_once();
    coherence::check(&workspace.names);
    let last = workspace.once(&[]).await.ended_with(0);
    assert_eq!(last.published(), 0, "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_record_costs_an_acquisition_and_damage_stops_us() {
    let workspace = Workspace::small("rivals-foreign").await;
    let total = workspace.bank.truth().len();
    let mut running = workspace.run(&[]).await;
    let mut feed = Feed::open(&workspace.names);
    feed.until("the first load", |events| events.len() == total);
    let state = workspace.names.state();
    // One that we pass over: a kind of control record that a later release may add.
    topics::append(&state, b"\0Z/later", b"\x01{}");
    let world = workspace.bank.world();
    let edited = workspace.bank.some(Kind::Transaction, 3);
    world.patch(Kind::Transaction, &edited, &json!({"description": "one"})).unwrap();
    let again = running.says(AGAIN, 1).await;
    let why = again["message"].as_str().unwrap();
    assert!(why.contains("somebody else wrote to the state topic"), "{again}");
    feed.until("the edit", |events| events.len() > total);
    assert_eq!(feed.events.len(), total + 1);
    assert_eq!((feed.events[total].id.as_str(), feed.events[total].change_no()), (&*edited, 2));

    // One that is not ours: from here on we do not know what was published.
    topics::append(&state, b"payment\0foreign", b"\0not a state record");
    world.patch(Kind::Transaction, &edited, &json!({"description": "two"})).unwrap();
    let offset = topics::read(&state, Isolation::Committed).last().unwrap().offset;
    let damage = format!("the record at offset {offset} of the state topic is damaged");
    let texts = ["error: the workspace cannot be acquired", &damage, "hint: ", "ACLs"];
    let ended = running.ended().await.ended_with(4).saying(&texts);
    assert!(ended.stderr.lines().last().unwrap().starts_with("hint: "), "{ended}");
    workspace.once(&[]).await.ended_with(4).saying(&texts);
    assert_eq!(workspace.events().len(), total + 1, "published on a state that is damaged");
}

pub fn writer(names: &Names) -> Writer {
    let options = Options { bootstrap_servers: services::bootstrap(), properties: BTreeMap::new() };
    Writer::new(options, names.prefix().to_owned(), names.clone()).unwrap()
}

fn acquire(names: &Names, writer: &mut Writer, view: &mut View) {
    try_acquire(names, writer, view).unwrap();
}

pub fn try_acquire(names: &Names, writer: &mut Writer, view: &mut View) -> Result<(), Error> {
    let pinned = Pinned {
        group_id: names.prefix().to_owned(),
        base_url_host: "127.0.0.1".to_owned(),
        partitions: PARTITIONS,
    };
    let session = Session {
        id: entropy::identity(),
        instance: "a test".to_owned(),
        started_ms: 0,
        program: "a test".to_owned(),
    };
    recover::acquire(writer, view, None, &pinned, &session).map(drop)
}

/// A batch with one event, named by its key and value.
pub fn batch(names: &Names, batch_no: u64, id: &str) -> Batch {
    let (entity, change_no) = (Entity::Payment, 1);
    let event = Event {
        topic: names.entity(entity),
        partition: 0,
        key: id.into(),
        value: id.into(),
        headers: None,
        id: entropy::identity(),
        what: What::Change { entity, op: Op::Create },
        change_no,
    };
    let record = StateRecord {
        deleted: false,
        quarantined: false,
        algorithm: 1,
        generation: 1,
        event: None,
        change_no,
        fingerprint: Fingerprint([1; 16]),
        version: Some(1),
        batch_no,
        resync: 0,
        stream: "payments/a".to_owned(),
    };
    let key = record::key(entity.as_str(), id);
    let write = Write::Entity { key, record, event: Some(0) };
    Batch { batch_no, events: vec![event], writes: vec![write] }
}

fn payments(names: &Names, isolation: Isolation) -> Vec<String> {
    let records = topics::read(&names.entity(Entity::Payment), isolation);
    records.into_iter().map(|record| String::from_utf8(record.key).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_commits_nothing() {
    let workspace = Workspace::small("rivals-zombie").await;
    let names = &workspace.names;
    let (mut zombie, mut zombie_view) = (writer(names), View::default());
    acquire(names, &mut zombie, &mut zombie_view);
    let (mut owner, mut view) = (writer(names), View::default());
    acquire(names, &mut owner, &mut view);

    // It takes the epoch, writes, finds its records in another place, and does not commit.
    let error = zombie.commit(batch(names, 1, "stale")).unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error:?}");
    assert_eq!(payments(names, Isolation::Committed), [""; 0]);
    assert_eq!(payments(names, Isolation::Uncommitted), ["stale"], "it has not even tried");

    // What the zombie left in the log costs the owner an acquisition, and nothing else.
    let error = owner.commit(batch(names, 1, "early")).unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error:?}");
    acquire(names, &mut owner, &mut view);
    assert_eq!(view.batch_no(), 0);
    let reads = owner.commit(batch(names, 1, "good")).unwrap();
    assert_eq!(payments(names, Isolation::Committed), ["good"]);
    let read_back: Vec<i64> = reads.iter().map(|read| read.offset).collect();
    let committed = topics::read(&names.state(), Isolation::Committed);
    let tail: Vec<i64> = committed.iter().rev().take(2).rev().map(|r| r.offset).collect();
    assert_eq!(read_back, tail);

    // It knows that the workspace is not its own, and learns the owner's batch on its way back.
    let error = zombie.commit(batch(names, 1, "again")).unwrap_err();
    assert!(matches!(error, Error::TakenOver), "{error:?}");
    acquire(names, &mut zombie, &mut zombie_view);
    assert_eq!(zombie_view.batch_no(), 1);
    zombie.commit(batch(names, 2, "fresh")).unwrap();
    let error = owner.commit(batch(names, 2, "late")).unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error:?}");
    assert_eq!(payments(names, Isolation::Committed), ["good", "fresh"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_number_that_does_not_rise_is_refused() {
    let workspace = Workspace::small("rivals-chain").await;
    let names = &workspace.names;
    let (mut first, mut view) = (writer(names), View::default());
    acquire(names, &mut first, &mut view);
    first.commit(batch(names, 1, "a")).unwrap();
    // A second history: the same number once more.
    first.commit(batch(names, 1, "b")).unwrap();
    let mut view = View::default();
    let reads = topics::read(&names.state(), Isolation::Committed);
    let reads = reads.into_iter().map(|record| state::view::Read {
        offset: record.offset,
        key: record.key,
        value: record.value,
    });
    let outcome = reads.map(|read| view.apply(&read)).find(Result::is_err);
    assert!(matches!(outcome, Some(Err(state::Error::Chain { batch_no: 1, .. }))), "{outcome:?}");
    let run = workspace.once(&[]).await.ended_with(4);
    run.saying(&["batch 1 at offset", "does not follow the one before", "hint: "]);
}
