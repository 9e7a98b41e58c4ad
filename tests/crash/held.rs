//! A request that reaches the broker when nobody waits for it any more.

use super::late::{AGAIN, answered, held, refused};
use super::proxy::{Proxy, Request};
use super::services;
use super::story::Story;

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
    running.signal("TERM");
    running.ended().await.ended_with(0);
    story.end().await;
}
