//! The client against real sockets: small servers on free ports of this machine.

mod auth;
mod client;
mod faults;
mod listing;
mod oauth;
mod rate;
mod tokens;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::Clock;
use crate::retry::Schedule;
use crate::secret::{Credentials, Secret, SharedCredentials};

pub const ACCESS_KEY: &str = "key-1";
pub const SECRET: &str = "s3cr3t-gåta";
/// 2026-02-03T09:15:27.104Z
pub const NOW_MS: i64 = 1_770_110_127_104;

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// Answers until dropped.
pub struct Server {
    pub base_url: String,
    seen: watch::Receiver<Vec<Seen>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `answer` gets the number of the request, from 0, and the request.
    pub async fn start(
        answer: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static,
    ) -> Server {
        Server::start_held(&watch::Sender::new(usize::MAX), answer).await
    }

    /// The same, but a request is answered only when its number is below that in `free`.
    pub async fn start_held(
        free: &watch::Sender<usize>,
        answer: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static,
    ) -> Server {
        let free = free.subscribe();
        let (sender, seen) = watch::channel(Vec::new());
        let shared = Arc::new((sender, answer));
        let answer = move |request: Request| {
            let (shared, mut free) = (Arc::clone(&shared), free.clone());
            async move {
                let (sender, answer) = &*shared;
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let seen = Seen {
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                sender.send_modify(|all| all.push(seen.clone()));
                let number = sender.borrow().len() - 1;
                // An error says that nothing is held any more.
                let _ = free.wait_for(|free| number < *free).await;
                answer(number, &seen)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        let router = Router::new().fallback(answer);
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { base_url, seen, _tasks: tasks }
    }

    /// Each connection gets one of the byte strings, then is closed. An empty one is never sent
    /// and its connection stays open.
    pub async fn start_raw(answers: Vec<Vec<u8>>) -> Server {
        let (sender, seen) = watch::channel(Vec::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                sender.send_modify(|all: &mut Vec<Seen>| {
                    all.push(Seen {
                        method: String::new(),
                        path: String::new(),
                        query: String::new(),
                        headers: HeaderMap::new(),
                        body: String::new(),
                    });
                });
                if answer.is_empty() {
                    open.push(socket);
                } else {
                    socket.write_all(&answer).await.unwrap();
                    socket.shutdown().await.unwrap();
                }
            }
            std::future::pending::<()>().await;
        });
        Server { base_url, seen, _tasks: tasks }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    pub async fn wait_for_requests(&self, count: usize) {
        self.seen.clone().wait_for(|seen| seen.len() >= count).await.unwrap();
    }

    pub fn client(&self) -> Client {
        Client::new(options(&self.base_url)).unwrap()
    }
}

/// One wait as an observer is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    pub attempt: u32,
    pub delay: Duration,
    pub cause: String,
}

/// Writes down what it is told.
#[derive(Debug)]
pub struct Recorder {
    pub waits: watch::Sender<Vec<Wait>>,
    pub settled: Mutex<Vec<String>>,
}

impl Recorder {
    pub fn new() -> Arc<Recorder> {
        Arc::new(Recorder { waits: watch::Sender::default(), settled: Mutex::default() })
    }
}

impl Observer for Recorder {
    fn waiting(&self, waiting: &Waiting<'_>) {
        self.waits.send_modify(|waits| {
            waits.push(Wait {
                attempt: waiting.attempt,
                delay: waiting.delay,
                cause: waiting.cause.to_string(),
            });
        });
    }

    fn settled(&self, list: &ListRequest) {
        self.settled.lock().unwrap().push(list.path.clone());
    }
}

pub fn credentials() -> SharedCredentials {
    SharedCredentials::new(Credentials {
        access_key: ACCESS_KEY.into(),
        secret: Secret::new(SECRET),
    })
}

pub fn options(base_url: &str) -> Options {
    Options {
        base_url: base_url.to_owned(),
        credentials: credentials(),
        auth: Auth::Hmac,
        timeout: Duration::from_secs(20),
        page_size: 25,
        per_second: NonZeroU32::new(50_000).unwrap(),
        max_in_flight: NonZeroU32::new(4).unwrap(),
        user_agent: "atlar-ingestor/test".into(),
        allow_plain_http: false,
        retry: Schedule {
            initial: Duration::from_millis(1),
            max: Duration::from_millis(2),
            factor: 2,
            jitter: 0.5,
            attempts: 4,
        },
        clock: Clock::from_fn(|| NOW_MS),
        observer: Arc::new(Silent),
    }
}

pub fn accounts() -> ListRequest {
    ListRequest { path: "/v1/accounts".into(), query: Vec::new() }
}

pub fn go() -> CancellationToken {
    CancellationToken::new()
}

/// A good answer.
pub fn json(body: &str) -> Response {
    ([("content-type", "application/json"), ("request-id", "req-7")], body.to_owned())
        .into_response()
}

/// An error answer as Atlar documents it.
pub fn refusal(status: u16) -> Response {
    let body = format!(r#"{{"status":{status},"message":"no"}}"#);
    (StatusCode::from_u16(status).unwrap(), json(&body)).into_response()
}

pub fn html(status: u16) -> Response {
    let page = "<!doctype html><html><body>Welcome</body></html>";
    (StatusCode::from_u16(status).unwrap(), [("content-type", "text/html")], page).into_response()
}

/// An error and everything below it, as a log shows it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    text
}
