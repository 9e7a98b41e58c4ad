//! Several workspaces of one configuration in one process.

use atlar_ingestor::publish::Names;
use atlar_ingestor::simulator::Kind;
use serde_json::{Value, json};

use super::bank::{ACCESS_KEY, Bank, SECRET};
use super::connectors::{check_all, in_the_bank, published};
use super::topics::Feed;
use super::workspace::Workspace;

/// The workspace of the top-level keys with two others beside it, `east` and `west`.
async fn three(test: &str) -> (Workspace, [(Names, Bank); 2]) {
    let workspace = Workspace::bare(test).await;
    let others = [Bank::small().await, Bank::small().await];
    edit(&workspace, |config| {
        for (name, bank) in ["east", "west"].into_iter().zip(&others) {
            config["workspaces"][name] = json!({
                "accessKey": ACCESS_KEY, "secret": SECRET, "baseUrl": bank.url(),
            });
        }
    });
    let [east, west] = others;
    let names = |name: &str| Names::new(&format!("{}.{name}", workspace.names.prefix()));
    let others = [(names("east"), east), (names("west"), west)];
    (workspace, others)
}

fn edit(workspace: &Workspace, change: impl FnOnce(&mut Value)) {
    let path = workspace.folder().join("config.json");
    let mut config = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_topics_and_its_turn() {
    let (workspace, [(east, east_bank), (west, west_bank)]) = three("three").await;
    let setup = workspace.setup(&[]).await.ended_with(0);
    let genesis = format!("+ {}: write genesis", west.prefix());
    assert!(setup.stdout.contains(&genesis), "{setup}");
    let again = workspace.setup(&["--workspace", "west"]).await.ended_with(0);
    assert!(again.stdout.starts_with("nothing to do"), "{again}");

    let once = workspace.once(&[]).await.ended_with(0);
    assert_eq!(once.log("every stream was listed once").len(), 3, "{once}");
    check_all(&workspace.names, &workspace.bank);
    check_all(&east, &east_bank);
    check_all(&west, &west_bank);

    let tail = ["tail", "--exit", "-o", "json", "--workspace", "east"];
    let tail = workspace.start(&tail, &[]).ended().await.ended_with(0);
    assert!(tail.stdout.lines().count() >= in_the_bank(&east_bank).len());
    assert!(tail.stdout.lines().all(|line| line.contains(&format!("\"{}.", east.prefix()))));
    let unknown = workspace.start(&["tail", "--exit", "--workspace", "x"], &[]).ended().await;
    unknown.ended_with(2).saying(&["no workspace named x", "one of east, west"]);

    // All are asked for changes by one process.
    let mut running = workspace.start(&["run"], &[]);
    running.says("workspace acquired", 3).await;
    for (bank, names) in [(&east_bank, &east), (&west_bank, &west)] {
        let id = bank.some(Kind::Transaction, 1);
        bank.world().patch(Kind::Transaction, &id, &json!({"description": "edited"})).unwrap();
        Feed::open(names).until("the edit", |events| events.iter().any(|e| e.op() == "u"));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_leaves_the_others_running() {
    let (workspace, [(east, _east_bank), (west, west_bank)]) = three("one-fails").await;
    workspace.setup(&[]).await.ended_with(0);
    edit(&workspace, |config| config["workspaces"]["east"]["secret"] = json!("wrong"));
    let once = workspace.once(&[]).await.ended_with(5);
    let named = format!("error: workspace {}: Atlar refused the credentials", east.prefix());
    let once = once.saying(&[&named, "hint: check accessKey and secret"]);
    assert_eq!(once.log("every stream was listed once").len(), 3, "{once}");
    check_all(&workspace.names, &workspace.bank);
    check_all(&west, &west_bank);
    assert!(published(&east).is_empty());

    let mut running = workspace.start(&["run"], &[]);
    let failed = running.says("workspace failed", 1).await;
    assert_eq!(failed["span"]["prefix"], east.prefix());
    for (names, bank) in [(&workspace.names, &workspace.bank), (&west, &west_bank)] {
        let id = bank.some(Kind::Transaction, 1);
        bank.world().patch(Kind::Transaction, &id, &json!({"description": "edited"})).unwrap();
        Feed::open(names).until("the edit", |events| events.iter().any(|e| e.op() == "u"));
    }
    let status = workspace.status(&running).await;
    assert_eq!(status["workspaces"][west.prefix()]["phase"], "ready");
    assert_eq!(status["workspaces"][east.prefix()]["summary"]["word"], "Failed");
    assert_eq!(status["summary"]["level"], "red");
    let sentence = status["summary"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with(&format!("{}: Nothing is read", east.prefix())), "{sentence}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_have_failed_the_process_ends_with_the_first_ones_failure() {
    let (workspace, _) = three("all-fail").await;
    // No topics at all.
    let run = workspace.start(&["run"], &[]).ended().await.ended_with(4);
    let first = format!("error: workspace {}: the topics are not", workspace.names.prefix());
    run.saying(&[&first, "create the topics with `atlar-ingestor setup`"]);

    edit(&workspace, |config| {
        config["accessKey"] = Value::Null;
        config["secret"] = Value::Null;
    });
    let tail = workspace.start(&["tail", "--exit"], &[]).ended().await.ended_with(2);
    tail.saying(&["all with a name", "use --workspace with one of east, west"]);
}
