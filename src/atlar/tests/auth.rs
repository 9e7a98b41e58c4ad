use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::super::auth::Authenticator;
use super::*;

/// The signature as RFC 2104 and the design describe it, with hashing alone, so that a mistake in
/// the client's code or crate does not cancel itself out.
fn expected_signature(seen: &Seen, secret: &str) -> String {
    let body = hex::encode(Sha256::digest(b""));
    let at = seen.header("atlar-request-timestamp");
    let message = format!("{}\n{}\n{}\n{at}\n{body}", seen.method, seen.path, seen.query);
    let pad = |with: u8| -> Vec<u8> {
        let mut key = secret.as_bytes().to_vec();
        assert!(key.len() <= 64);
        key.resize(64, 0);
        key.iter().map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::digest([pad(0x36), message.into_bytes()].concat());
    hex::encode(Sha256::digest([pad(0x5c), inner.to_vec()].concat()))
}

fn is_signed(seen: &Seen) -> bool {
    let expected = format!(
        "HMAC-SHA256 credential={ACCESS_KEY},signature={}",
        expected_signature(seen, SECRET)
    );
    seen.header("authorization") == expected
}

fn is_basic(seen: &Seen) -> bool {
    let expected = STANDARD.encode(format!("{ACCESS_KEY}:{SECRET}"));
    seen.header("authorization") == format!("Basic {expected}")
        && !seen.headers.contains_key("atlar-request-timestamp")
}

fn empty() -> Response {
    json(r#"{"items":[]}"#)
}

#[tokio::test]
async fn signs_the_bytes_of_the_request_line() {
    let server =
        Server::start(|_, seen| if is_signed(seen) { empty() } else { refusal(401) }).await;
    let client = Client::new(options(&format!("{}/a%20b", server.base_url))).unwrap();
    let list = ListRequest {
        path: "/v1/transactions".into(),
        query: vec![
            ("accountId".into(), "å /&=+%~*".into()),
            ("date[gte]".into(), "2026-01-01".into()),
            ("date[gte]".into(), "[]".into()),
        ],
    };
    client.page(&list, Some("2022-03|e+/=="), &go()).await.unwrap();
    client.page(&accounts(), None, &go()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("atlar-request-timestamp"), "2026-02-03T09:15:27.104Z");
    assert_eq!(seen[0].parameter("date%5Bgte%5D"), Some("2026-01-01"));
    assert!(seen.iter().all(|seen| !seen.header("authorization").contains(SECRET)));
}

#[tokio::test]
async fn sends_basic_where_asked_to() {
    let server = Server::start(|_, seen| if is_basic(seen) { empty() } else { refusal(401) }).await;
    let basic = Options { auth: Auth::Basic, ..options(&server.base_url) };
    let client = Client::new(basic).unwrap();
    client.page(&accounts(), None, &go()).await.unwrap();
    assert_eq!(client.accepted_auth(), Some(Scheme::Basic));
}

#[tokio::test]
async fn auto_falls_back_to_basic_once_and_remembers_it() {
    let server = Server::start(|_, seen| if is_basic(seen) { empty() } else { refusal(401) }).await;
    let client = Client::new(Options { auth: Auth::Auto, ..options(&server.base_url) }).unwrap();
    assert_eq!(client.accepted_auth(), None);
    assert_eq!(client.page(&accounts(), None, &go()).await.unwrap().requests, 2);
    assert_eq!(client.accepted_auth(), Some(Scheme::Basic));
    assert_eq!(client.page(&accounts(), None, &go()).await.unwrap().requests, 1);
    let schemes: Vec<_> =
        server.seen().iter().map(|seen| (is_signed(seen), is_basic(seen))).collect();
    assert_eq!(schemes, [(true, false), (false, true), (false, true)]);
}

#[tokio::test]
async fn auto_stays_with_signing_where_that_was_accepted() {
    let server = Server::start(
        |number, seen| {
            if number == 0 && is_signed(seen) { empty() } else { refusal(401) }
        },
    )
    .await;
    let client = Client::new(Options { auth: Auth::Auto, ..options(&server.base_url) }).unwrap();
    client.page(&accounts(), None, &go()).await.unwrap();
    let error = client.page(&accounts(), None, &go()).await.unwrap_err();
    assert!(matches!(error, PageError::Unauthorized { scheme: Scheme::Hmac, .. }));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn auto_refused_twice_remembers_nothing() {
    let server = Server::start(|_, _| refusal(401)).await;
    let client = Client::new(Options { auth: Auth::Auto, ..options(&server.base_url) }).unwrap();
    let error = client.page(&accounts(), None, &go()).await.unwrap_err();
    assert!(matches!(
        error,
        PageError::Unauthorized { scheme: Scheme::Basic, basic_withheld: false, .. }
    ));
    assert_eq!(client.accepted_auth(), None);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn auto_does_not_send_the_secret_over_an_open_way() {
    let auto = Authenticator::new(Auth::Auto, false);
    assert_eq!(auto.fallback(Scheme::Hmac), None);
    assert!(auto.withheld(Scheme::Hmac));
    let private = Authenticator::new(Auth::Auto, true);
    assert_eq!(private.fallback(Scheme::Hmac), Some(Scheme::Basic));
    assert_eq!(private.fallback(Scheme::Basic), None);
    let fixed = Authenticator::new(Auth::Hmac, true);
    assert_eq!(fixed.fallback(Scheme::Hmac), None);
}

#[tokio::test]
async fn replaced_credentials_are_used_by_the_next_request() {
    let server = Server::start(|_, _| empty()).await;
    let shared = credentials();
    let client =
        Client::new(Options { credentials: shared.clone(), ..options(&server.base_url) }).unwrap();
    client.page(&accounts(), None, &go()).await.unwrap();
    shared.replace(Credentials { access_key: "key-2".into(), secret: Secret::new("other") });
    client.page(&accounts(), None, &go()).await.unwrap();
    let seen = server.seen();
    assert!(is_signed(&seen[0]));
    let expected = expected_signature(&seen[1], "other");
    assert_eq!(
        seen[1].header("authorization"),
        format!("HMAC-SHA256 credential=key-2,signature={expected}")
    );
}

#[tokio::test]
async fn an_access_key_of_two_lines_is_told_not_sent() {
    let server = Server::start(|_, _| empty()).await;
    let credentials = Credentials { access_key: "key\r\nx: y".into(), secret: Secret::new("s") };
    let credentials = SharedCredentials::new(credentials);
    let client = Client::new(Options { credentials, ..options(&server.base_url) }).unwrap();
    let error = client.page(&accounts(), None, &go()).await.unwrap_err();
    assert!(matches!(error, PageError::Unbuildable(Unbuildable::AccessKey)));
    assert_eq!(server.seen().len(), 0);
}
