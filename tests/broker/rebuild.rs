//! A state topic that was lost, and the events that are left.

use atlar_ingestor::domain::Entity;
use atlar_ingestor::publish::Names;
use atlar_ingestor::simulator::{Generation, Kind};
use atlar_ingestor::state::Control;
use atlar_ingestor::state::control::Rebuild;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};

use super::bank::{self, Bank};
use super::coherence;
use super::program::Done;
use super::services;
use super::topics::{self, Isolation, Stated};
use super::waiting::wait_for;
use super::workspace::Workspace;

/// Deletes the state topic, or makes it anew and empty.
async fn lose_state(workspace: &Workspace) {
    let state = workspace.names.state();
    let deleted = topics::admin().delete_topics(&[&state], &topics::admin_options()).await;
    deleted.unwrap().pop().unwrap().unwrap();
    let gone = || (!topics::exists(&state)).then_some(());
    wait_for("the state topic to be gone", gone, || state.clone()).await;
}

async fn empty_state(workspace: &Workspace) {
    lose_state(workspace).await;
    let state = workspace.names.state();
    let new = NewTopic::new(&state, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    let made = topics::admin().create_topics(&[new], &topics::admin_options()).await;
    made.unwrap().pop().unwrap().unwrap();
    let made = || topics::exists(&state).then_some(());
    wait_for("the new state topic", made, || state.clone()).await;
}

async fn rebuild(workspace: &Workspace) -> Done {
    workspace.start(&["state", "rebuild"], &[]).ended().await
}

/// The ends of everything but the state topic.
fn published_ends(names: &Names) -> Vec<((String, i32), (i64, i64))> {
    let ends = topics::ends(names).into_iter();
    ends.filter(|(place, _)| place.0 != names.state()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_is_taken_from_the_events_and_nothing_is_published_again() {
    let workspace = Workspace::small("rebuild-lost").await;
    let (bank, world) = (&workspace.bank, workspace.bank.world());
    workspace.once(&[]).await.ended_with(0);
    let edited = bank.some(Kind::Transaction, 5);
    world.patch(Kind::Transaction, &edited, &json!({"description": "edited"})).unwrap();
    world.create_transaction(None, Some(-77)).unwrap();
    workspace.once(&[]).await.ended_with(0);
    // A version that moved without content: the state alone knew it.
    world.edit(Kind::Account, &bank.some(Kind::Account, 0), |_| {}).unwrap();
    workspace.once(&[]).await.ended_with(0);
    let ends = published_ends(&workspace.names);

    empty_state(&workspace).await;
    let refusal = ["the state topic is empty, but", "holds events", "hint: ", "state rebuild"];
    workspace.once(&[]).await.ended_with(4).saying(&refusal);
    workspace.start(&["run"], &[]).ended().await.ended_with(4).saying(&refusal);
    workspace.setup(&[]).await.ended_with(4).saying(&refusal);
    assert!(topics::state(&workspace.names).is_empty(), "something was written");

    let rebuilt = rebuild(&workspace).await.ended_with(0);
    let (entities, events) = (bank.truth().len(), workspace.events().len());
    let said = format!("from {events} events: {entities} entities of");
    assert!(rebuilt.stdout.contains(&said), "{rebuilt}");
    coherence::check(&workspace.names);
    assert_eq!(published_ends(&workspace.names), ends, "a rebuild published something");
    let again = rebuild(&workspace).await.ended_with(0);
    assert_eq!(again.stdout, "nothing to do: the state is there\n");
    let setup = workspace.setup(&[]).await.ended_with(0);
    assert!(setup.stdout.starts_with("nothing to do"), "{setup}");

    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), 0, "{run}");
    assert_eq!(run.acquired().0, "rebuilt", "the store of the lost state was believed: {run}");
    world.patch(Kind::Transaction, &edited, &json!({"description": "again"})).unwrap();
    let new = world.create_transaction(None, Some(-78)).unwrap();
    // The entry moves a balance as well.
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 3);
    let balances = |event: &&topics::Event| event.entity == Entity::Balance;
    assert_eq!(workspace.later_events().iter().filter(balances).count(), 2);
    let later = workspace.later_events();
    let last = later.iter().rfind(|event| event.id == edited).unwrap();
    assert_eq!((last.op(), last.change_no()), ("u", 3));
    let event = workspace.events().into_iter().find(|event| event.id == new).unwrap();
    assert_eq!((event.op(), event.change_no()), ("c", 1));
    coherence::check(&workspace.names);
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_topic_that_is_missing_is_created_and_letters_are_not_written_twice() {
    let workspace = Workspace::small("rebuild-letters").await;
    let (bank, world) = (&workspace.bank, workspace.bank.world());
    let broken = bank.some(Kind::Counterparty, 0);
    let good = world.get(Kind::Counterparty, &broken).unwrap().payload.to_string();
    let organization = world.organization_id();
    for version in ["99999999999999999999", "99999999999999999998"] {
        let bad =
            format!(r#"{{"id":"{broken}","organizationId":"{organization}","version":{version}}}"#);
        world.put(Kind::Counterparty, &broken, &bad).unwrap();
        world.put(Kind::ExternalPayment, "odd", "[\"not a record\"]").unwrap();
        workspace.once(&[]).await.ended_with(0);
    }
    let letters = || topics::read(&workspace.names.dead_letter(), Isolation::Committed).len();
    assert_eq!(letters(), 3);

    lose_state(&workspace).await;
    rebuild(&workspace).await.ended_with(0);
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!((run.published(), letters()), (0, 3), "{run}");
    world.put(Kind::Counterparty, &broken, &good).unwrap();
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 1);
    let state = topics::state(&workspace.names);
    let cleared = state.iter().rev().find_map(|(_, stated)| match stated {
        Stated::Control(Control::DeadLetter { id, letter, .. }) if *id == broken => letter.clone(),
        _ => None,
    });
    let cleared = cleared.unwrap();
    assert_eq!((cleared.change_no, cleared.live), (2, false), "numbers go on");
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_was_read_in_v2_goes_on_in_v2() {
    let workspace = Workspace::of("rebuild-v2", Bank::start(bank::small()).await);
    workspace.setup(&[]).await.ended_with(0);
    let world = workspace.bank.world();
    world.retire_generation(Generation::V1, 410).unwrap();
    workspace.once(&[]).await.ended_with(0);
    empty_state(&workspace).await;
    rebuild(&workspace).await.ended_with(0);
    let state = topics::state(&workspace.names);
    let generation = |(_, stated): &(i64, Stated)| match stated {
        Stated::Control(Control::Generation { stream, generation }) => {
            Some((stream.clone(), *generation))
        }
        _ => None,
    };
    let generations: Vec<_> = state.iter().filter_map(generation).collect();
    assert!(generations.iter().all(|(_, generation)| *generation == 2), "{generations:?}");
    for stream in ["accounts", "balances", "counterparties"] {
        assert!(generations.iter().any(|(name, _)| name == stream), "{generations:?}");
    }
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), 0, "{run}");
    let edited = workspace.bank.some(Kind::Counterparty, 2);
    world.patch(Kind::Counterparty, &edited, &json!({"legalName": "Edited"})).unwrap();
    workspace.once(&[]).await.ended_with(0);
    let later = workspace.later_events();
    assert_eq!(later.iter().map(|event| event.change_no()).collect::<Vec<_>>(), [2]);
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_moved_silently_moves_again_silently() {
    // What an entry was matched with has more exact words in v2, which are differences.
    let mut options = bank::small();
    options.traps.more_in_v2 = false;
    options.traps.no_reconciled_in_v2 = false;
    let workspace = Workspace::of("rebuild-moved", Bank::start(options).await);
    workspace.setup(&[]).await.ended_with(0);
    workspace.once(&["--set", "apiVersion=v1"]).await.ended_with(0);
    workspace.once(&["--set", "apiVersion=v2"]).await.ended_with(0);
    let ends = published_ends(&workspace.names);
    empty_state(&workspace).await;
    rebuild(&workspace).await.ended_with(0);
    for _ in 0..2 {
        let run = workspace.once(&["--set", "apiVersion=v2"]).await.ended_with(0);
        assert_eq!(run.published(), 0, "{run}");
    }
    assert_eq!(published_ends(&workspace.names), ends);
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_broke_off_is_no_workspace_until_it_is_run_again() {
    let workspace = Workspace::small("rebuild-part").await;
    workspace.once(&[]).await.ended_with(0);
    empty_state(&workspace).await;
    rebuild(&workspace).await.ended_with(0);
    // The topic as a crash before the last batch leaves it.
    let state = topics::read(&workspace.names.state(), Isolation::Committed);
    empty_state(&workspace).await;
    let part = &state[..state.len() - 40];
    let started = Rebuild { started_ms: 1, finished_ms: None, entities: 0 };
    assert!(part.iter().any(|record| record.key == Control::Rebuild(started.clone()).key()));
    for record in part {
        let value = record.value.as_deref().unwrap();
        topics::append(&workspace.names.state(), &record.key, value);
    }
    let before = topics::state(&workspace.names).len();
    let refusal = ["only a part of it", "hint: ", "state rebuild"];
    workspace.once(&[]).await.ended_with(4).saying(&refusal);
    workspace.once(&["--dry-run"]).await.ended_with(4).saying(&refusal);
    workspace.start(&["run"], &[]).ended().await.ended_with(4).saying(&refusal);
    workspace.setup(&[]).await.ended_with(4).saying(&refusal);
    assert_eq!(topics::state(&workspace.names).len(), before, "a refused start wrote something");

    rebuild(&workspace).await.ended_with(0);
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), 0, "{run}");
    workspace.every_record_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_rebuilt_beside_a_live_member_nor_from_nothing() {
    let workspace = Workspace::small("rebuild-live").await;
    empty_state(&workspace).await;
    let nothing = rebuild(&workspace).await.ended_with(4);
    nothing.saying(&["event topics are empty as well", "atlar-ingestor setup"]);
    workspace.setup(&[]).await.ended_with(0);
    workspace.once(&[]).await.ended_with(0);
    empty_state(&workspace).await;

    // A group of its own: another test's deployment has the usual one.
    let group = format!("live-{}", workspace.names.prefix());
    let member: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", services::bootstrap())
        .set("group.id", &group)
        .create()
        .unwrap();
    member.subscribe(&[&workspace.names.state()]).unwrap();
    let joined = || {
        let _ = member.poll(std::time::Duration::from_millis(20));
        let assigned = member.assignment().unwrap().count();
        (assigned == 1).then_some(())
    };
    wait_for("a member of the group", joined, || group.clone()).await;
    let named = ["--set".to_owned(), format!("kafka.groupId={group}")];
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let refused = workspace.start(&["state", "rebuild"], &named).ended().await.ended_with(6);
    refused.saying(&["has 1 live member(s)", "stop every instance"]);
    assert!(topics::state(&workspace.names).is_empty(), "something was written");
    drop(member);
    rebuild(&workspace).await.ended_with(0);
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_is_run_again() {
    let workspace = Workspace::small("rebuild-killed").await;
    workspace.once(&[]).await.ended_with(0);
    empty_state(&workspace).await;
    let genesis = |state: &[(i64, Stated)]| match &state[0].1 {
        Stated::Control(Control::Genesis(genesis)) => genesis.id,
        other => panic!("{other:?}"),
    };
    let mut first = None;
    for line in ["workspace acquired", "events read", "workspace acquired"] {
        let mut running = workspace.start(&["state", "rebuild"], &[]);
        // One that ended before this line found that another had come to its end: not so here.
        running.says(line, 1).await;
        running.kill();
        let state = topics::state(&workspace.names);
        assert_eq!(genesis(&state), *first.get_or_insert(genesis(&state)), "a second genesis");
        let finished = |(_, stated): &(i64, Stated)| match stated {
            Stated::Control(Control::Rebuild(rebuild)) => rebuild.finished_ms.is_some(),
            _ => false,
        };
        if state.iter().any(finished) {
            break;
        }
        workspace.once(&[]).await.ended_with(4).saying(&["only a part of it", "state rebuild"]);
    }
    rebuild(&workspace).await.ended_with(0);
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 0);
    workspace.every_record_once();
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_rebuilds_at_once_one_state_is_left() {
    let workspace = Workspace::small("rebuild-race").await;
    workspace.once(&[]).await.ended_with(0);
    empty_state(&workspace).await;
    let racers = [(); 3].map(|()| workspace.start(&["state", "rebuild"], &[]));
    let mut ended = Vec::new();
    for racer in racers {
        let done = racer.ended().await;
        // The slower ones find it done, are pushed out, or lose the epoch.
        assert!([0, 4, 6].contains(&done.code), "{done}");
        ended.push(done.code);
    }
    let last = rebuild(&workspace).await.ended_with(0);
    assert!(ended.contains(&0) || !last.stdout.starts_with("nothing"), "{ended:?} {last}");
    coherence::check(&workspace.names);
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 0);
    workspace.every_record_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_outlives_its_state_topic_publishes_nothing_twice() {
    let workspace = Workspace::small("rebuild-outlived").await;
    let (bank, world) = (&workspace.bank, workspace.bank.world());
    let total = bank.truth().len();
    let running = workspace.run(&[]).await;
    let mut feed = topics::Feed::open(&workspace.names);
    feed.until("the first load", |events| events.len() == total);
    empty_state(&workspace).await;
    rebuild(&workspace).await.ended_with(6);
    // Asleep for so long that its group has given it up.
    running.signal("STOP");
    workspace.without_owner().await;
    rebuild(&workspace).await.ended_with(0);
    let edited = bank.some(Kind::Transaction, 5);
    world.patch(Kind::Transaction, &edited, &json!({"description": "edited"})).unwrap();
    running.signal("CONT");
    running.ended().await.ended_with(4).saying(&["the state topic is not the one of before"]);
    workspace.every_record_once();
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), 1, "{run}");
    let later = workspace.later_events();
    assert_eq!((later.len(), later[0].id.as_str(), later[0].change_no()), (1, &*edited, 2));
    coherence::check(&workspace.names);
}

