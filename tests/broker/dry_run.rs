//! `run --dry-run` prints what would be published, and writes nothing anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use atlar_ingestor::simulator::Kind;
use serde_json::{Value, json};

use super::program::Done;
use super::topics;
use super::workspace::Workspace;

fn documents(done: &Done) -> Vec<Value> {
    done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check_all_shown(workspace: &Workspace, done: &Done) {
    let mut shown: Vec<String> = documents(done)
        .iter()
        .map(|document| {
            assert_eq!(document["value"]["source"]["change_no"], 1, "{document}");
            document["value"]["after"]["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let mut expected: Vec<String> = workspace.bank.truth().into_keys().map(|(_, id)| id).collect();
    shown.sort();
    expected.sort();
    assert_eq!(shown, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_is_not_set_up_is_shown_and_stays_so() {
    let workspace = Workspace::bare("dry-bare").await;
    let command = ["run", "--dry-run", "-o", "json"];
    let shown = workspace.start(&command, &[]).ended().await.ended_with(0);
    check_all_shown(&workspace, &shown);
    assert!(topics::ends(&workspace.names).is_empty(), "topics were created");
    assert!(!workspace.store().exists(), "a store was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_differences_are_shown_and_nothing_is_written() {
    let workspace = Workspace::small("dry-run").await;
    let command = ["run", "--dry-run", "-o", "json"];
    let ends = topics::ends(&workspace.names);
    let first = workspace.start(&command, &[]).ended().await.ended_with(0);
    check_all_shown(&workspace, &first);
    assert_eq!(topics::ends(&workspace.names), ends);

    workspace.once(&[]).await.ended_with(0);
    let (ends, store) = (topics::ends(&workspace.names), contents(&workspace.store()));
    let nothing = workspace.start(&command, &[]).ended().await.ended_with(0);
    assert_eq!(nothing.stdout, "", "{nothing}");
    let edited = workspace.bank.some(Kind::Counterparty, 1);
    let world = workspace.bank.world();
    world.patch(Kind::Counterparty, &edited, &json!({"alias": "edited"})).unwrap();
    let one = workspace.start(&command, &[]).ended().await.ended_with(0);
    let documents = documents(&one);
    assert_eq!(documents.len(), 1, "{one}");
    let (document, source) = (&documents[0], &documents[0]["value"]["source"]);
    assert_eq!((&document["key"], &document["value"]["op"]), (&json!(edited), &json!("u")));
    assert_eq!(source["change_no"], 2);
    assert_eq!(topics::ends(&workspace.names), ends);
    assert!(contents(&workspace.store()) == store, "the store was touched");

    // What was shown is what is published then.
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), 1, "{run}");
    let published = &workspace.later_events()[0];
    assert_eq!(published.value["after"], document["value"]["after"]);
    assert_eq!(published.record.partition, document["partition"].as_i64().unwrap() as i32);
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    found
}
