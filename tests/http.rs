//! The pages over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test they help"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atlar_ingestor::change::Tally;
use atlar_ingestor::clock::Clock;
use atlar_ingestor::http::{self, Options};
use atlar_ingestor::secret::Secret;
use atlar_ingestor::status::{Board, Status, StreamState};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Generous: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

const JSON: &str = "application/json";

struct Server {
    address: String,
    board: Board,
    status: Status,
    time_ms: Arc<AtomicI64>,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), std::io::Error>>,
    client: reqwest::Client,
}

impl Server {
    async fn start(token: Option<&str>) -> Server {
        let time_ms = Arc::new(AtomicI64::new(1_000));
        let read = Arc::clone(&time_ms);
        let clock = Clock::from_fn(move || read.load(Ordering::Relaxed));
        let board = Board::new(clock);
        let status = board.add(None, "bank");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let admin_token = token.map(Secret::new);
        let options = Options { admin_token, board: board.clone(), connectors: None };
        let serving = TaskTracker::new().spawn(http::serve(listener, options, stop.clone()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Server { address, board, status, time_ms, stop, serving, client }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    fn make_ready(&self) {
        self.status.phase("ready");
        self.set_stream("accounts", StreamState::Fresh);
    }

    fn set_stream(&self, name: &str, state: StreamState) {
        self.status.stream(name, |stream| {
            stream.state = state;
            stream.fresh_ms = Some(900);
        });
    }

    async fn stop(self) {
        self.stop.cancel();
        let served = tokio::time::timeout(PATIENCE, self.serving).await.expect("still serving");
        served.unwrap().unwrap();
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// Reads server-sent events one at a time.
struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    async fn open(server: &Server) -> Events {
        let response = server.get("/status/stream").await;
        assert_eq!(header(&response, "content-type"), "text/event-stream");
        assert_eq!(header(&response, "cache-control"), "no-cache");
        Events { response, buffer: String::new() }
    }

    /// The next status; `None`: the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.buffer = rest;
                let data = event.strip_prefix("event: status\ndata: ").expect("only statuses");
                return Some(serde_json::from_str(data).unwrap());
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.unwrap();
            self.buffer.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }
}

#[tokio::test]
async fn every_page_answers_with_its_type() {
    let server = Server::start(None).await;
    let pages = [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/status.css", "text/css; charset=utf-8", "no-cache"),
        ("/status.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/icon.svg", "image/svg+xml", "no-cache"),
        ("/status.json", JSON, "no-store"),
        ("/livez", "text/plain; charset=utf-8", "no-store"),
        ("/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", "no-store"),
    ];
    for (path, content_type, cache) in pages {
        for method in [Method::GET, Method::HEAD] {
            let response = server.ask(method.clone(), path).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
            assert_eq!(header(&response, "content-type"), content_type, "{method} {path}");
            assert_eq!(header(&response, "cache-control"), cache, "{path}");
            assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
            let policy = header(&response, "content-security-policy");
            assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
            let body = response.text().await.unwrap();
            assert_eq!(body.is_empty(), method == Method::HEAD, "{method} {path}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_asks_nobody_else_and_has_no_inline_code() {
    let server = Server::start(None).await;
    let html = server.get("/").await.text().await.unwrap();
    for path in ["status.css", "status.js", "icon.svg", "status.json"] {
        assert!(html.contains(&format!("\"{path}\"")), "{path} is not in the page");
    }
    let script = server.get("/status.js").await.text().await.unwrap();
    for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
    let style = server.get("/status.css").await.text().await.unwrap();
    for text in [&html, &script, &style] {
        assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("@import"));
    }
    assert!(!html.contains("style=") && !html.contains("<style") && !html.contains("<script>"));
    let handler = |word: &&str| word.starts_with("on") && word.contains('=');
    assert_eq!(html.split_whitespace().find(handler), None);
    server.stop().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_json() {
    let server = Server::start(None).await;
    for path in ["/nothing", "/status.json/", "/livez/x"] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, "content-type"), JSON, "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(json(response).await["errorCode"], "NOT_FOUND");
    }
    for path in ["/", "/metrics", "/livez"] {
        let response = server.ask(Method::POST, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(header(&response, "allow").contains("GET"), "{path}");
        assert_eq!(json(response).await["errorCode"], "METHOD_NOT_ALLOWED");
    }
    server.stop().await;
}

#[tokio::test]
async fn readiness_follows_the_status_and_liveness_does_not() {
    let server = Server::start(None).await;
    let ready = async || {
        let live = server.get("/livez").await;
        assert_eq!((live.status(), live.text().await.unwrap().as_str()), (StatusCode::OK, "ok\n"));
        let response = server.get("/readyz").await;
        (response.status(), response.text().await.unwrap())
    };
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(ready().await, (unavailable, "not ready: starting\n".to_owned()));
    server.status.phase("waiting: broker 1 is away");
    let away = "not ready: waiting: broker 1 is away\n".to_owned();
    assert_eq!(ready().await, (unavailable, away));
    server.make_ready();
    assert_eq!(ready().await, (StatusCode::OK, "ready\n".to_owned()));
    server.set_stream("payments/acc-1", StreamState::Refused);
    let refused = "not ready: the credentials were refused for payments/acc-1\n".to_owned();
    assert_eq!(ready().await, (unavailable, refused));
    server.stop().await;
}

#[tokio::test]
async fn of_several_workspaces_those_that_are_not_ready_are_named() {
    let server = Server::start(Some("open sesame")).await;
    server.make_ready();
    let second = server.board.add(Some("second"), "bank.second");
    let third = server.board.add(Some("third"), "bank.third");
    third.failed("broker 10.0.0.1 has no topics", "create them");
    let shown = server.ask(Method::GET, "/readyz").bearer_auth("open sesame").send().await.unwrap();
    assert_eq!(
        shown.text().await.unwrap(),
        "not ready: bank.second: starting\nnot ready: bank.third: failed: broker 10.0.0.1 has no \
         topics\n"
    );
    let open = server.get("/readyz").await;
    assert_eq!(open.status(), StatusCode::SERVICE_UNAVAILABLE);
    let named = "not ready: bank.second: starting\nnot ready: bank.third: failed\n";
    assert_eq!(open.text().await.unwrap(), named);
    let status = server.ask(Method::GET, "/status.json").bearer_auth("open sesame").send().await;
    let status = json(status.unwrap()).await;
    assert_eq!((&status["topic_prefix"], &status["phase"]), (&"bank".into(), &"ready".into()));
    assert_eq!(status["summary"]["ready"], false);
    assert_eq!(status["workspaces"]["bank.second"]["name"], "second");
    assert_eq!(status["workspaces"]["bank.third"]["hint"], "create them");
    second.phase("ready");
    server.board.remove(Some("third"));
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn a_standby_is_ready() {
    let server = Server::start(None).await;
    server.make_ready();
    server.status.standing_by(7, 3);
    let ready = server.get("/readyz").await;
    assert_eq!(
        (ready.status(), ready.text().await.unwrap().as_str()),
        (StatusCode::OK, "standby\n")
    );
    let status = json(server.get("/status.json").await).await;
    assert_eq!((&status["entities"], &status["batch_no"]), (&7.into(), &3.into()));
    // The owner reads the lists: an age of ours would only grow.
    assert!(status["streams"]["accounts"]["fresh_ms"].is_null(), "{status}");
    // One workspace is owned here, the other elsewhere.
    server.board.add(Some("second"), "bank.second").phase("ready");
    assert_eq!(server.get("/readyz").await.text().await.unwrap(), "ready\n");
    server.stop().await;
}

#[tokio::test]
async fn without_a_workspace_the_process_is_ready_for_its_first_connector() {
    let server = Server::start(None).await;
    server.board.remove(None);
    assert_eq!(server.get("/readyz").await.text().await.unwrap(), "ready\n");
    let status = json(server.get("/status.json").await).await;
    assert_eq!(
        (&status["summary"]["word"], &status["started_ms"]),
        (&"Waiting".into(), &1_000.into())
    );
    assert_eq!(status["workspaces"], serde_json::json!({}));
    server.stop().await;
}

#[tokio::test]
async fn the_json_is_the_status_with_a_summary() {
    let server = Server::start(None).await;
    server.make_ready();
    server.status.observed("accounts", &Tally { seen: 3, new: 2, same: 1, ..Tally::default() });
    server.time_ms.store(2_500, Ordering::Relaxed);
    let status = json(server.get("/status.json").await).await;
    for (pointer, expected) in [
        ("/summary/level", Value::from("green")),
        ("/summary/sentence", Value::from("The stream is fresh")),
        ("/summary/ready", Value::from(true)),
        ("/version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("/topic_prefix", Value::from("bank")),
        ("/phase", Value::from("ready")),
        ("/started_ms", Value::from(1_000)),
        ("/now_ms", Value::from(2_500)),
        ("/session", Value::Null),
        ("/streams/accounts/state", Value::from("fresh")),
        ("/streams/accounts/fresh_ms", Value::from(900)),
        ("/streams/accounts/listing/seen", Value::from(3)),
        ("/streams/accounts/total/new", Value::from(2)),
        ("/feed", Value::Array(vec![])),
        ("/workspaces/bank/name", Value::Null),
        ("/workspaces/bank/summary/ready", Value::from(true)),
        ("/workspaces/bank/streams/accounts/state", Value::from("fresh")),
    ] {
        assert_eq!(status.pointer(pointer), Some(&expected), "{pointer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_tell_the_same_as_the_json() {
    let server = Server::start(None).await;
    server.make_ready();
    server.status.observed("accounts", &Tally { seen: 5, new: 5, ..Tally::default() });
    server.status.committed(7, 5, 5);
    let status = json(server.get("/status.json").await).await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.ends_with("\n# EOF\n"), "{metrics}");
    for (pointer, sample) in [
        (
            "/streams/accounts/total/new",
            r#"records_total{workspace="bank",stream="accounts",verdict="new"}"#,
        ),
        (
            "/streams/accounts/listing/seen",
            r#"listing_records{workspace="bank",stream="accounts"}"#,
        ),
        ("/batch_no", r#"batch_number{workspace="bank"}"#),
        ("/batches", r#"batches_total{workspace="bank"}"#),
        ("/entities", r#"state_entities{workspace="bank"}"#),
    ] {
        let told = status.pointer(pointer).unwrap();
        let line = format!("\natlar_ingestor_{sample} {told}\n");
        assert!(metrics.contains(&line), "no {line:?} in\n{metrics}");
    }
    server.stop().await;
}

#[tokio::test]
async fn with_a_token_only_the_probes_are_open() {
    let server = Server::start(Some("open sesame")).await;
    let closed = [
        "/",
        "/status.css",
        "/status.js",
        "/status.json",
        "/status/stream",
        "/metrics",
        "/nothing",
    ];
    for path in closed {
        for request in [
            server.ask(Method::GET, path),
            server.ask(Method::GET, path).bearer_auth("open sesam"),
            server.ask(Method::GET, path).basic_auth("open sesame", Some("")),
            server.ask(Method::GET, path).query(&[("token", "open sesame")]),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert!(header(&response, "www-authenticate").starts_with("Basic realm="), "{path}");
            assert_eq!(header(&response, "cache-control"), "no-store", "{path}");
            let body = json(response).await;
            assert_eq!(body["errorCode"], "UNAUTHORIZED");
            assert!(!body.to_string().contains("sesam"));
        }
        let bearer = server.ask(Method::GET, path).bearer_auth("open sesame").send().await;
        let basic =
            server.ask(Method::GET, path).basic_auth("me", Some("open sesame")).send().await;
        for response in [bearer.unwrap(), basic.unwrap()] {
            assert_ne!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    assert_eq!(server.get("/livez").await.status(), StatusCode::OK);
    assert_eq!(server.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    server.stop().await;
}

#[tokio::test]
async fn the_open_probe_keeps_addresses_and_ids_to_itself() {
    let server = Server::start(Some("open sesame")).await;
    server.status.phase("waiting: broker 10.0.0.1 is away");
    let open = server.get("/readyz").await.text().await.unwrap();
    let shown = server.ask(Method::GET, "/readyz").bearer_auth("open sesame").send().await.unwrap();
    assert_eq!(open, "not ready: waiting\n");
    assert_eq!(shown.text().await.unwrap(), "not ready: waiting: broker 10.0.0.1 is away\n");
    server.make_ready();
    server.set_stream("payments/acc-1", StreamState::Refused);
    let open = server.get("/readyz").await.text().await.unwrap();
    assert_eq!(open, "not ready: the credentials were refused\n");
    server.stop().await;
}

#[tokio::test]
async fn an_open_page_hears_of_a_change() {
    let server = Server::start(None).await;
    let mut events = Events::open(&server).await;
    let first = events.next().await.unwrap();
    assert_eq!((&first["phase"], &first["now_ms"]), (&"starting".into(), &1_000.into()));
    server.make_ready();
    let second = events.next().await.unwrap();
    assert_eq!(second["phase"], "ready");
    assert_eq!(second["streams"]["accounts"]["state"], "fresh");
    assert_eq!(second["summary"]["level"], "green");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_ends_open_streams() {
    let server = Server::start(None).await;
    let mut streams = [Events::open(&server).await, Events::open(&server).await];
    for events in &mut streams {
        assert!(events.next().await.is_some());
    }
    server.stop().await;
    for mut events in streams {
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn routes_of_others_are_behind_the_same_gate() {
    let board = Board::new(Clock::from_fn(|| 0));
    let admin_token = Some(Secret::new("open sesame"));
    let options = Options { admin_token, board, connectors: None };
    let stop = CancellationToken::new();
    let more = axum::Router::new().route("/api/x", axum::routing::get(async || "more"));
    let app = http::router(options, more, &stop);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/api/x", listener.local_addr().unwrap());
    let serving = TaskTracker::new().spawn(http::serve_router(listener, app, stop.clone()));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    assert_eq!(client.get(&address).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let open = client.get(&address).bearer_auth("open sesame").send().await.unwrap();
    assert_eq!(header(&open, "x-content-type-options"), "nosniff");
    assert_eq!(open.text().await.unwrap(), "more");
    let wrong = client.post(&address).bearer_auth("open sesame").send().await.unwrap();
    assert_eq!(json(wrong).await["errorCode"], "METHOD_NOT_ALLOWED");
    stop.cancel();
    serving.await.unwrap().unwrap();
}
