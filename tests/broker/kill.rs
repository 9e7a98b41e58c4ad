//! `kill -9` in the middle of the first load, and a second start.

use super::coherence;
use super::topics::Feed;
use super::workspace::Workspace;

/// Slow enough for the load to take some seconds, so that there is a middle to be killed in.
const SLOW: [&str; 4] = ["--set", "requests.perSecond=8", "--set", "pageSize=10"];

/// Kills the first load once so many parts of ten are readable, and starts again.
async fn killed_at(test: &str, tenths: usize) {
    let workspace = Workspace::small(test).await;
    let total = workspace.bank.truth().len();
    let wanted = (total * tenths / 10).max(1);
    let mut feed = Feed::open(&workspace.names);
    let running = workspace.start(&["run"], &SLOW);
    feed.until("the middle of the first load", |events| events.len() >= wanted);
    let killed = running.kill();
    assert_eq!(killed.code, -9, "{killed}");
    let seen = workspace.events().len();
    assert!(seen < total, "killed too late: {seen} of {total}: {killed}");

    // Its group takes it for alive a little longer.
    workspace.once(&[]).await.ended_with(6).saying(&["owns the workspace", "hint: "]);
    workspace.without_owner().await;
    let run = workspace.once(&[]).await.ended_with(0);
    assert_eq!(run.published(), (total - seen) as u64, "{run}");
    workspace.every_record_once();
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_first_events() {
    killed_at("kill-first", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_a_third() {
    killed_at("kill-third", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_two_thirds() {
    killed_at("kill-two-thirds", 6).await;
}
