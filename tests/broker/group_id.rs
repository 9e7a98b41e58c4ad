//! `setup --group-id`: a deployment moves to another group.

use atlar_ingestor::simulator::Kind;
use atlar_ingestor::state::Control;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

use super::topics::{self, Feed, Stated};
use super::waiting::LIMIT;
use super::workspace::Workspace;
use super::{coherence, services};

/// What is on record beside genesis.
fn on_record(workspace: &Workspace) -> Vec<String> {
    let state = topics::state(&workspace.names).into_iter();
    let groups = state.filter_map(|(_, stated)| match stated {
        Stated::Control(Control::GroupId(group)) => Some(group),
        _ => None,
    });
    groups.collect()
}

fn new_group(workspace: &Workspace) -> (String, [String; 2]) {
    let group = format!("{}-moved", workspace.names.prefix());
    let set = ["--set".to_owned(), format!("kafka.groupId={group}")];
    (group, set)
}

/// A transaction of the workspace that is open, as a writer leaves it that is killed.
fn leave_open(workspace: &Workspace) {
    let (id, state) = (workspace.names.transactional_id(), workspace.names.state());
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", services::bootstrap()).set("transactional.id", id);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    let record = BaseRecord::to(&state).partition(0).key(&b"\0R"[..]).payload(&b"\x01{}"[..]);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(LIMIT).unwrap();
}

