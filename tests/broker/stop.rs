//! Stopping in order.

use super::coherence;
use super::program::Running;
use super::topics::Feed;
use super::workspace::Workspace;

const DRAIN: [&str; 2] = ["--drain-timeout", "20s"];

/// The next start goes on from the store, and finds nothing to publish.
async fn continues(workspace: &Workspace) {
    let next = workspace.once(&[]).await.ended_with(0);
    let (store, read) = next.acquired();
    assert_eq!((store.as_str(), next.published()), ("used", 0), "{next}");
    // Its own barrier; nothing of what was committed before.
    assert_eq!(read, 1, "{next}");
    workspace.every_record_once();
    coherence::check(&workspace.names);
}

async fn at_rest(workspace: &Workspace) -> Running {
    let running = workspace.run(&DRAIN).await;
    let total = workspace.bank.truth().len();
    let mut feed = Feed::open(&workspace.names);
    feed.until("the first load", |events| events.len() == total);
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_s_stop_ends_in_0() {
    let workspace = Workspace::small("stop-term").await;
    let running = at_rest(&workspace).await;
    running.stop().await;
    continues(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_in_130() {
    let workspace = Workspace::small("stop-int").await;
    let running = at_rest(&workspace).await;
    running.signal("INT");
    running.ended().await.ended_with(130).saying(&["hint: "]);
    continues(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_the_first_load_loses_nothing() {
    let workspace = Workspace::small("stop-middle").await;
    let total = workspace.bank.truth().len();
    let slow = ["--set", "requests.perSecond=8", "--set", "pageSize=10"];
    let mut feed = Feed::open(&workspace.names);
    let running = workspace.start(&["run"], &[&DRAIN[..], &slow].concat());
    feed.until("the middle of the first load", |events| !events.is_empty());
    running.signal("TERM");
    let stopped = running.ended().await.ended_with(0);
    let seen = workspace.events().len();
    assert!(seen < total, "stopped too late: {stopped}");
    let run = workspace.once(&[]).await.ended_with(0);
    let (store, read) = run.acquired();
    assert_eq!((run.published(), store.as_str()), ((total - seen) as u64, "used"), "{run}");
    assert_eq!(read, 1, "{run}");
    workspace.every_record_once();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_waits_for_a_broker_can_be_stopped() {
    let workspace = Workspace::bare("stop-waiting").await;
    // Nobody listens on port 1.
    let away = ["--set", "kafka.bootstrapServers=127.0.0.1:1"];
    let mut running = workspace.start(&["run"], &away);
    running.says("waiting for Kafka", 1).await;
    running.stop().await;
    let mut running = workspace.start(&["run"], &away);
    running.says("waiting for Kafka", 1).await;
    running.signal("INT");
    running.ended().await.ended_with(130);
}
