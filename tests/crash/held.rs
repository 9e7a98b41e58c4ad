//! A request that reaches the broker when nobody waits for it any more.

use super::blow::stopped;
use super::late::{AGAIN, answered, held, refused};
use super::proxy::{Proxy, Request};
use super::services;
use super::story::Story;
use super::topics;

/// The process dies with a request on its way, which comes when the next one is at work.
async fn comes_after_the_death(request: Request, seed: u64) -> Vec<u8> {
    let mut story = Story::begin("held", seed).await;
    story.recover().await;
    story.live();
    // The barrier's request comes first.
    let answer = story.suffer_late(request, 1).await;
    story.end().await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit() {
    refused(&comes_after_the_death(Request::EndTxn, 31).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_events() {
    comes_after_the_death(Request::Produce, 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_epoch() {
    comes_after_the_death(Request::InitProducerId, 33).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_partitions() {
    comes_after_the_death(Request::AddPartitionsToTxn, 34).await;
}

/// The commit of a batch comes twice: the client lost its connection and asked again. The second
/// one comes in the middle of the next batch, and the process dies there. Returns the broker's
/// answer to it.
async fn a_commit_comes_twice(story: &mut Story, flaw: &str) -> Vec<u8> {
    story.recover().await;
    story.live();
    let proxy = Proxy::start(&services::bootstrap()).await;
    let through = format!("kafka.bootstrapServers={}", proxy.address());
    // The barrier's comes first.
    proxy.hold(Request::EndTxn, 1);
    let plan = format!("{flaw}L:2:stop");
    let variables = [("ATLAR_INGESTOR_CRASH_AT", plan.as_str())];
    let running = story.workspace.start_with(&["run"], &["--set", &through], &variables);
    held(&proxy, || ()).await;
    story.live();
    proxy.cut();
    stopped(&running, story.life()).await;
    let open = topics::hanging(&story.workspace.names);
    let state = story.workspace.names.state();
    assert!(!open.is_empty() && open.iter().all(|(topic, _)| *topic != state), "{open:?}");
    proxy.release();
    let answer = answered(&proxy).await;
    assert_eq!(running.kill().code, -9);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_comes_twice() {
    let mut story = Story::begin("held", 36).await;
    refused(&a_commit_comes_twice(&mut story, "").await);
    story.end().await;
}

/// The same with one epoch for all transactions of a process, which is how it is usually done: the
/// broker takes the late commit for that of the next batch, whose events are committed without
/// their state. They are published again.
#[tokio::test(flavor = "multi_thread")]
async fn with_one_epoch_a_commit_that_comes_twice_doubles_events() {
    let mut story = Story::begin("flaw", 36).await;
    let answer = a_commit_comes_twice(&mut story, "one-epoch,").await;
    assert_eq!(answer[8..10], [0, 0], "not committed: {answer:?}");
    story.once_free(&[]).await;
    let found = story.checked().await.ended_with(1);
    for rule in ["V1", "V2", "V7"] {
        let line = found.stdout.lines().find(|line| line.starts_with(rule)).unwrap();
        assert!(line.contains("FAILED"), "{found}");
    }
}

/// The commit is on its way for longer than the process waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_takes_too_long() {
    let mut story = Story::begin("held", 35).await;
    story.recover().await;
    story.live();
    let proxy = Proxy::start(&services::bootstrap()).await;
    proxy.hold(Request::EndTxn, 1);
    let through = format!("kafka.bootstrapServers={}", proxy.address());
    let mut running = story.workspace.start(&["run"], &["--set", &through]);
    held(&proxy, || ()).await;
    running.says(AGAIN, 1).await;
    running.says("workspace acquired", 2).await;
    story.life()();
    proxy.release();
    refused(&answered(&proxy).await);
    running.stop().await;
    story.end().await;
}
