//! The store folder is a cache: whatever becomes of it, nothing is published again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::coherence;
use super::dump;
use super::program::Done;
use super::workspace::Workspace;

/// A run whose store is of no use publishes nothing and leaves a good one behind.
async fn rebuilds(workspace: &Workspace) -> Done {
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), 0, "{run}");
    let next = workspace.once(&[]).await.ended_with(0);
    assert_eq!(next.published(), 0, "{next}");
    let (store, read) = next.acquired();
    assert_eq!(store, "used", "{next}");
    // Its own barrier; the one before too if the store was written before that came back.
    assert!(read <= 2, "{next}");
    workspace.every_record_once();
    coherence::check(&workspace.names);
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_store_is_rebuilt() {
    let workspace = Workspace::small("store-deleted").await;
    workspace.once(&[]).await.ended_with(0);
    fs::remove_dir_all(workspace.store()).unwrap();
    let run = rebuilds(&workspace).await;
    let (store, read) = run.acquired();
    assert_eq!(store, "rebuilt", "{run}");
    assert!(read > workspace.bank.truth().len() as u64, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_holds_what_the_state_topic_says() {
    let workspace = Workspace::small("store-same").await;
    workspace.once(&[]).await.ended_with(0);
    workspace.bank.world().live(30);
    assert!(workspace.once(&[]).await.ended_with(0).published() > 0);
    let (mut entries, mut controls) = (Vec::new(), 0);
    let export = workspace.start(&["state", "export"], &[]).ended().await.ended_with(0);
    for line in export.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["record"] != "entity" {
            controls += 1;
            continue;
        }
        let text = |name: &str| line[name].as_str().unwrap();
        let name = format!("{}\0{}", text("entity"), text("id"));
        let (algorithm, fingerprint) = text("fingerprint").split_once(':').unwrap();
        entries.push(json!({
            "key": hex::encode(&blake3::hash(name.as_bytes()).as_bytes()[..16]),
            "fingerprint": fingerprint,
            "version": line["version"],
            "partition": line["event"]["partition"],
            "offset": line["event"]["offset"],
            "change_no": line["change_no"],
            "batch_no": line["batch_no"],
            "resync": line["resync"],
            "stream": line["stream"],
            "algorithm": algorithm.parse::<u8>().unwrap(),
            "generation": line["generation"],
            "deleted": line["deleted"],
            "quarantined": line["quarantined"],
        }));
    }
    entries.sort_by_key(|entry| entry["key"].to_string());
    let held = dump::lines(&workspace.store());
    assert_eq!(held[0]["checkpoint"]["entries"], json!(entries.len()));
    assert_eq!(held[1..=entries.len()], entries);
    assert_eq!(held.len(), 1 + entries.len() + controls);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_of_another_workspace_is_not_believed() {
    let workspace = Workspace::small("store-mine").await;
    let other = Workspace::small("store-other").await;
    workspace.once(&[]).await.ended_with(0);
    other.once(&[]).await.ended_with(0);
    fs::remove_dir_all(workspace.store()).unwrap();
    copy(&other.store(), &workspace.store());
    assert_eq!(rebuilds(&workspace).await.acquired().0, "rebuilt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_store_is_caught_up() {
    let workspace = Workspace::small("store-old").await;
    workspace.once(&[]).await.ended_with(0);
    let kept = workspace.folder().join("kept");
    copy(&workspace.store(), &kept);
    workspace.bank.world().live(30);
    let run = workspace.once(&[]).await.ended_with(0);
    assert!(run.published() > 0, "{run}");
    let events = workspace.events();
    fs::remove_dir_all(workspace.store()).unwrap();
    copy(&kept, &workspace.store());
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!((run.published(), run.acquired().0.as_str()), (0, "used"), "{run}");
    assert_eq!(workspace.events(), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_are_noticed() {
    let workspace = Workspace::small("store-flipped").await;
    workspace.once(&[]).await.ended_with(0);
    let mut flipped = 0;
    for file in files(&workspace.store()) {
        let mut bytes = fs::read(&file).unwrap();
        for byte in bytes.iter_mut().skip(40).step_by(97) {
            *byte ^= 0x41;
            flipped += 1;
        }
        fs::write(&file, bytes).unwrap();
    }
    assert!(flipped > 50, "{flipped}");
    assert_eq!(rebuilds(&workspace).await.acquired().0, "rebuilt");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}