/// What differs from run to run, by a word for it.
fn settled(workspace: &Workspace, text: &str) -> String {
    text.replace(workspace.names.prefix(), "PREFIX")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_state_topic_says_is_shown_without_disturbing_anybody() {
    let workspace = Workspace::small("rebuild-inspect").await;
    let bank = &workspace.bank;
    let empty = Workspace::bare("rebuild-inspect-none").await;
    let missing = empty.start(&["state", "inspect"], &[]).ended().await.ended_with(4);
    missing.saying(&["does not exist", "hint: "]);
    workspace.once(&[]).await.ended_with(0);
    let mut running = workspace.run(&[]).await;
    let ends = topics::ends(&workspace.names);

    let json = ["-o", "json"];
    let inspect = workspace.start(&["state", "inspect"], &json).ended().await.ended_with(0);
    let document: Value = serde_json::from_str(&inspect.stdout).unwrap();
    let truth = bank.truth();
    for (entity, totals) in document["entities"].as_object().unwrap() {
        let live = truth.keys().filter(|(found, _)| found.as_str() == entity).count();
        let expected = json!({ "live": live, "deleted": 0, "generations": { "v1": live } });
        assert_eq!(totals, &expected, "{entity}");
    }
    assert_eq!(document["entities"].as_object().unwrap().len(), 5, "{document}");
    assert_eq!(document["topic"], json!(workspace.names.state()));
    assert_eq!(document["organization_id"], json!(bank.world().organization_id()));
    assert_eq!(document["host"], json!("127.0.0.1"));
    assert_eq!(document["genesis"]["group_id"], json!(workspace.names.prefix()));
    assert_eq!(document["source"], json!("external-payments"));
    assert_eq!(document["session"]["program"], json!(env!("CARGO_PKG_VERSION")));
    let batch_no = coherence::check(&workspace.names);
    assert_eq!(document["last_batch"]["batch_no"], json!(batch_no));
    let counterparties = &document["streams"]["counterparties"];
    let expected = json!({ "api_version": "v1", "live": 8, "listings": 1, "listed": 8,
        "finished_at": counterparties["finished_at"], "stale": 0, "dead_letters": 0,
        "hold": null });
    assert_eq!(counterparties, &expected);
    assert_eq!(document["lists"]["accounts"], json!("complete"));

    let text = workspace.start(&["state", "inspect"], &["counterparties"]).ended().await;
    let text = settled(&workspace, &text.ended_with(0).stdout);
    for line in ["topic              PREFIX.state", "  counterparties  v1 "] {
        assert!(text.lines().any(|found| found.starts_with(line)), "`{line}` in\n{text}");
    }
    assert!(!text.contains("  accounts  v1"), "{text}");
    let unknown = workspace.start(&["state", "inspect"], &["payment"]).ended().await.ended_with(2);
    unknown.saying(&["there is no stream payment", "counterparties"]);

    let id = bank.some(Kind::Transaction, 3);
    let flags = ["--entity", "payment", "--id", &id, "-o", "json"];
    let one = workspace.start(&["state", "inspect"], &flags).ended().await.ended_with(0);
    let one: Value = serde_json::from_str(&one.stdout).unwrap();
    let event = workspace.events().into_iter().find(|event| event.id == id).unwrap();
    let place = json!({ "topic": event.record.topic, "partition": event.record.partition,
        "offset": event.record.offset });
    assert_eq!((&one["event"], &one["change_no"]), (&place, &json!(1)));
    assert_eq!(one["fingerprint"], json!(event.fingerprint()));
    let flags = ["--entity", "payment", "--id", "nobody"];
    let nobody = workspace.start(&["state", "inspect"], &flags).ended().await.ended_with(4);
    nobody.saying(&["knows no payment with this id"]);

    let lines = |done: Done| -> Vec<Value> {
        done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let export = lines(workspace.start(&["state", "export"], &[]).ended().await.ended_with(0));
    let entities = export.iter().filter(|line| line["record"] == "entity").count();
    assert_eq!(entities, truth.len());
    for kind in ["genesis", "session", "manifest", "organization", "source"] {
        assert_eq!(export.iter().filter(|line| line["record"] == kind).count(), 1, "{kind}");
    }
    let shown = |line: &Value| line["id"] == json!(id) && line["change_no"] == json!(1);
    assert!(export.iter().any(shown));
    let raw = lines(workspace.start(&["state", "export"], &["--raw"]).ended().await.ended_with(0));
    assert_eq!(raw.len(), topics::state(&workspace.names).len());
    let offsets: Vec<i64> = raw.iter().map(|line| line["offset"].as_i64().unwrap()).collect();
    assert!(offsets.is_sorted(), "{offsets:?}");
    // No identifier of an account is in there but as a hash.
    let world = bank.world();
    for account in world.ids(Kind::Account) {
        let payload = world.get(Kind::Account, &account).unwrap().payload;
        for identifier in payload["identifiers"].as_array().unwrap() {
            let number = identifier["number"].as_str().unwrap();
            assert!(raw.iter().all(|line| !line.to_string().contains(number)), "{number}");
        }
    }

    assert_eq!(topics::ends(&workspace.names), ends, "somebody who looks wrote something");
    let status = workspace.status(&running).await;
    assert_eq!((&status["acquisitions"], &status["phase"]), (&json!(1), &json!("ready")));
    running.signal("TERM");
    running.says("stopping", 1).await;
    running.ended().await.ended_with(0);
}
