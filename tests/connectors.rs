//! The API of connectors, asked of the program itself. What is polled and published after an
//! install is in `tests/broker/connectors.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "connectors/process.rs"]
mod process;

use std::os::unix::fs::PermissionsExt as _;

use process::{BASE, INSTALL, Process, ends, folder, read};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const AWAIT: &[&str] = &["--await-install"];
const ACCESS_KEY: &str = "AK-hunter1";
const SECRET: &str = "hunter2-é";

/// The connector page's file.
fn page() -> Value {
    json!({
        "accessKey": ACCESS_KEY,
        "secret": SECRET,
        "baseUrl": "http://127.0.0.1:1",
        "pageSize": 50,
        "pollingPeriod": "10m",
    })
}

fn with(mut config: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn id(answer: (StatusCode, Value)) -> String {
    assert_eq!(answer.0, StatusCode::ACCEPTED, "{}", answer.1);
    answer.1["data"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused(answer: &(StatusCode, Value), status: StatusCode, code: &str, message: &str) {
    let (got, body) = answer;
    assert_eq!((*got, body["errorCode"].as_str()), (status, Some(code)), "{body}");
    let said = body["errorMessage"].as_str().unwrap();
    assert!(said.contains(message), "`{message}` is not in: {said}");
}

#[track_caller]
fn shows_no_secret(shown: &str) {
    for secret in ["hunter", ACCESS_KEY] {
        assert!(!shown.contains(secret), "{secret} is shown:\n{shown}");
    }
}

#[tokio::test]
async fn a_connector_is_installed_listed_and_shown_without_its_secrets() {
    let folder = folder();
    let process = Process::start(folder.path(), AWAIT);
    assert_eq!(process.get("/livez").await.0, StatusCode::OK);
    assert_eq!(process.get("/readyz").await, (StatusCode::OK, json!("ready\n")));
    assert!(process.connectors().await.is_empty());
    let id = id(process.install(&page()).await);

    let connectors = process.connectors().await;
    let [connector] = &connectors[..] else { panic!("{connectors:?}") };
    assert_eq!(
        (&connector["id"], &connector["name"], &connector["provider"], &connector["reference"]),
        (&json!(id), &json!("atlar"), &json!("atlar"), &json!("atlar"))
    );
    assert!(connector["createdAt"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert!(["starting", "waiting"].contains(&connector["status"].as_str().unwrap()));
    assert_eq!(connector["installed"], true);

    let (status, config) = process.get(&format!("{BASE}/{id}/config")).await;
    assert_eq!(status, StatusCode::OK);
    let masked = json!({ "accessKey": "***", "secret": "***" });
    let shown = with(page(), &masked);
    for (key, value) in shown.as_object().unwrap() {
        assert_eq!(&config["data"][key], value, "{key}");
    }
    let capabilities =
        json!(["FETCH_ACCOUNTS", "FETCH_EXTERNAL_ACCOUNTS", "FETCH_PAYMENTS", "FETCH_OTHERS"]);
    for path in [format!("{BASE}/capabilities"), format!("{BASE}/{id}/capabilities")] {
        assert_eq!(process.get(&path).await, (StatusCode::OK, json!({ "data": capabilities })));
    }
    // It waits for Kafka, and says so.
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    refused(&process.reset(&id).await, unavailable, "UNAVAILABLE", "does not take orders");
    assert_eq!(process.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let (_, status) = process.get("/status.json").await;
    assert_eq!(status["topic_prefix"], "atlar");
    process.get("/metrics").await;

    let file = folder.path().join("connector.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(read(&file).contains(SECRET), "the next start needs it");
    let (code, shown) = process.stop();
    assert_eq!(code, 0, "{shown}");
    shows_no_secret(&shown);
}

#[tokio::test]
async fn every_fault_of_a_body_is_told_and_no_secret_shown() {
    let folder = folder();
    let process = Process::start(folder.path(), AWAIT);
    let bad = StatusCode::BAD_REQUEST;
    let cases = [
        (json!({}), "`accessKey` is missing\n`secret` is missing"),
        (json!({ "accessKey": ACCESS_KEY }), "`secret` is missing"),
        (with(page(), &json!({ "secret": null })), "`secret` is missing"),
        (with(page(), &json!({ "secret": "" })), "`secret`: expected a text, got an empty text"),
        (with(page(), &json!({ "secret": [SECRET] })), "`secret`: expected a text, got a list"),
        (with(page(), &json!({ "accessKey": 1 })), "`accessKey`: expected a text, got a number"),
        (
            with(page(), &json!({ "pagesize": 1 })),
            "unknown key `pagesize` (did you mean `pageSize`",
        ),
        (with(page(), &json!({ "pageSize": 501 })), "`pageSize`: expected a whole number from 1"),
        (with(page(), &json!({ "pageSize": "50" })), "`pageSize`: expected a whole number from 1"),
        (with(page(), &json!({ "pollingPeriod": 30 })), "write the unit: \"30s\" or \"30m\""),
        (with(page(), &json!({ "pollingPeriod": "1ms" })), "`pollingPeriod`: expected a duration"),
        (with(page(), &json!({ "baseUrl": "ftp://x" })), "`baseUrl`: expected an address"),
        (with(page(), &json!({ "baseUrl": "http://x.example" })), "`baseUrl`: plain http would"),
        (with(page(), &json!({ "name": "My Bank" })), "`name`: got the text \"My Bank\""),
        (with(page(), &json!({ "name": 7 })), "`name`: got 7"),
        (with(page(), &json!({ "secretFile": "config.toml" })), "an install call cannot set"),
        (with(page(), &json!({ "store": { "path": "x" } })), "`store.path`: an install call"),
        (with(page(), &json!({ "http": { "adminToken": "x" } })), "`http.adminToken`: an install"),
        (with(page(), &json!({ "workspaces": { "b": page() } })), "`workspaces.b.secret`: an inst"),
        (json!([page()]), "expected an object, got a list"),
    ];
    for (body, message) in cases {
        refused(&process.install(&body).await, bad, "VALIDATION", message);
    }
    let all = json!({ "secret": SECRET, "pageSize": 0, "pollingPeriod": 1, "name": "?" });
    let (_, body) = process.install(&all).await;
    assert_eq!(body["errorMessage"].as_str().unwrap().lines().count(), 4, "{body}");

    let raw = |body: Vec<u8>| {
        let request = process.ask(Method::POST, INSTALL);
        request.header("content-type", "application/json; charset=utf-8").body(body)
    };
    let broken = format!("{{\"secret\": \"{SECRET}\" \"accessKey\": 1}}").into_bytes();
    let twice = format!("{{\"secret\": \"{SECRET}\", \"secret\": \"x\"}}").into_bytes();
    let cases = [
        (broken, bad, "VALIDATION", "line 1, column "),
        (twice, bad, "VALIDATION", "duplicate key"),
        (Vec::new(), bad, "VALIDATION", "expected an object, got an empty file"),
        (vec![0xff], bad, "VALIDATION", "not UTF-8"),
        (vec![b' '; 70_000], StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", "at most 65536 bytes"),
    ];
    for (body, status, code, message) in cases {
        refused(&process.answer(raw(body)).await, status, code, message);
    }
    assert!(process.connectors().await.is_empty());
    assert!(!folder.path().join("connector.json").exists());
    let (code, shown) = process.stop();
    assert_eq!(code, 0, "{shown}");
    shows_no_secret(&shown);
}

#[tokio::test]
async fn what_is_not_for_this_api_is_refused() {
    let folder = folder();
    let process = Process::start(folder.path(), AWAIT);
    let post = |path: &str| process.ask(Method::POST, path).body(page().to_string());
    for content_type in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let answer = process.answer(post(INSTALL).header("content-type", content_type)).await;
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        refused(&answer, status, "UNSUPPORTED_MEDIA_TYPE", "application/json");
    }
    // A page of somebody else, in a browser on this machine.
    let json = "application/json";
    let foreign =
        post(INSTALL).header("content-type", json).header("origin", "http://evil.example");
    refused(&process.answer(foreign).await, StatusCode::FORBIDDEN, "FORBIDDEN", "web pages");
    let other = post(&format!("{BASE}/install/stripe")).header("content-type", json);
    refused(&process.answer(other).await, StatusCode::NOT_FOUND, "NOT_FOUND", "atlar");
    let get = process.get(INSTALL).await;
    refused(&get, StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "GET");
    for unknown in ["x", "00000000-0000-0000-0000-000000000000"] {
        let missing = "no connector with this id";
        let not_found = StatusCode::NOT_FOUND;
        for path in ["config", "capabilities"] {
            let answer = process.get(&format!("{BASE}/{unknown}/{path}")).await;
            refused(&answer, not_found, "NOT_FOUND", missing);
        }
        refused(&process.delete(unknown).await, not_found, "NOT_FOUND", missing);
        refused(&process.reset(unknown).await, not_found, "NOT_FOUND", missing);
    }
    assert!(process.connectors().await.is_empty());
    process.stop();
}

#[tokio::test]
async fn a_second_connector_needs_a_name_and_topics_of_its_own() {
    let folder = folder();
    let process = Process::start(folder.path(), AWAIT);
    let first = id(process.install(&page()).await);
    let (conflict, code) = (StatusCode::CONFLICT, "CONFLICT");
    let again = "there is a connector without a name already";
    refused(&process.install(&page()).await, conflict, code, again);
    let named = with(page(), &json!({ "name": "second" }));
    let second = id(process.install(&named).await);
    assert_ne!(first, second);
    let again = "there is a connector named `second` already";
    refused(&process.install(&named).await, conflict, code, again);
    let topics = with(page(), &json!({ "name": "c", "kafka": { "topicPrefix": "atlar.second" } }));
    let again = "there is a workspace with the topic prefix `atlar.second` already";
    refused(&process.install(&topics).await, conflict, code, again);

    let listed: Vec<_> = process
        .connectors()
        .await
        .iter()
        .map(|of| [&of["id"], &of["name"], &of["reference"]].map(|of| of.as_str().unwrap().into()))
        .collect::<Vec<[String; 3]>>();
    let expected = [[&first, "atlar", "atlar"], [&second, "second", "atlar.second"]];
    assert_eq!(listed, expected);
    let (_, status) = process.get("/status.json").await;
    assert_eq!(status["workspaces"]["atlar.second"]["name"], "second");
    process.stop();
}

#[tokio::test]
async fn a_connector_that_is_taken_away_is_forgotten() {
    let folder = folder();
    let process = Process::start(folder.path(), AWAIT);
    let first = id(process.install(&page()).await);
    let second = id(process.install(&with(page(), &json!({ "name": "second" }))).await);
    assert_eq!(process.delete(&first).await, (StatusCode::NO_CONTENT, json!("")));
    let left = process.connectors().await;
    assert_eq!((left.len(), &left[0]["id"]), (1, &json!(second)));
    let file = read(&folder.path().join("connector.json"));
    assert!(!file.contains(&first) && file.contains(&second), "{file}");
    let missing = process.get(&format!("{BASE}/{first}/config")).await;
    refused(&missing, StatusCode::NOT_FOUND, "NOT_FOUND", "no connector");
    let (_, status) = process.get("/status.json").await;
    assert_eq!(status["workspaces"].as_object().unwrap().len(), 1);
    assert_eq!(id(process.install(&page()).await), first, "the same topics have the same id");
    let (code, shown) = process.stop();
    assert_eq!(code, 0, "{shown}");
    shows_no_secret(&shown);
}

#[tokio::test]
async fn what_the_configuration_holds_is_listed_and_stays() {
    let folder = folder();
    let path = folder.path().join("config.toml");
    let more = format!(
        "accessKey = \"{ACCESS_KEY}\"\nsecret = \"{SECRET}\"\nbaseUrl = \"http://127.0.0.1:1\"\n\
         workspaces.north.accessKey = \"{ACCESS_KEY}\"\nworkspaces.north.secret = \"{SECRET}\"\n"
    );
    std::fs::write(&path, more + &read(&path)).unwrap();
    // Without --await-install the API is there as well.
    let process = Process::start(folder.path(), &[]);
    let listed = process.connectors().await;
    let names: Vec<&Value> = listed.iter().map(|of| &of["name"]).collect();
    assert_eq!(names, [&json!("atlar"), &json!("north")]);
    for connector in &listed {
        assert_eq!(connector["installed"], false);
        let id = connector["id"].as_str().unwrap();
        let (_, config) = process.get(&format!("{BASE}/{id}/config")).await;
        assert_eq!(
            (&config["data"]["secret"], &config["data"]["pageSize"]),
            (&json!("***"), &json!(25))
        );
        let kept = "in the configuration of the process";
        refused(&process.delete(id).await, StatusCode::CONFLICT, "CONFLICT", kept);
    }
    let conflict = StatusCode::CONFLICT;
    refused(&process.install(&page()).await, conflict, "CONFLICT", "without a name already");
    let north = with(page(), &json!({ "name": "north" }));
    refused(&process.install(&north).await, conflict, "CONFLICT", "named `north` already");
    id(process.install(&with(page(), &json!({ "name": "south" }))).await);
    assert_eq!(process.connectors().await.len(), 3);
    let (code, shown) = process.stop();
    assert_eq!(code, 0, "{shown}");
    shows_no_secret(&shown);
}

#[tokio::test]
async fn an_installed_connector_survives_kill_9() {
    let folder = folder();
    let process = Process::start(folder.path(), AWAIT);
    id(process.install(&page()).await);
    id(process.install(&with(page(), &json!({ "name": "second" }))).await);
    let before = process.connectors().await;
    process.kill();
    // Also without the flag: there is something to run.
    for arguments in [AWAIT, &[]] {
        let process = Process::start(folder.path(), arguments);
        let after = process.connectors().await;
        for (before, after) in before.iter().zip(&after) {
            for key in ["id", "name", "reference", "createdAt", "installed"] {
                assert_eq!(before[key], after[key], "{key}");
            }
        }
        assert_eq!(before.len(), after.len());
        let (code, shown) = process.stop();
        assert_eq!(code, 0, "{shown}");
        shows_no_secret(&shown);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_and_left_alone() {
    let folder = folder();
    let path = folder.path().join("connector.json");
    let kept = |config: Value| {
        json!({ "format": 1, "connectors": [{ "id": "00000000-0000-0000-0000-000000000000",
            "createdAt": "2026-01-01T00:00:00Z", "setUp": true, "config": config }]})
        .to_string()
    };
    let texts = [
        ("{\"secret\": \"hunter2\"".to_owned(), "connector.json is damaged"),
        (kept(json!({ "accessKey": ACCESS_KEY, "secret": SECRET, "pagesize": 3 })), "has faults"),
    ];
    for (text, message) in texts {
        std::fs::write(&path, &text).unwrap();
        let (code, said) = ends(folder.path(), AWAIT);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(message) && said.contains("\nhint: "), "{said}");
        shows_no_secret(&said);
        assert_eq!(read(&path), text);
    }
    // One that is in the configuration too.
    std::fs::write(&path, kept(page())).unwrap();
    let set = ["--set", "accessKeyFile=config.toml", "--set", "secretFile=config.toml"];
    let (code, said) = ends(folder.path(), &set);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("cannot run: there is a connector without a name already"), "{said}");
}

#[tokio::test]
async fn an_install_that_cannot_be_kept_is_not_done() {
    let folder = folder();
    let process =
        Process::start(folder.path(), &["--await-install", "--set", "connectorFile=no/such/file"]);
    let answer = process.install(&page()).await;
    let code = StatusCode::INTERNAL_SERVER_ERROR;
    refused(&answer, code, "INTERNAL", "the connector file cannot be written");
    assert!(process.connectors().await.is_empty());
    process.stop();
}

#[test]
fn without_credentials_somebody_must_say_that_they_come_later() {
    let folder = folder();
    let (code, said) = ends(folder.path(), &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("`accessKey` is missing"), "{said}");
    std::fs::write(folder.path().join("connector.json"), r#"{"format":1,"connectors":[]}"#)
        .unwrap();
    let (code, said) = ends(folder.path(), &[]);
    assert_eq!(code, 3, "{said}");
    let (code, said) = ends(folder.path(), &["--await-install", "--once"]);
    assert_eq!(code, 2, "{said}");
    let half = ["--await-install", "--set", "secretFile=config.toml"];
    let (code, said) = ends(folder.path(), &half);
    assert!(code == 3 && said.contains("`accessKey` is missing"), "{said}");
}

#[tokio::test]
async fn with_a_token_nobody_installs_without_it() {
    let folder = folder();
    let open = ["--await-install", "--set", "http.listen=0.0.0.0:0"];
    let (code, said) = ends(folder.path(), &open);
    assert!(code == 3 && said.contains("an address that others can reach needs a token"), "{said}");

    std::fs::write(folder.path().join("token"), "open sesame").unwrap();
    let arguments = [&open[..], &["--set", "http.adminTokenFile=token"]].concat();
    let mut process = Process::start(folder.path(), &arguments);
    let unauthorized = StatusCode::UNAUTHORIZED;
    refused(&process.install(&page()).await, unauthorized, "UNAUTHORIZED", "admin token");
    for path in [BASE.to_owned(), format!("{BASE}/x/config"), format!("{BASE}/capabilities")] {
        refused(&process.get(&path).await, unauthorized, "UNAUTHORIZED", "admin token");
    }
    refused(&process.delete("x").await, unauthorized, "UNAUTHORIZED", "admin token");
    process.token = Some("open sesame");
    assert!(process.connectors().await.is_empty());
    id(process.install(&page()).await);
    process.stop();
}
