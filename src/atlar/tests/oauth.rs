//! Access tokens against a server that grants them.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const TOKEN_PATH: &str = "/iam/v2/oauth2/token";

/// A server that grants `t0`, `t1` and so on, each for 300 seconds, and answers everything else
/// with `list`, which gets the token that a request came with.
async fn bank(list: impl Fn(&Seen, &str) -> Response + Send + Sync + 'static) -> Server {
    let granted = AtomicUsize::new(0);
    Server::start(move |_, seen| {
        if seen.path == TOKEN_PATH {
            return grant(granted.fetch_add(1, Ordering::Relaxed));
        }
        list(seen, seen.header("authorization").strip_prefix("Bearer ").unwrap_or_default())
    })
    .await
}

fn grant(number: usize) -> Response {
    json(&format!(r#"{{"access_token":"t{number}","token_type":"Bearer","expires_in":300}}"#))
}

fn empty() -> Response {
    json(r#"{"items":[]}"#)
}

fn by_token(base_url: &str) -> Options {
    Options { auth: Auth::OAuth2, ..options(base_url) }
}

fn client(server: &Server) -> Client {
    Client::new(by_token(&server.base_url)).unwrap()
}

/// What came in, as `token` for a request for one and otherwise as the token of the request.
fn order(server: &Server) -> Vec<String> {
    let name = |seen: &Seen| match seen.header("authorization").strip_prefix("Bearer ") {
        Some(token) => token.to_owned(),
        None if seen.path == TOKEN_PATH => "token".to_owned(),
        None => "?".to_owned(),
    };
    server.seen().iter().map(name).collect()
}

fn asked(server: &Server) -> usize {
    order(server).iter().filter(|name| *name == "token").count()
}

/// As many streams as there are slots read a page each at the same time.
async fn eight_pages(server: &Server) -> Vec<Result<Page, PageError>> {
    let max_in_flight = NonZeroU32::new(8).unwrap();
    let client = Client::new(Options { max_in_flight, ..by_token(&server.base_url) }).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        tasks.spawn(async move { client.page(&accounts(), None, &go()).await });
    }
    tasks.join_all().await
}

/// Lets time pass for timers without waiting. Sockets are not used while it stands still.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn credentials_go_to_the_token_route_and_tokens_to_the_lists() {
    let server = Server::start(|_, seen| match seen.path.as_str() {
        "/atlar/iam/v2/oauth2/token" => grant(7),
        _ => empty(),
    })
    .await;
    let client = Client::new(by_token(&format!("{}/atlar", server.base_url))).unwrap();
    let page = client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(page.requests, 2);
    assert_eq!(client.accepted_auth(), Some(Scheme::OAuth2));
    assert_eq!(client.budget().started, 2);

    let [token, list] = &server.seen()[..] else { panic!() };
    assert_eq!((token.method.as_str(), token.query.as_str()), ("POST", ""));
    assert_eq!(token.body, "grant_type=client_credentials");
    assert_eq!(token.header("content-type"), "application/x-www-form-urlencoded");
    let basic = STANDARD.encode("key-1:s3cr3t-g%C3%A5ta");
    assert_eq!(token.header("authorization"), format!("Basic {basic}"));
    assert_eq!((list.method.as_str(), list.path.as_str()), ("GET", "/atlar/v1/accounts"));
    assert_eq!(list.header("authorization"), "Bearer t7");
    assert!(!list.headers.contains_key("atlar-request-timestamp"));
}

#[tokio::test]
async fn a_token_is_renewed_after_four_fifths_of_its_life() {
    let server = bank(|_, _| empty()).await;
    let client = client(&server);
    for seconds in [0, 235, 10, 0] {
        pass(seconds).await;
        client.page(&accounts(), None, &go()).await.unwrap();
    }
    assert_eq!(order(&server), ["token", "t0", "t0", "token", "t1", "t1"]);
}

#[tokio::test]
async fn a_token_that_grew_old_while_a_request_waited_is_not_sent() {
    let refused = AtomicUsize::new(0);
    let server = bank(move |seen, _| {
        if seen.query.contains("busy") && refused.fetch_add(1, Ordering::Relaxed) == 0 {
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3000")]).into_response();
        }
        empty()
    })
    .await;
    let recorder = Recorder::new();
    let observer = recorder.clone();
    let client = Client::new(Options { observer, ..by_token(&server.base_url) }).unwrap();
    let busy = ListRequest { query: vec![("busy".into(), String::new())], ..accounts() };
    let mut tasks = JoinSet::new();
    for (number, list) in [busy, accounts()].into_iter().enumerate() {
        let client = client.clone();
        tasks.spawn(async move { client.page(&list, None, &go()).await });
        if number == 0 {
            recorder.waits.subscribe().wait_for(|waits| waits.len() == 1).await.unwrap();
        }
    }
    while client.budget().waiting == 0 {
        tokio::task::yield_now().await;
    }
    pass(3_001).await;
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(order(&server), ["token", "t0", "token", "t1", "t1"]);
}

#[tokio::test]
async fn a_pause_that_began_while_a_token_was_asked_for_is_kept() {
    let free = watch::Sender::new(1);
    let server = Server::start_held(&free, |number, seen| match number {
        1 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response(),
        _ if seen.path == TOKEN_PATH => grant(number),
        _ => empty(),
    })
    .await;
    let (shared, recorder) = (credentials(), Recorder::new());
    let client = Client::new(Options {
        credentials: shared.clone(),
        observer: recorder.clone(),
        ..by_token(&server.base_url)
    });
    let client = client.unwrap();
    let (list, cancel) = (accounts(), go());
    let busy = client.page(&list, None, &cancel);
    let waiting = async {
        server.wait_for_requests(2).await;
        shared.replace(Credentials { access_key: "key-2".into(), secret: Secret::new("other") });
        client.page(&list, None, &cancel).await.unwrap()
    };
    let answers = async {
        server.wait_for_requests(3).await;
        let before = std::time::Instant::now();
        free.send_replace(2);
        recorder.waits.subscribe().wait_for(|waits| waits.len() == 1).await.unwrap();
        free.send_replace(usize::MAX);
        before
    };
    let (busy, page, before) = tokio::join!(busy, waiting, answers);
    assert_eq!(busy.unwrap().requests, 3);
    assert!(page.requested_at - before >= Duration::from_secs(1));
    assert_eq!(order(&server), ["token", "t0", "token", "t2", "t2"]);
}

#[tokio::test]
async fn eight_streams_ask_for_one_token() {
    let server = bank(|_, _| empty()).await;
    assert!(eight_pages(&server).await.iter().all(Result::is_ok));
    assert_eq!((asked(&server), server.seen().len()), (1, 9));
}

#[tokio::test]
async fn one_slot_is_enough_for_a_token_and_its_page() {
    let server = bank(|_, _| empty()).await;
    let max_in_flight = NonZeroU32::MIN;
    let client = Client::new(Options { max_in_flight, ..by_token(&server.base_url) }).unwrap();
    client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!((client.budget().in_flight, client.budget().waiting), (0, 0));
}

#[tokio::test]
async fn a_token_refused_in_a_walk_costs_one_page_a_second_request() {
    let server = bank(|seen, token| match (seen.parameter("token"), token) {
        (None, _) => json(r#"{"items":[1],"nextToken":"a"}"#),
        (Some(_), "t0") => refusal(401),
        (Some(_), _) => json(r#"{"items":[2]}"#),
    })
    .await;
    let mut listing = Listing::start(client(&server), accounts());
    while !matches!(listing.next_page(&go()).await.unwrap(), Step::Complete(_)) {}
    assert_eq!(listing.totals(), Totals { pages: 2, items: 2, requests: 5 });
    assert_eq!(order(&server), ["token", "t0", "t0", "token", "t1"]);
}

#[tokio::test]
async fn streams_refused_with_one_token_ask_for_one_other() {
    let server = bank(|_, token| if token == "t0" { refusal(401) } else { empty() }).await;
    assert!(eight_pages(&server).await.iter().all(Result::is_ok));
    assert_eq!((asked(&server), server.seen().len()), (2, 18));
}

#[tokio::test]
async fn a_page_refused_with_a_fresh_token_is_refused() {
    let server = bank(|_, _| refusal(401)).await;
    let client = client(&server);
    let error = client.page(&accounts(), None, &go()).await.unwrap_err();
    assert!(matches!(error, PageError::Unauthorized { scheme: Scheme::OAuth2, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the credentials were refused as oauth2 (status 401, request-id req-7)"
    );
    assert!(error.hint().contains("OAuth2"));
    assert_eq!(client.accepted_auth(), None);
    assert_eq!(order(&server), ["token", "t0", "token", "t1"]);
}

#[tokio::test]
async fn a_page_has_one_second_token_however_often_it_is_tried() {
    let lists = AtomicUsize::new(0);
    let server = bank(move |_, _| match lists.fetch_add(1, Ordering::Relaxed) {
        1 => refusal(503),
        _ => refusal(401),
    })
    .await;
    let error = client(&server).page(&accounts(), None, &go()).await.unwrap_err();
    assert!(matches!(error, PageError::Unauthorized { .. }), "{error:?}");
    assert_eq!(order(&server), ["token", "t0", "token", "t1", "t1"]);
}

#[tokio::test]
async fn every_refusal_of_a_token_ends_in_its_class_after_one_request() {
    let refused = |error: &str| format!(r#"{{"error":"{error}","error_description":"no"}}"#);
    let table = [
        (400, refused("invalid_client"), None),
        (401, refused("invalid_client"), None),
        (400, refused("unauthorized_client"), None),
        (400, refused("invalid_grant"), None),
        (401, String::new(), None),
        (401, "<html>".to_owned(), None),
        (403, r#"{"status":403,"message":"no"}"#.to_owned(), None),
        (400, refused("unsupported_grant_type"), Some(TokenFault::Rejected)),
        (400, String::new(), Some(TokenFault::Rejected)),
        (302, String::new(), Some(TokenFault::Rejected)),
        (404, r#"{"status":404,"message":"no"}"#.to_owned(), Some(TokenFault::NotOffered)),
        (404, "<html>".to_owned(), Some(TokenFault::Body(BodyFault::Html))),
        (200, "<html>".to_owned(), Some(TokenFault::Body(BodyFault::Html))),
        (200, r#"{"items":[]}"#.to_owned(), Some(TokenFault::NotText)),
        (
            200,
            r#"{"access_token":"hush","token_type":"mac"}"#.to_owned(),
            Some(TokenFault::NotBearer),
        ),
        (200, " ".repeat(70_000), Some(TokenFault::Body(BodyFault::TooLarge))),
    ];
    for (status, body, expected) in table {
        let code = StatusCode::from_u16(status).unwrap();
        let case = format!("{status} {}", body.trim());
        let server = Server::start(move |_, _| (code, body.clone()).into_response()).await;
        let error = client(&server).page(&accounts(), None, &go()).await.unwrap_err();
        let found = match &error {
            PageError::Unauthorized { scheme: Scheme::OAuth2, .. } => None,
            PageError::NoToken { fault, .. } => Some(*fault),
            _ => panic!("{case}: {error:?}"),
        };
        assert_eq!(found, expected, "{case}");
        assert_eq!(order(&server), ["token"], "{case}");
        assert_eq!(error.answer().unwrap().status, status);
        assert!(!error.is_gone_by_atlar() && !error.hint().is_empty());
        let text = format!("{} {error:?}", chain(&error));
        for secret in [SECRET, ACCESS_KEY, "hush", "127.0.0.1"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_server_without_tokens_turns_no_list_off() {
    let server = Server::start(|_, _| refusal(404)).await;
    let stop = Listing::start(client(&server), accounts()).next_page(&go()).await.unwrap_err();
    assert!(matches!(stop, Stop::Void(Void::NoToken { page: 1, .. })), "{stop:?}");
    assert_eq!(
        chain(&stop),
        "the listing is void: no access token for page 1 (status 404, request-id req-7): \
         the server grants no tokens"
    );
    assert!(stop.hint().contains("set auth to hmac or basic"));
}

#[tokio::test]
async fn what_passes_on_the_token_route_is_tried_again() {
    let server = Server::start(|number, _| match number {
        0 => refusal(503),
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        2 => json(r#"{"access_token":"t"#),
        3 => grant(3),
        _ => empty(),
    })
    .await;
    let recorder = Recorder::new();
    let observer = recorder.clone();
    let client = Client::new(Options { observer, ..by_token(&server.base_url) }).unwrap();
    let page = client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(page.requests, 5);
    let waits = recorder.waits.borrow().clone();
    let told: Vec<_> = waits.iter().map(|wait| (wait.attempt, wait.cause.as_str())).collect();
    assert_eq!(
        told,
        [
            (1, "no access token: status 503, request-id req-7"),
            (2, "no access token: status 429"),
            (3, "no access token: status 200, request-id req-7: the JSON ends too early"),
        ]
    );
    assert_eq!(waits[1].delay, Duration::ZERO);
    assert_eq!(client.budget().too_many, 1);
    assert_eq!(order(&server), ["token", "token", "token", "token", "t3"]);
}

#[tokio::test]
async fn a_token_route_that_stays_broken_is_given_up() {
    let server = Server::start(|_, _| refusal(500)).await;
    let error = client(&server).page(&accounts(), None, &go()).await.unwrap_err();
    let text = "no page after 4 attempts: no access token: status 500, request-id req-7";
    assert_eq!(chain(&error), text);
    assert_eq!(order(&server), ["token"; 4]);

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let client = Client::new(by_token(&base_url)).unwrap();
    let text = chain(&client.page(&accounts(), None, &go()).await.unwrap_err());
    assert!(
        text.starts_with("no page after 4 attempts: no access token: no connection: "),
        "{text}"
    );
    assert!(!text.contains("oauth2/token"), "{text}");
}

#[tokio::test]
async fn a_refused_client_is_refused_once_for_all_who_waited() {
    let server = Server::start(|_, _| refusal(401)).await;
    for ended in eight_pages(&server).await {
        assert!(matches!(ended, Err(PageError::Unauthorized { .. })), "{ended:?}");
    }
    assert_eq!(order(&server), ["token"]);
}

#[tokio::test]
async fn a_token_of_replaced_credentials_is_dropped() {
    let server = bank(|_, _| empty()).await;
    let shared = credentials();
    let options = Options { credentials: shared.clone(), ..by_token(&server.base_url) };
    let client = Client::new(options).unwrap();
    client.page(&accounts(), None, &go()).await.unwrap();
    shared.replace(Credentials { access_key: "key-2".into(), secret: Secret::new("other") });
    client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(order(&server), ["token", "t0", "token", "t1"]);
    let basic = format!("Basic {}", STANDARD.encode("key-2:other"));
    assert_eq!(server.seen()[2].header("authorization"), basic);
}
