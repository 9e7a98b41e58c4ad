//! Several instances of one deployment: who owns a workspace, who takes over, and how soon.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use atlar_ingestor::kafka::group::{Members, Seat, Share};
use atlar_ingestor::kafka::{self};
use atlar_ingestor::publish::{Error, Names};
use atlar_ingestor::simulator::Kind;
use atlar_ingestor::state::View;
use serde_json::{Value, json};

use super::bank::{ACCESS_KEY, Bank, SECRET};
use super::program::Running;
use super::topics::{self, Feed};
use super::waiting::wait_for;
use super::workspace::Workspace;
use super::{coherence, rivals, services};

const STANDBY: &str = "standing by: another instance owns the workspace";
const ACQUIRED: &str = "workspace acquired";
/// As users have it: the other tests use a shorter one.
const SESSION: [&str; 2] = ["--set", "kafka.properties.session.timeout.ms=8000"];
/// The group has given up who was killed after its session timeout; the rest is for a busy machine.
const AFTER_A_KILL: Duration = Duration::from_secs(20);
/// Sooner than a death would be noticed: it was told.
const AFTER_A_LEAVE: Duration = Duration::from_secs(8);

/// Another instance with a store of its own.
fn beside(workspace: &Workspace, more: &[&str]) -> Running {
    let store = format!("store.path={}", workspace.folder().join("other").display());
    workspace.start(&["run"], &[&["--set", &store], more].concat())
}

/// Changes a record, and waits until the change is published.
fn edit(names: &Names, bank: &Bank, number: usize) {
    let id = bank.some(Kind::Transaction, number);
    let text = format!("edited {number}");
    bank.world().patch(Kind::Transaction, &id, &json!({"description": text})).unwrap();
    Feed::open(names).until(&text, |events| {
        events.iter().any(|e| e.id == id && e.value["after"]["description"] == text.as_str())
    });
}

/// The first load is published.
fn loaded(workspace: &Workspace) {
    let total = workspace.bank.truth().len();
    Feed::open(&workspace.names).until("the first load", |events| events.len() == total);
}

fn acquisitions(running: &Running) -> usize {
    running.so_far().log(ACQUIRED).len()
}

