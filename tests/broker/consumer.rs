//! A consumer that is not ours: Python, another client library, another Avro decoder.

use std::fs;

use atlar_ingestor::simulator::Kind;
use serde_json::json;

use super::coherence;
use super::program::{self, Done};
use super::services;
use super::workspace::Workspace;

/// All rules of the checker but the one that is left out here.
const RULES: usize = 15;

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

/// The independent checker: over the broker's topics, or over those that an earlier check saved.
async fn check(workspace: &Workspace, from: &[&str]) -> Done {
    let simulator = workspace.bank.url();
    let fixed = [
        "--prefix",
        workspace.names.prefix(),
        "--simulator",
        &simulator,
        "--quiet-source",
        "--once",
        // Updates get their `before`, deletes are published, and the store is dumped in a later release.
        "--no-before",
        "--no-deletes",
        "--without",
        "V11",
    ];
    python(workspace, "check.py", &[&fixed[..], from].concat()).await
}

/// The same over the broker's topics.
pub async fn check_broker(workspace: &Workspace) -> Done {
    let (bootstrap, registry) = (services::bootstrap(), services::registry());
    check(workspace, &["--bootstrap", &bootstrap, "--registry", &registry]).await
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
    consume(&workspace, &topics, &["--expect-count", &count]).await.ended_with(0);
    let others = [workspace.names.scan(), workspace.names.dead_letter()];
    consume(&workspace, &others, &[]).await.ended_with(0);
    coherence::check(&workspace.names);

    let file = workspace.folder().join("saved.jsonl");
    let saved = file.to_str().unwrap();
    let (bootstrap, registry) = (services::bootstrap(), services::registry());
    let live = ["--bootstrap", &bootstrap, "--registry", &registry, "--save", saved];
    let checked = check(&workspace, &live).await.ended_with(0);
    let passed = checked.stdout.lines().filter(|line| line.split_whitespace().nth(1) == Some("ok"));
    assert_eq!(passed.count(), RULES, "{checked}");

    // The check can fail: an event that is lost, one that is there twice.
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let payment = format!("{{\"record\": {{\"topic\": \"{}.payment\"", workspace.names.prefix());
    let at = lines.iter().position(|line| line.starts_with(&payment)).unwrap();
    let lost = [&lines[..at], &lines[at + 1..]].concat();
    let twice = [&lines[..=at], &lines[at..]].concat();
    for doctored in [lost, twice] {
        fs::write(&file, doctored.join("\n")).unwrap();
        let checked = check(&workspace, &["--load", saved]).await.ended_with(1);
        assert!(checked.stdout.contains("V7        FAILED"), "{checked}");
    }
}
