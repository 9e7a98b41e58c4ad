//! A state topic of which compaction has left the last record of each key.

use std::collections::BTreeSet;
use std::fs;

use atlar_ingestor::simulator::Kind;
use rdkafka::admin::{AlterConfig, ResourceSpecifier};
use serde_json::json;

use super::consumer;
use super::topics::{self, Isolation, Record};
use super::waiting::wait_for;
use super::workspace::Workspace;

/// Lets the cleaner take whatever is not in the segment that is written to, at once.
async fn compact_eagerly(topic: &str) {
    let config = AlterConfig::new(ResourceSpecifier::Topic(topic))
        .set("cleanup.policy", "compact")
        .set("segment.ms", "50")
        .set("min.compaction.lag.ms", "0")
        .set("max.compaction.lag.ms", "1")
        .set("min.cleanable.dirty.ratio", "0.001");
    let done = topics::admin().alter_configs(&[config], &topics::admin_options()).await;
    done.unwrap().pop().unwrap().unwrap();
}

fn keys(records: &[Record]) -> BTreeSet<&[u8]> {
    records.iter().map(|record| record.key.as_slice()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_compaction_leaves_is_enough() {
    let workspace = Workspace::small("compaction").await;
    let state = workspace.names.state();
    let world = workspace.bank.world();
    workspace.once(&[]).await.ended_with(0);
    for _ in 0..3 {
        world.live(20);
        assert!(workspace.once(&[]).await.ended_with(0).published() > 0);
    }
    let before = topics::read(&state, Isolation::Committed);
    compact_eagerly(&state).await;
    // What is written next begins a new segment; what lies before it is compacted.
    world.live(10);
    for _ in 0..2 {
        workspace.once(&[]).await.ended_with(0);
    }
    let look = || {
        let left = topics::read(&state, Isolation::Committed);
        // The last segment is left alone: a session, and perhaps a batch.
        (left.len() <= keys(&left).len() + 5).then_some(left)
    };
    let left = wait_for("compaction", look, || "records of the past".to_owned()).await;
    assert!(left.len() < before.len(), "{} of {}", left.len(), before.len());
    assert!(keys(&left).is_superset(&keys(&before)), "the last record of a key is gone");

    // With the store, without it, and by somebody new.
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 0);
    fs::remove_dir_all(workspace.store()).unwrap();
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!((run.published(), run.acquired().0.as_str()), (0, "rebuilt"), "{run}");
    let id = workspace.bank.some(Kind::Transaction, 3);
    world.patch(Kind::Transaction, &id, &json!({"description": "after compaction"})).unwrap();
    let known = workspace.events().iter().filter(|event| event.id == id).count() as u64;
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), 1);
    let last = workspace.events().into_iter().rfind(|event| event.id == id).unwrap();
    assert_eq!(last.change_no(), known + 1);
    consumer::check_broker(&workspace).await.ended_with(0);
}
