//! What follows an install call: topics are made, the workspace is polled, a restart goes on.

use std::collections::BTreeMap;

use atlar_ingestor::domain::Entity;
use atlar_ingestor::publish::Names;
use atlar_ingestor::simulator::Kind;
use serde_json::{Value, json};

use super::bank::{ACCESS_KEY, Bank, SECRET};
use super::program::{self, Done, Running};
use super::services;
use super::topics::{self, Event, Feed, Isolation};
use super::workspace::{BINARY, PARTITIONS, SESSION_MS, Workspace};

const BASE: &str = "/api/payments/v3/connectors";

/// A folder, a bank and topics to come; nobody has credentials.
async fn bare(test: &str) -> Workspace {
    let workspace = Workspace::bare(test).await;
    let process = json!({
        "kafka": {
            "bootstrapServers": services::bootstrap(),
            "topicPrefix": workspace.names.prefix(),
            "partitions": PARTITIONS,
            "groupId": workspace.names.prefix(),
            "properties": { "session.timeout.ms": SESSION_MS },
        },
        "registry": { "url": services::registry() },
        "http": { "listen": "127.0.0.1:0" },
        "log": { "format": "json" },
    });
    std::fs::write(workspace.folder().join("process.json"), process.to_string()).unwrap();
    workspace
}

fn start(workspace: &Workspace, flags: &[&str], name: &str) -> Running {
    let arguments = [&["run", "--config", "process.json"], flags].concat();
    program::start(BINARY, &arguments, &[], workspace.folder(), name)
}

/// The file of the connector page.
fn page(bank: &Bank) -> Value {
    json!({
        "accessKey": ACCESS_KEY,
        "secret": SECRET,
        "baseUrl": bank.url(),
        "pageSize": 25,
        "pollingPeriod": "1s",
    })
}

/// Runs a line of a shell in the folder, with the process's address as `$URL`.
async fn shell(workspace: &Workspace, running: &mut Running, line: &str) -> Done {
    let said = running.says("status page at ", 1).await;
    let page = said["message"].as_str().unwrap().trim_start_matches("status page at ");
    let line = format!("URL={}; {line}", page.trim_end_matches('/'));
    let line = ["-c", &line];
    program::start("sh", &line, &[], workspace.folder(), "shell").ended().await.ended_with(0)
}

async fn install(workspace: &Workspace, running: &mut Running, config: &Value) -> Value {
    std::fs::write(workspace.folder().join("config.json"), config.to_string()).unwrap();
    let line = "curl -X POST $URL/api/payments/v3/connectors/install/atlar -H \"Content-Type: \
                application/json\" -d @config.json";
    let said = shell(workspace, running, line).await;
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said}"))
}

/// Balances have rules of their own; what is asked here is asked of the others.
pub fn published(names: &Names) -> Vec<Event> {
    let mut events = topics::events(names, Isolation::Committed);
    events.retain(|event| event.entity != Entity::Balance);
    events
}

pub fn in_the_bank(bank: &Bank) -> BTreeMap<(Entity, String), u32> {
    let mut truth = bank.truth();
    truth.retain(|(entity, _), _| *entity != Entity::Balance);
    truth
}

/// Fails the test unless each record of the bank is there exactly once, and nothing else.
#[track_caller]
pub fn check_all(names: &Names, bank: &Bank) {
    let mut changes = BTreeMap::new();
    for event in published(names) {
        let count = event.change_no();
        *changes.entry((event.entity, event.id)).or_insert(0) += count;
    }
    let expected: BTreeMap<_, u64> = in_the_bank(bank).into_keys().map(|key| (key, 1)).collect();
    assert!(changes == expected, "{} instead of {} changes", changes.len(), expected.len());
}

fn wait_for_all(names: &Names, bank: &Bank) {
    let count = in_the_bank(bank).len();
    Feed::open(names).until("every record", |events| without_balances(events) >= count);
    check_all(names, bank);
}

