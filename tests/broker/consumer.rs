//! A consumer that is not ours: Python, another client library, another Avro decoder.

use std::fs;

use atlar_ingestor::simulator::Kind;
use serde_json::{Value, json};

use super::coherence;
use super::program::{self, Done};
use super::services;
use super::workspace::Workspace;

async fn python(workspace: &Workspace, script: &str, arguments: &[&str]) -> Done {
    let script = format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let arguments = [&["-B", &script], arguments].concat();
    let running =
        program::start(&services::python(), &arguments, &[], workspace.folder(), "python");
    running.ended().await
}

async fn consume(workspace: &Workspace, topics: &[String], more: &[&str]) -> Done {
    let (bootstrap, registry) = (services::bootstrap(), services::registry());
    let topics = topics.join(",");
    let fixed = ["--bootstrap", &bootstrap, "--registry", &registry, "--topics", &topics];
    python(workspace, "consume.py", &[&fixed, more].concat()).await
}

async fn check(workspace: &Workspace, records: &str) -> Done {
    let file = workspace.folder().join("records.jsonl");
    fs::write(&file, records).unwrap();
    let truth = format!("{}/_simulator/truth", workspace.bank.url());
    let arguments = [file.to_str().unwrap(), "--truth", &truth, "--prefix"];
    // Updates get their `before`, and deletes are published, in a later release.
    let later = [workspace.names.prefix(), "--no-before", "--no-deletes"];
    python(workspace, "check_basics.py", &[&arguments[..], &later].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn decodes_every_topic_and_finds_what_the_bank_holds() {
    let workspace = Workspace::small("consumer").await;
    let world = workspace.bank.world();
    workspace.once(&[]).await.ended_with(0);
    for round in 0..3 {
        world.live(25);
        let id = workspace.bank.some(Kind::Transaction, 2);
        world.patch(Kind::Transaction, &id, &json!({"description": round.to_string()})).unwrap();
        let run = workspace.once(&[]).await.ended_with(0);
        assert!(run.published() > 0, "{run}");
    }
    let count = workspace.events().len().to_string();
    let topics = workspace.names.events();
    let consumed = consume(&workspace, &topics, &["--expect-count", &count]).await.ended_with(0);
    let checked = check(&workspace, &consumed.stdout).await.ended_with(0);
    let said: Value = serde_json::from_str(checked.stdout.trim()).unwrap();
    assert_eq!(
        (&said["records"], &said["findings"]),
        (&json!(count.parse::<u64>().unwrap()), &json!(0))
    );
    for topic in &topics {
        // Balances come in a later release.
        let expected = !topic.ends_with(".balance");
        assert_eq!(said["topics"][topic].as_u64().is_some(), expected, "{topic}: {checked}");
    }
    let others = [workspace.names.scan(), workspace.names.dead_letter()];
    consume(&workspace, &others, &[]).await.ended_with(0);
    coherence::check(&workspace.names);

    // The check can fail: a record that is lost, one that is there twice.
    let lines: Vec<&str> = consumed.stdout.lines().collect();
    let lost = lines[1..].join("\n");
    check(&workspace, &lost).await.ended_with(1);
    let twice = [&lines[..], &lines[..1]].concat().join("\n");
    check(&workspace, &twice).await.ended_with(1);
}
