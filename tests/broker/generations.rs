//! Both generations of the API, and what cannot become an event, on a real broker.

use atlar_ingestor::avro::{self, Subject};
use atlar_ingestor::domain::Entity;
use atlar_ingestor::simulator::{Generation, Kind};
use serde_json::{Value, json};

use super::bank::{self, Bank};
use super::coherence;
use super::topics::{self, Isolation};
use super::waiting::wait_for;
use super::workspace::Workspace;

const V1: [&str; 2] = ["--set", "apiVersion=v1"];
const V2: [&str; 2] = ["--set", "apiVersion=v2"];

/// A bank whose second generation tells nothing that the first has no word for, but balances.
async fn tidy() -> Bank {
    let mut options = bank::small();
    options.traps.more_in_v2 = false;
    // What an entry was matched with has more exact words in v2.
    options.traps.no_reconciled_in_v2 = false;
    Bank::start(options).await
}

async fn workspace(test: &str) -> Workspace {
    let workspace = Workspace::of(test, tidy().await);
    workspace.setup(&[]).await.ended_with(0);
    workspace
}

/// The events that are neither first ones nor better words for what an entry was matched with.
fn differences(workspace: &Workspace) -> Vec<(String, u64)> {
    let events = workspace.later_events();
    let renamed = |value: &Value| {
        let word = &value["after"]["reconciled_with_type"];
        word.is_string() && *word != json!("EXPECTED_TRANSACTION")
    };
    let told = events.iter().filter(|event| !renamed(&event.value));
    told.map(|event| (event.id.clone(), event.change_no())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_there_and_back_publishes_only_differences() {
    let workspace = workspace("api-move").await;
    let world = workspace.bank.world();
    workspace.once(&V1).await.ended_with(0);
    workspace.every_record_once();

    let moved = workspace.once(&V2).await.ended_with(0);
    assert_eq!(moved.log("stream moves to another API").len(), 7, "{moved}");
    assert_eq!(differences(&workspace), []);
    assert_eq!(workspace.once(&V2).await.ended_with(0).published(), 0);
    coherence::check(&workspace.names);

    // A difference across a move is one.
    let edited = workspace.bank.some(Kind::Transaction, 3);
    world.patch(Kind::Transaction, &edited, &json!({"description": "edited"})).unwrap();
    workspace.once(&V1).await.ended_with(0);
    let told = differences(&workspace);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, edited);
    assert_eq!(workspace.once(&V1).await.ended_with(0).published(), 0);
    coherence::check(&workspace.names);

    // The state outlives the disk: nothing is compared anew.
    std::fs::remove_dir_all(workspace.store()).unwrap();
    assert_eq!(workspace.once(&V1).await.ended_with(0).published(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_speaks_v2_only_is_read_without_being_told() {
    let workspace = workspace("api-v2").await;
    workspace.bank.world().retire_generation(Generation::V1, 410).unwrap();
    workspace.once(&[]).await.ended_with(0);
    let events = workspace.events();
    assert!(events.iter().all(|event| event.value["source"]["api_version"] == "v2"));
    for entity in Entity::ALL {
        assert!(events.iter().any(|event| event.entity == *entity), "{entity}");
    }
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 0);
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_an_event_is_a_letter_and_later_an_event() {
    let workspace = Workspace::small("api-letters").await;
    let (bank, world) = (&workspace.bank, workspace.bank.world());
    let broken = bank.some(Kind::Counterparty, 0);
    let good = world.get(Kind::Counterparty, &broken).unwrap().payload.to_string();
    let too_large = r#"{"id":"ID","organizationId":"ORG","version":99999999999999999999}"#;
    let too_large = too_large.replace("ID", &broken).replace("ORG", &world.organization_id());
    world.put(Kind::Counterparty, &broken, &too_large).unwrap();
    world.put(Kind::ExternalPayment, "odd", "[\"not a record\"]").unwrap();
    let run = workspace.once(&[]).await.ended_with(0);
    run.saying(&["a record cannot become an event"]);
    let letters = || -> Vec<Value> {
        let schema = avro::schema(Subject::DeadLetter).unwrap();
        let records = topics::read(&workspace.names.dead_letter(), Isolation::Committed);
        let decoded = records.iter().map(|record| {
            let (_, datum) = avro::wire_format(record.value.as_deref().unwrap()).unwrap();
            avro::decode(schema, datum).unwrap()
        });
        decoded.collect()
    };
    let mut reasons: Vec<String> =
        letters().iter().map(|letter| letter["reason"].as_str().unwrap().to_owned()).collect();
    reasons.sort();
    assert_eq!(reasons, ["not-an-object", "out-of-range"]);
    let letter = letters().into_iter().find(|letter| letter["id"] == json!(broken)).unwrap();
    assert_eq!(letter["raw"], json!(too_large));
    assert!(workspace.events().iter().all(|event| event.id != broken));

    // Nothing new, nothing published, also without the disk; repaired, it is an event.
    std::fs::remove_dir_all(workspace.store()).unwrap();
    workspace.once(&[]).await.ended_with(0);
    assert_eq!(letters().len(), 2);
    world.put(Kind::Counterparty, &broken, &good).unwrap();
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 1);
    assert!(workspace.events().iter().any(|event| event.id == broken));
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_company_publish_nothing() {
    let workspace = Workspace::small("api-swapped").await;
    workspace.once(&[]).await.ended_with(0);
    let ends = topics::ends(&workspace.names);
    let mut options = bank::small();
    options.seed = 77;
    let other = Bank::start(options).await;
    assert_ne!(other.world().organization_id(), workspace.bank.world().organization_id());
    let swapped = ["--set".to_owned(), format!("baseUrl={}", other.url())];
    let swapped: Vec<&str> = swapped.iter().map(String::as_str).collect();
    let run = workspace.once(&swapped).await.ended_with(4);
    run.saying(&["another organisation", "hint: "]);
    for topic in workspace.names.events() {
        let of_topic = |(place, end): (&(String, i32), &(i64, i64))| {
            (place.0 == topic).then(|| (place.clone(), *end))
        };
        let now = topics::ends(&workspace.names);
        let then: Vec<_> = ends.iter().filter_map(of_topic).collect();
        assert_eq!(now.iter().filter_map(of_topic).collect::<Vec<_>>(), then, "{topic}");
    }
    workspace.every_record_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_move_goes_on_when_an_operator_accepts_it() {
    let workspace = workspace("api-held").await;
    let world = workspace.bank.world();
    workspace.once(&V1).await.ended_with(0);
    let hidden: Vec<String> = world.ids(Kind::Counterparty).into_iter().take(3).collect();
    world.hide_in_v2(Kind::Counterparty, &hidden);
    let held = workspace.once(&V2).await.ended_with(4);
    held.saying(&["v2 lacks 3 of the 8 live records", "state accept-generation"]);

    let accept = ["state", "accept-generation"];
    let other = workspace.start(&accept, &["accounts"]).ended().await.ended_with(4);
    other.saying(&["accounts is not held", "held are: counterparties"]);
    let before = topics::ends(&workspace.names);
    let accepted = workspace.start(&accept, &["counterparties"]).ended().await.ended_with(0);
    assert!(accepted.stdout.contains("moves to v2, which lacked 3 of its 8"), "{accepted}");
    for topic in workspace.names.events() {
        let of = |ends: &std::collections::BTreeMap<(String, i32), (i64, i64)>| {
            ends.iter().filter(|(place, _)| place.0 == topic).map(|e| *e.1).collect::<Vec<_>>()
        };
        assert_eq!(of(&topics::ends(&workspace.names)), of(&before), "{topic}");
    }
    workspace.once(&V2).await.ended_with(0);
    assert_eq!(differences(&workspace), []);
    coherence::check(&workspace.names);
    // It is done: there is nothing more to accept.
    workspace.start(&accept, &["counterparties"]).ended().await.ended_with(4);
}

/// With nothing to publish nothing tells it but the log.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_at_rest_hears_of_an_accepted_move() {
    let workspace = workspace("api-rest").await;
    let world = workspace.bank.world();
    workspace.once(&V1).await.ended_with(0);
    let hidden: Vec<String> = world.ids(Kind::Counterparty).into_iter().take(3).collect();
    world.hide_in_v2(Kind::Counterparty, &hidden);
    workspace.once(&V2).await.ended_with(4);
    let hour = ["--set", "pollingPeriod=1h"];
    let before = world.ends_served("/v1/counterparties");
    let mut running = workspace.run(&[&V2[..], &hour].concat()).await;
    // Held, so it is read as before.
    let look = || (world.ends_served("/v1/counterparties") > before).then_some(());
    wait_for("a listing in v1", look, || running.so_far()).await;
    let accept = ["state", "accept-generation"];
    workspace.start(&accept, &["counterparties"]).ended().await.ended_with(0);
    running.says("workspace acquired", 2).await;
    let ends = || world.ends_served("/payments/v2/counterparties");
    let seen = ends();
    let look = || (ends() > seen).then_some(());
    wait_for("a listing in v2", look, || running.so_far()).await;
    running.stop().await;
}