fn without_balances(events: &[Event]) -> usize {
    events.iter().filter(|event| event.entity != Entity::Balance).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connector_pages_curl_installs_and_polling_starts() {
    let workspace = bare("curl").await;
    let mut running = start(&workspace, &["--await-install"], "first");
    running.says("no connector is installed", 1).await;
    assert!(topics::ends(&workspace.names).is_empty(), "topics before the install");
    let answer = install(&workspace, &mut running, &page(&workspace.bank)).await;
    assert!(answer["data"].is_string(), "{answer}");
    running.says("workspace acquired", 1).await;
    wait_for_all(&workspace.names, &workspace.bank);
    let listed = shell(&workspace, &mut running, &format!("curl -s $URL{BASE}")).await.stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["cursor"]["data"][0]["id"], answer["data"], "{listed}");
    assert_eq!(listed["cursor"]["data"][0]["status"], "ready", "{listed}");
    // Reset: everything once more, with nothing changed.
    let reset = format!("curl -s -f -X POST $URL{BASE}/{}/reset", answer["data"].as_str().unwrap());
    let said = shell(&workspace, &mut running, &reset).await.stdout;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), answer);
    let count = in_the_bank(&workspace.bank).len();
    let names = &workspace.names;
    Feed::open(names).until("everything again", |events| without_balances(events) >= 2 * count);
    let again = published(names);
    let again = again.iter().filter(|event| event.value["source"]["snapshot"] == "resync");
    assert_eq!(again.filter(|event| event.change_no() == 2).count(), count);
    let first = running.kill();
    assert_eq!(first.log("set up").len(), 1, "{first}");

    // What is in the file is taken up without the flag, and not made again.
    let edited = workspace.bank.some(Kind::Transaction, 5);
    let patch = json!({"description": "edited while nobody looked"});
    workspace.bank.world().patch(Kind::Transaction, &edited, &patch).unwrap();
    let mut running = start(&workspace, &[], "second");
    running.says("workspace acquired", 1).await;
    Feed::open(&workspace.names).until("the edit", |events| {
        events.iter().any(|event| event.change_no() == 3 && event.id == edited)
    });
    assert_eq!(published(&workspace.names).len(), 2 * count + 1);
    running.signal("TERM");
    let second = running.ended().await.ended_with(0);
    assert!(second.log("set up").is_empty(), "{second}");
    for done in [&first, &second] {
        let shown = done.to_string();
        assert!(!shown.contains(SECRET) && !shown.contains(ACCESS_KEY), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connector_is_a_workspace_of_its_own() {
    let workspace = bare("two").await;
    let other = Bank::small().await;
    let names = Names::new(&format!("{}.second", workspace.names.prefix()));
    let mut running = start(&workspace, &["--await-install"], "run");
    install(&workspace, &mut running, &page(&workspace.bank)).await;
    running.says("workspace acquired", 1).await;
    let mut second = page(&other);
    second["name"] = json!("second");
    let id = install(&workspace, &mut running, &second).await["data"].as_str().unwrap().to_owned();
    running.says("workspace acquired", 2).await;
    wait_for_all(&workspace.names, &workspace.bank);
    wait_for_all(&names, &other);

    // Taken away it stops, and leaves its topics: installed again it goes on where it was.
    let delete = format!("curl -s -f -X DELETE $URL{BASE}/{id}");
    shell(&workspace, &mut running, &delete).await;
    let edited = other.some(Kind::Transaction, 3);
    other.world().patch(Kind::Transaction, &edited, &json!({"description": "edited"})).unwrap();
    let first = workspace.bank.some(Kind::Transaction, 3);
    let patch = json!({"description": "edited"});
    workspace.bank.world().patch(Kind::Transaction, &first, &patch).unwrap();
    Feed::open(&workspace.names).until("the edit of the other", |events| {
        events.iter().any(|event| event.op() == "u" && event.id == first)
    });
    check_all(&names, &other);
    install(&workspace, &mut running, &second).await;
    Feed::open(&names).until("the edit", |events| {
        events.iter().any(|event| event.op() == "u" && event.id == edited)
    });
    assert_eq!(published(&names).len(), in_the_bank(&other).len() + 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_cannot_run_is_shown_and_waits_to_be_taken_away() {
    let workspace = bare("refused").await;
    let mut running = start(&workspace, &["--await-install"], "run");
    let mut wrong = page(&workspace.bank);
    wrong["secret"] = json!("not-the-secret");
    let id = install(&workspace, &mut running, &wrong).await["data"].as_str().unwrap().to_owned();
    let failed = running.says("workspace failed", 1).await;
    assert!(failed["hint"].as_str().unwrap().contains("check accessKey and secret"), "{failed}");
    let listed = shell(&workspace, &mut running, &format!("curl -s $URL{BASE}")).await.stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["cursor"]["data"][0]["status"], "failed", "{listed}");
    let ready = shell(&workspace, &mut running, "curl -s $URL/readyz").await.stdout;
    assert!(ready.starts_with("not ready: failed: "), "{ready}");

    shell(&workspace, &mut running, &format!("curl -s -f -X DELETE $URL{BASE}/{id}")).await;
    install(&workspace, &mut running, &page(&workspace.bank)).await;
    wait_for_all(&workspace.names, &workspace.bank);
    running.signal("TERM");
    let done = running.ended().await.ended_with(0);
    assert!(!done.to_string().contains("not-the-secret"), "{done}");
}
