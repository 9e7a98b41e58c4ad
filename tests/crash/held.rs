//! A request that reaches the broker when nobody waits for it any more.

use super::blow::AGAIN;
use super::proxy::{Proxy, Request, Stage};
use super::services;
use super::story::Story;
use super::waiting::wait_for;

/// A story, a proxy, and the setting that leads through it.
async fn through_a_proxy(seed: u64) -> (Story, Proxy, String) {
    let mut story = Story::begin("held", seed).await;
    story.workspace.once(&[]).await.ended_with(0);
    story.live();
    let proxy = Proxy::start(&services::bootstrap()).await;
    let setting = format!("kafka.bootstrapServers={}", proxy.address());
    (story, proxy, setting)
}

async fn held(proxy: &Proxy) {
    let look = || (proxy.stage() == Stage::Held).then_some(());
    wait_for("a request to be held", look, || format!("{:?}", proxy.stage())).await;
}

/// The broker's answer to what came late.
async fn answered(proxy: &Proxy) -> Vec<u8> {
    let look = || match proxy.stage() {
        Stage::Answered(answer) => Some(answer),
        Stage::Unanswered => panic!("the broker hung up"),
        _ => None,
    };
    wait_for("an answer to what was held", look, || format!("{:?}", proxy.stage())).await
}

/// The process dies with a request on its way, which comes when the next one is at work.
async fn comes_after_the_death(request: Request, after: u32, seed: u64) -> Vec<u8> {
    let (mut story, proxy, setting) = through_a_proxy(seed).await;
    let more = ["--set", setting.as_str()];
    proxy.hold(request, after);
    let running = story.workspace.start(&["run"], &more);
    held(&proxy).await;
    assert_eq!(running.kill().code, -9);
    // The next one publishes what the first one tried to, and goes on.
    story.once_free(&[]).await;
    let mut next = story.workspace.run(&[]).await;
    let life = story.life();
    life();
    proxy.release();
    let answer = answered(&proxy).await;
    let batches = || story.workspace.events().len();
    let before = batches();
    let look = || {
        life();
        (batches() > before).then_some(())
    };
    wait_for("the next one to publish more", look, || next.so_far()).await;
    next.says("workspace acquired", 1).await;
    next.signal("TERM");
    next.ended().await.ended_with(0);
    story.end().await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit() {
    // The barrier's comes first.
    let answer = comes_after_the_death(Request::EndTxn, 1, 31).await;
    refused(&answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_events() {
    comes_after_the_death(Request::Produce, 1, 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_epoch() {
    comes_after_the_death(Request::InitProducerId, 1, 33).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_partitions() {
    comes_after_the_death(Request::AddPartitionsToTxn, 1, 34).await;
}

/// The commit is on its way for longer than the process waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_takes_too_long() {
    let (mut story, proxy, setting) = through_a_proxy(35).await;
    proxy.hold(Request::EndTxn, 1);
    let mut running = story.workspace.start(&["run"], &["--set", &setting]);
    held(&proxy).await;
    running.says(AGAIN, 1).await;
    running.says("workspace acquired", 2).await;
    let life = story.life();
    life();
    proxy.release();
    let answer = answered(&proxy).await;
    refused(&answer);
    running.signal("TERM");
    running.ended().await.ended_with(0);
    story.end().await;
}

/// The broker refuses a commit of an epoch that is over. The error lies behind the correlation id
/// and the time of a throttle, four bytes each.
fn refused(answer: &[u8]) {
    let code = i16::from_be_bytes([answer[8], answer[9]]);
    // INVALID_PRODUCER_EPOCH or PRODUCER_FENCED
    assert!([47, 90].contains(&code), "{answer:?}");
}
