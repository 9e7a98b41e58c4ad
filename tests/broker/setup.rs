//! `setup`, and starts that must be refused.

use std::collections::BTreeSet;

use atlar_ingestor::domain::Entity;
use atlar_ingestor::state::Control;
use rdkafka::admin::{AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};

use super::topics::{self, Isolation, Stated};
use super::waiting::wait_for;
use super::workspace::Workspace;
use super::{program, services};

#[tokio::test(flavor = "multi_thread")]
async fn setup_creates_everything_and_then_nothing() {
    let workspace = Workspace::bare("setup-twice").await;
    let planned = workspace.setup(&["--dry-run"]).await.ended_with(0);
    assert!(topics::ends(&workspace.names).is_empty(), "--dry-run created topics");
    let first = workspace.setup(&[]).await.ended_with(0);
    let steps = |done: &program::Done| -> BTreeSet<String> {
        done.stdout.lines().map(|line| line.replace("would ", "")).collect()
    };
    assert_eq!(steps(&planned), steps(&first), "the plan is not what was done");
    assert_eq!(steps(&first).len(), 9 + 7 + 1, "{first}");
    let state = topics::state(&workspace.names);
    assert!(matches!(&state[..], [(0, Stated::Control(Control::Genesis(_)))]), "{state:?}");

    let ends = topics::ends(&workspace.names);
    let second = workspace.setup(&[]).await.ended_with(0);
    assert_eq!(second.stdout, "nothing to do: everything is set up\n");
    assert_eq!(topics::ends(&workspace.names), ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_setups_at_once_leave_one_genesis() {
    let workspace = Workspace::bare("setup-race").await;
    let racers = [(); 3].map(|()| workspace.start(&["setup"], &[]));
    for racer in racers {
        racer.ended().await.ended_with(0);
    }
    let state = topics::state(&workspace.names);
    let genesis =
        |(_, stated): &&(i64, Stated)| matches!(stated, Stated::Control(Control::Genesis(_)));
    assert_eq!(state.iter().filter(genesis).count(), 1, "{state:?}");
    // Not at offset 0 where a slower setup's attempt was aborted, but before all else.
    assert!(genesis(&&state[0]), "{state:?}");
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), workspace.bank.truth().len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_topic_beside_events_is_refused() {
    let workspace = Workspace::small("setup-lost").await;
    workspace.once(&[]).await.ended_with(0);
    let state = workspace.names.state();
    let deleted = topics::admin().delete_topics(&[&state], &topics::admin_options()).await;
    deleted.unwrap().pop().unwrap().unwrap();
    let gone = || (!topics::exists(&state)).then_some(());
    wait_for("the state topic to be gone", gone, || state.clone()).await;

    let run = workspace.once(&[]).await;
    run.ended_with(4).saying(&[&state, "does not exist", "hint: ", "setup"]);
    // A plan says so too, and a run that only shows.
    let lost = ["holds events", "hint: ", "state rebuild"];
    workspace.setup(&["--dry-run"]).await.ended_with(4).saying(&lost);
    workspace.start(&["run", "--dry-run"], &[]).ended().await.ended_with(4).saying(&lost);
    assert!(!topics::exists(&state), "a plan has created a topic");
    let setup = workspace.setup(&[]).await.ended_with(4);
    let setup = setup.saying(&["the state topic is empty, but", "holds events", "state rebuild"]);
    assert!(setup.stderr.lines().last().unwrap().starts_with("hint: "), "{setup}");
    assert!(topics::state(&workspace.names).is_empty(), "genesis was written all the same");
    // The empty topic exists now: still nobody may publish everything again.
    let again = workspace.once(&[]).await;
    again.ended_with(4).saying(&["holds events", "hint: ", "state rebuild"]);
    workspace.every_record_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_gone_end_in_a_hint() {
    let workspace = Workspace::small("setup-gone").await;
    workspace.once(&[]).await.ended_with(0);
    let payments = workspace.names.entity(Entity::Payment);
    let deleted = topics::admin().delete_topics(&[&payments], &topics::admin_options()).await;
    deleted.unwrap().pop().unwrap().unwrap();
    let gone = || (!topics::exists(&payments)).then_some(());
    wait_for("the topic to be gone", gone, || payments.clone()).await;
    workspace.setup(&["--dry-run"]).await.ended_with(0);
    // As a hint says; the events are not in the new topic.
    workspace.setup(&[]).await.ended_with(0);
    let texts = ["the last batch is torn", &payments, "hint: event topics must keep their history"];
    workspace.once(&[]).await.ended_with(4).saying(&texts);
    assert!(topics::read(&payments, Isolation::Committed).is_empty(), "published again");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_break_the_promise_are_refused() {
    let workspace = Workspace::bare("setup-drift").await;
    let (payment, account) = (
        format!("{}.payment", workspace.names.prefix()),
        format!("{}.account", workspace.names.prefix()),
    );
    let new = [
        NewTopic::new(&payment, 3, TopicReplication::Fixed(1)).set("retention.ms", "-1"),
        NewTopic::new(&account, 2, TopicReplication::Fixed(1)).set("cleanup.policy", "compact"),
    ];
    let created = topics::admin().create_topics(&new, &topics::admin_options()).await.unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    let made = || (topics::exists(&payment) && topics::exists(&account)).then_some(());
    wait_for("the topics", made, || payment.clone()).await;
    let setup = workspace.setup(&[]).await.ended_with(4);
    setup.saying(&[
        &format!("topic {payment}: has 3 partition(s), expected 2"),
        &format!("topic {account}: cleanup.policy is compact, expected delete"),
        "hint: ",
    ]);
    assert!(topics::state(&workspace.names).is_empty(), "set up all the same");

    // A policy that is changed later.
    let workspace = Workspace::small("setup-drift-later").await;
    let account = format!("{}.account", workspace.names.prefix());
    let change =
        AlterConfig::new(ResourceSpecifier::Topic(&account)).set("retention.ms", "3600000");
    let changed = topics::admin().alter_configs([&change], &topics::admin_options()).await;
    changed.unwrap().pop().unwrap().unwrap();
    let ends = topics::ends(&workspace.names);
    let run = workspace.once(&[]).await.ended_with(4);
    run.saying(&[&format!("topic {account}: retention.ms is 3600000, expected -1"), "hint: "]);
    assert_eq!(topics::ends(&workspace.names), ends, "something was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_before_setup_is_refused() {
    let workspace = Workspace::bare("setup-none").await;
    let run = workspace.once(&[]).await.ended_with(4);
    let run = run.saying(&["does not exist", "atlar-ingestor setup"]);
    assert!(run.stderr.lines().last().unwrap().starts_with("hint: "), "{run}");
    // Without `--once` as well: no wait can mend it.
    workspace.start(&["run"], &[]).ended().await.ended_with(4);
    assert!(topics::ends(&workspace.names).is_empty(), "topics were created");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_genesis_pins_is_refused_before_anything_is_written() {
    let workspace = Workspace::small("setup-pinned").await;
    let ends = topics::ends(&workspace.names);
    let other = ["--set", "kafka.groupId=somebody-else"];
    let set_up = format!("set up with {}", workspace.names.prefix());
    let refusals = ["kafka.groupId is somebody-else", set_up.as_str(), "hint: "];
    workspace.once(&other).await.ended_with(6).saying(&refusals);
    workspace.start(&["run"], &other).ended().await.ended_with(6).saying(&refusals);
    workspace.setup(&other).await.ended_with(6).saying(&refusals);
    let port = workspace.bank.url().rsplit_once(':').unwrap().1.to_owned();
    let host = format!("baseUrl=http://localhost:{port}");
    workspace.once(&["--set", &host]).await.ended_with(4).saying(&["baseUrl", "localhost"]);
    assert_eq!(topics::ends(&workspace.names), ends, "a refused start wrote something");
    // It is the one that was refused, not the workspace that is broken.
    workspace.once(&[]).await.ended_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bank_at_a_new_address_needs_one_setup() {
    let workspace = Workspace::small("setup-host").await;
    let total = workspace.bank.truth().len() as u64;
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), total);
    let port = workspace.bank.url().rsplit_once(':').unwrap().1.to_owned();
    let url = format!("http://localhost:{port}");
    let new = ["--set".to_owned(), format!("baseUrl={url}")];
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    let refused = workspace.once(&new).await.ended_with(4);
    refused.saying(&["set up with 127.0.0.1", "setup --base-url"]);
    let planned = workspace.setup(&["--base-url", &url, "--dry-run"]).await.ended_with(0);
    assert!(planned.stdout.contains("belong to localhost instead of 127.0.0.1"), "{planned}");
    workspace.once(&new).await.ended_with(4);
    workspace.setup(&["--base-url", &url]).await.ended_with(0);
    let again = workspace.setup(&["--base-url", &url]).await.ended_with(0);
    assert!(again.stdout.contains("nothing to do"), "{again}");
    assert_eq!(workspace.once(&new).await.ended_with(0).published(), 0);
    workspace.once(&[]).await.ended_with(4).saying(&["set up with localhost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_missing_or_another_ends_in_7() {
    let workspace = Workspace::small("setup-schema").await;
    let client = registry_client();
    let subject = format!("{}.payment-value", workspace.names.prefix());
    let of_subject = format!("{}/subjects/{subject}", services::registry());
    let deleted = client.delete(&of_subject).send().await.unwrap();
    assert!(deleted.status().is_success(), "{deleted:?}");
    let run = workspace.once(&[]).await.ended_with(7);
    run.saying(&[&subject, "atlar-ingestor setup", "hint: "]);

    let workspace = Workspace::bare("setup-schema-other").await;
    let subject = format!("{}.payment-value", workspace.names.prefix());
    let versions = format!("{}/subjects/{subject}/versions", services::registry());
    let foreign = r#"{"type":"record","name":"Foreign","fields":[{"name":"x","type":"string"}]}"#;
    let body = serde_json::json!({ "schema": foreign });
    let registered = client.post(&versions).json(&body).send().await.unwrap();
    assert!(registered.status().is_success(), "{registered:?}");
    let level = format!("{}/config/{subject}", services::registry());
    let body = serde_json::json!({ "compatibility": "FULL_TRANSITIVE" });
    let set = client.put(&level).json(&body).send().await.unwrap();
    assert!(set.status().is_success(), "{set:?}");
    let setup = workspace.setup(&[]).await.ended_with(7);
    setup.saying(&[&subject, "hint: "]);
}

fn registry_client() -> reqwest::Client {
    // An error says that a provider is installed already: equally good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(super::waiting::LIMIT).build().unwrap()
}