fn edit(workspace: &Workspace, number: usize) -> String {
    let id = workspace.bank.some(Kind::Transaction, number);
    let change = json!({"description": format!("edited {number}")});
    workspace.bank.world().patch(Kind::Transaction, &id, &change).unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_moves_while_nobody_is_live() {
    let workspace = Workspace::small("group-id").await;
    let total = workspace.bank.truth().len() as u64;
    let (old, (new, set)) = (workspace.names.prefix().to_owned(), new_group(&workspace));
    let set = [set[0].as_str(), set[1].as_str()];
    assert_eq!(workspace.once(&[]).await.ended_with(0).published(), total);
    let ends = topics::ends(&workspace.names);
    let (is, was) = (format!("kafka.groupId is {new}"), format!("set up with {old}"));
    let refusals = [is.as_str(), was.as_str(), "hint: ", "setup --group-id GROUP"];
    workspace.once(&set).await.ended_with(6).saying(&refusals);

    let planned = workspace.setup(&["--group-id", &new, "--dry-run"]).await.ended_with(0);
    let step = format!("let the workspace belong to the group {new} instead of {old}\n");
    assert_eq!(planned.stdout, format!("+ would {step}"));
    assert_eq!(topics::ends(&workspace.names), ends, "--dry-run wrote something");
    workspace.once(&set).await.ended_with(6).saying(&refusals);
    leave_open(&workspace);
    let done = workspace.setup(&["--group-id", &new]).await.ended_with(0);
    assert_eq!(done.stdout, format!("+ {step}"));
    assert_eq!(on_record(&workspace), [new.as_str()]);
    let ends = topics::ends(&workspace.names);
    let again = workspace.setup(&["--group-id", &new]).await.ended_with(0);
    assert_eq!(again.stdout, "nothing to do: everything is set up\n");
    assert_eq!(workspace.setup(&set).await.ended_with(0).stdout, again.stdout);

    // Whoever is of the old group is refused as whoever was of a foreign one before.
    let (is, was) = (format!("kafka.groupId is {old}"), format!("set up with {new}"));
    let refusals = [is.as_str(), was.as_str(), "hint: ", "setup --group-id GROUP"];
    workspace.once(&[]).await.ended_with(6).saying(&refusals);
    workspace.start(&["run"], &[]).ended().await.ended_with(6).saying(&refusals);
    workspace.setup(&[]).await.ended_with(6).saying(&refusals);
    let rebuild = workspace.start(&["state", "rebuild"], &[]);
    rebuild.ended().await.ended_with(6).saying(&refusals);
    assert_eq!(topics::ends(&workspace.names), ends, "a refused start wrote something");

    let once = workspace.once(&set).await.ended_with(0);
    let (store, read) = once.acquired();
    assert_eq!((once.published(), store.as_str()), (0, "used"), "{once}");
    // The record of the group, and its own barrier.
    assert!(read <= 3, "{once}");
    edit(&workspace, 1);
    let once = workspace.once(&set).await.ended_with(0);
    assert_eq!(once.published(), 1, "{once}");
    let inspect = workspace.start(&["state", "inspect"], &["-o", "json"]).ended().await;
    let document: Value = serde_json::from_str(&inspect.ended_with(0).stdout).unwrap();
    assert_eq!((&document["group"], &document["genesis"]["group_id"]), (&json!(new), &json!(old)));
    let export = workspace.start(&["state", "export"], &[]).ended().await.ended_with(0);
    let line = |line: &&str| line.contains(r#""record":"group""#) && line.contains(&new);
    assert_eq!(export.stdout.lines().filter(line).count(), 1, "{export}");

    // Back again, and to a new address in the same step.
    let port = workspace.bank.url().rsplit_once(':').unwrap().1.to_owned();
    let url = format!("http://localhost:{port}");
    let both = workspace.setup(&["--group-id", &old, "--base-url", &url]).await.ended_with(0);
    assert_eq!(both.stdout.lines().count(), 2, "{both}");
    let new_url = format!("baseUrl={url}");
    assert_eq!(workspace.once(&["--set", &new_url]).await.ended_with(0).published(), 0);
    assert_eq!(on_record(&workspace), [new, old]);
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_deployment_moves_while_an_instance_of_the_old_group_is_live() {
    let workspace = Workspace::small("group-id-live").await;
    let (new, set) = new_group(&workspace);
    let set = [set[0].as_str(), set[1].as_str()];
    workspace.once(&[]).await.ended_with(0);
    let owner = workspace.run(&["--set", "pollingPeriod=1h"]).await;
    let ends = topics::ends(&workspace.names);
    let refusals = ["(/127.0.0.1)", "is live", "hint: stop every instance"];
    for flags in [&["--group-id", &new][..], &["--group-id", &new, "--dry-run"]] {
        workspace.setup(flags).await.ended_with(6).saying(&refusals);
    }
    // Who is started with the new one beside the owner is refused, and disturbs nobody.
    let store = format!("store.path={}", workspace.folder().join("other").display());
    let other = [&set[..], &["--set", &store]].concat();
    workspace.start(&["run"], &other).ended().await.ended_with(6);
    assert_eq!(topics::ends(&workspace.names), ends, "something was written");
    assert_eq!(workspace.status(&owner).await["acquisitions"], 1);

    // One that was killed counts until its group gives it up.
    owner.kill();
    workspace.setup(&["--group-id", &new]).await.ended_with(6).saying(&refusals);
    assert_eq!(on_record(&workspace), [""; 0]);
    workspace.without_owner().await;
    workspace.setup(&["--group-id", &new]).await.ended_with(0);
    assert_eq!(workspace.once(&set).await.ended_with(0).published(), 0);
    workspace.every_record_once();
    coherence::check(&workspace.names);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_slept_through_the_move_ends() {
    let workspace = Workspace::small("group-id-slept").await;
    let (new, set) = new_group(&workspace);
    workspace.once(&[]).await.ended_with(0);
    let sleeper = workspace.run(&[]).await;
    sleeper.signal("STOP");
    workspace.without_owner().await;
    workspace.setup(&["--group-id", &new]).await.ended_with(0);
    let store = format!("store.path={}", workspace.folder().join("other").display());
    let owner = workspace.run(&[&set[0], &set[1], "--set", &store]).await;
    // There is something to be published when it wakes up.
    let id = edit(&workspace, 1);
    sleeper.signal("CONT");
    let ended = sleeper.ended().await.ended_with(6);
    ended.saying(&["kafka.groupId is", &format!("set up with {new}"), "setup --group-id"]);
    Feed::open(&workspace.names)
        .until("the edit", |events| events.iter().any(|e| e.id == id && e.change_no() == 2));
    let acquisitions = workspace.status(&owner).await["acquisitions"].clone();
    assert_eq!(acquisitions, 1, "the new owner was disturbed: {}", owner.so_far());
    owner.stop().await;
    assert_eq!(workspace.later_events().len(), 1);
    coherence::check(&workspace.names);
}