/// Waits for a takeover; it has read next to nothing.
async fn takes_over(running: &mut Running, nth: usize, since: Instant, limit: Duration) {
    let acquired = running.says(ACQUIRED, nth).await;
    let time = since.elapsed();
    eprintln!("taken over after {time:?}");
    assert!(time < limit, "{time:?}: {}", running.so_far());
    let read = acquired["records_read"].as_u64().unwrap();
    assert!(read <= 5, "a standby was not warm: {acquired}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_an_owner_that_was_killed() {
    let workspace = Workspace::small("group-kill").await;
    let owner = workspace.run(&SESSION).await;
    loaded(&workspace);
    let mut standby = beside(&workspace, &SESSION);
    standby.says(STANDBY, 1).await;
    edit(&workspace.names, &workspace.bank, 1);
    let ready = workspace.ask(&standby, "readyz").await;
    assert_eq!((ready.status().as_u16(), ready.text().await.unwrap().as_str()), (200, "standby\n"));
    assert_eq!(workspace.status(&standby).await["phase"], "standby");

    let since = Instant::now();
    owner.kill();
    takes_over(&mut standby, 1, since, AFTER_A_KILL).await;
    edit(&workspace.names, &workspace.bank, 2);
    let ready = workspace.ask(&standby, "readyz").await;
    assert_eq!((ready.status().as_u16(), ready.text().await.unwrap().as_str()), (200, "ready\n"));
    standby.stop().await;
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_leaves_hands_over_at_once() {
    let workspace = Workspace::small("group-leave").await;
    let mut owner = workspace.run(&SESSION).await;
    loaded(&workspace);
    let mut standby = beside(&workspace, &SESSION);
    standby.says(STANDBY, 1).await;
    edit(&workspace.names, &workspace.bank, 1);
    // Who joins takes nothing from whoever is at work.
    assert_eq!(acquisitions(&owner), 1);
    owner.says(ACQUIRED, 1).await;

    let since = Instant::now();
    owner.signal("TERM");
    takes_over(&mut standby, 1, since, AFTER_A_LEAVE).await;
    owner.ended().await.ended_with(0);
    edit(&workspace.names, &workspace.bank, 2);
    standby.stop().await;
    coherence::check(&workspace.names);
    assert_eq!(workspace.later_events().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_slept_finds_itself_on_standby() {
    let workspace = Workspace::small("group-zombie").await;
    let mut zombie = workspace.run(&[]).await;
    loaded(&workspace);
    let mut owner = beside(&workspace, &[]);
    owner.says(STANDBY, 1).await;

    zombie.signal("STOP");
    owner.says(ACQUIRED, 1).await;
    edit(&workspace.names, &workspace.bank, 1);
    // There is something to be published when it wakes up, and it is not for the sleeper to do it.
    let id = workspace.bank.some(Kind::Transaction, 2);
    let change = json!({"description": "edited 2"});
    workspace.bank.world().patch(Kind::Transaction, &id, &change).unwrap();
    zombie.signal("CONT");
    zombie.says(STANDBY, 1).await;
    Feed::open(&workspace.names)
        .until("the edit", |events| events.iter().any(|e| e.id == id && e.change_no() == 2));
    edit(&workspace.names, &workspace.bank, 3);
    assert_eq!((acquisitions(&zombie), acquisitions(&owner)), (1, 1), "{}", owner.so_far());
    assert!(owner.so_far().log("the batch is not known").is_empty(), "{}", owner.so_far());

    // It is as good a standby as any.
    owner.kill();
    zombie.says(ACQUIRED, 2).await;
    edit(&workspace.names, &workspace.bank, 4);
    zombie.stop().await;
    coherence::check(&workspace.names);
    assert_eq!(workspace.later_events().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_are_spread_over_instances() {
    let workspace = Workspace::bare("group-spread").await;
    let bank = Bank::small().await;
    let names = Names::new(&format!("{}.east", workspace.names.prefix()));
    let path = workspace.folder().join("config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["workspaces"]["east"] = json!({
        "accessKey": ACCESS_KEY, "secret": SECRET, "baseUrl": bank.url(),
    });
    std::fs::write(&path, config.to_string()).unwrap();
    workspace.setup(&[]).await.ended_with(0);

    let mut first = workspace.start(&["run"], &[]);
    first.says(ACQUIRED, 2).await;
    let mut second = beside(&workspace, &[]);
    second.says(ACQUIRED, 1).await;
    first.says("the workspace is left to another instance", 1).await;
    second.says(STANDBY, 1).await;
    for (names, bank) in [(&workspace.names, &workspace.bank), (&names, &bank)] {
        edit(names, bank, 1);
    }
    assert_eq!((acquisitions(&first), acquisitions(&second)), (2, 1));

    second.signal("TERM");
    first.says(ACQUIRED, 3).await;
    second.ended().await.ended_with(0);
    for (names, bank) in [(&workspace.names, &workspace.bank), (&names, &bank)] {
        edit(names, bank, 2);
    }
    first.stop().await;
    coherence::check(&workspace.names);
    coherence::check(&names);
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_once_beside_an_owner_is_refused() {
    let workspace = Workspace::small("group-once").await;
    let mut owner = workspace.run(&["--set", "pollingPeriod=1h"]).await;
    // Of every stream that has a list of its own: then all is committed.
    owner.says("listing complete", 3 + workspace.bank.world().ids(Kind::Account).len()).await;
    let id = workspace.bank.some(Kind::Transaction, 1);
    let change = json!({"description": "edited"});
    workspace.bank.world().patch(Kind::Transaction, &id, &change).unwrap();
    let ends = topics::ends(&workspace.names);
    let store = format!("store.path={}", workspace.folder().join("other").display());
    let once = workspace.once(&["--set", &store]).await.ended_with(6);
    once.saying(&["another instance (/127.0.0.1) owns the workspace", "hint: "]);
    assert_eq!(topics::ends(&workspace.names), ends, "it has written something");
    assert_eq!(workspace.status(&owner).await["acquisitions"], 1);
    owner.stop().await;
    // Nobody is there any more: now it may.
    let once = workspace.once(&["--set", &store]).await.ended_with(0);
    assert_eq!(once.published(), 1, "{once}");
}

/// Waits until the group gives the topic to a member of this process.
async fn ours(seat: &Seat) {
    let look = || (seat.share() == Share::Ours).then_some(());
    wait_for("the topic to be ours", look, || format!("{:?}", seat.share())).await;
}

/// Takes a member out of its group behind its back, as happens to one that sleeps: the request that
/// a member leaves with, sent by somebody else.
fn throw_out(group: &str, member: &str) {
    let mut request = [13_i16.to_be_bytes(), 1_i16.to_be_bytes()].concat();
    request.extend(7_i32.to_be_bytes());
    for text in ["test", group, member] {
        request.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
        request.extend(text.as_bytes());
    }
    let mut broker = TcpStream::connect(services::bootstrap()).unwrap();
    broker.write_all(&i32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    broker.write_all(&request).unwrap();
    // Length, number of the request, throttle time, error.
    let mut answer = [0; 14];
    broker.read_exact(&mut answer).unwrap();
    assert_eq!(answer[12..], [0, 0], "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_learns_from_the_coordinator_that_it_was_given_up() {
    let workspace = Workspace::small("group-stale").await;
    let (group, topic) = (workspace.names.prefix(), workspace.names.state());
    let members = Members::default();
    // With a heartbeat each six seconds: that would tell it too.
    let mut kafka = workspace.kafka();
    kafka.properties.insert("session.timeout.ms".to_owned(), "24000".to_owned());
    let (lease, seat) = members.join(&kafka, group, &topic).unwrap();
    ours(&seat).await;
    lease.check(1).unwrap();
    assert!(!lease.is_stale());

    let ids = topics::members(group);
    assert_eq!(ids.len(), 1);
    throw_out(group, &ids[0]);
    let error = lease.check(1).unwrap_err();
    assert!(matches!(error, kafka::Error::NotOurs { .. }), "{error:?}");
    // It joins anew by itself.
    let look = || lease.check(1).ok();
    wait_for("a new membership", look, || format!("{:?}", seat.share())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_group_does_not_give_the_workspace_pushes_nobody_out() {
    let workspace = Workspace::small("group-lease").await;
    let (names, kafka) = (&workspace.names, workspace.kafka());
    let (group, topic) = (names.prefix(), names.state());
    let (first, second) = (Members::default(), Members::default());
    let (lease, seat) = first.join(&kafka, group, &topic).unwrap();
    ours(&seat).await;
    let mut owner = rivals::writer(names).leased(lease);
    rivals::try_acquire(names, &mut owner, &mut View::default()).unwrap();
    let (lease, other) = second.join(&kafka, group, &topic).unwrap();
    let look = || (other.share() == Share::Elsewhere).then_some(());
    wait_for("a place in the group", look, || format!("{:?}", other.share())).await;

    let ends = topics::ends(names);
    let mut standby = rivals::writer(names).leased(lease);
    let error = rivals::try_acquire(names, &mut standby, &mut View::default()).unwrap_err();
    assert!(matches!(error, Error::Kafka(kafka::Error::NotOurs { .. })), "{error:?}");
    assert_eq!(topics::ends(names), ends, "it has written something");
    owner.commit(rivals::batch(names, 1, "undisturbed")).unwrap();

    // Its turn comes when the owner leaves.
    drop(owner);
    ours(&other).await;
    rivals::try_acquire(names, &mut standby, &mut View::default()).unwrap();
}
