//! The shared token without sockets.

use futures::FutureExt;
use reqwest::header::HeaderValue;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::error::TokenCause;
use super::super::token::{Granted, Tokens};
use super::super::wire::{Failed, Passing};
use super::*;

fn granted(token: &str, life: u64) -> Granted {
    let mut authorization = HeaderValue::from_str(token).unwrap();
    authorization.set_sensitive(true);
    Granted { authorization, life: Duration::from_secs(life), asked_at: Instant::now() }
}

fn in_passing() -> Failed {
    let answer = Answer { status: 503, request_id: None };
    let cause = Cause::Token(TokenCause::new(Cause::Answer(answer)));
    Failed::Passing(Passing { cause, after: None })
}

/// Gets a token, granting `name` where one is asked for.
async fn get(tokens: &Tokens, credentials: &SharedCredentials, name: &str) -> String {
    let token = tokens.get(credentials, async |_| Ok(granted(name, 100))).await.unwrap();
    token.authorization().to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn life_is_counted_from_the_request_for_the_token() {
    let (tokens, credentials) = (Tokens::default(), credentials());
    let slow = async |_: &Credentials| {
        let granted = granted("a", 100);
        tokio::time::advance(Duration::from_secs(30)).await;
        Ok(granted)
    };
    tokens.get(&credentials, slow).await.unwrap();
    tokio::time::advance(Duration::from_secs(49)).await;
    assert_eq!(get(&tokens, &credentials, "b").await, "a");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(get(&tokens, &credentials, "b").await, "b");
}

#[tokio::test]
async fn who_waited_shares_a_failure_and_who_comes_later_does_not() {
    let (tokens, credentials) = (Tokens::default(), credentials());
    let (answer, mut asked) = (Notify::new(), 0);
    let first = tokens.get(&credentials, async |_| {
        asked += 1;
        answer.notified().await;
        Err(in_passing())
    });
    let second = tokens.get(&credentials, async |_| panic!("asked twice"));
    let (first, second, ()) = tokio::join!(first, second, async { answer.notify_one() });
    assert!(matches!(first, Err(Failed::Passing(_))) && matches!(second, Err(Failed::Passing(_))));
    assert_eq!(asked, 1);
    assert_eq!(get(&tokens, &credentials, "later").await, "later");
}

#[tokio::test]
async fn a_failure_of_old_credentials_says_nothing_of_new_ones() {
    let (tokens, credentials) = (Tokens::default(), credentials());
    let answer = Notify::new();
    let first = tokens.get(&credentials, async |_| {
        answer.notified().await;
        Err(in_passing())
    });
    let rotation = async {
        credentials.replace(Credentials { access_key: "b".into(), secret: Secret::new("b") });
        answer.notify_one();
    };
    let (first, second, ()) = tokio::join!(first, get(&tokens, &credentials, "new"), rotation);
    assert!(first.is_err());
    assert_eq!(second, "new");
}

#[tokio::test]
async fn who_is_told_to_stop_or_dropped_leaves_the_place_to_the_next() {
    let (tokens, credentials) = (Tokens::default(), credentials());
    {
        let dropped = tokens.get(&credentials, async |_| std::future::pending().await);
        let waiting = get(&tokens, &credentials, "a");
        tokio::pin!(waiting);
        let mut dropped = Box::pin(dropped);
        assert!(dropped.as_mut().now_or_never().is_none());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(dropped);
        assert_eq!(waiting.await, "a");
    }
    let (tokens, answer) = (Tokens::default(), Notify::new());
    let stopped = tokens.get(&credentials, async |_| {
        answer.notified().await;
        Err(crate::retry::Cancelled.into())
    });
    let second = get(&tokens, &credentials, "b");
    let (stopped, second, ()) = tokio::join!(stopped, second, async { answer.notify_one() });
    assert!(matches!(stopped, Err(Failed::Final(PageError::Cancelled(_)))));
    assert_eq!(second, "b");
}

#[tokio::test]
async fn only_the_refused_token_is_given_up() {
    let (tokens, credentials) = (Tokens::default(), credentials());
    let old = tokens.get(&credentials, async |_| Ok(granted("a", 100))).await.unwrap();
    old.refuse();
    assert_eq!(get(&tokens, &credentials, "b").await, "b");
    old.refuse();
    assert_eq!(get(&tokens, &credentials, "c").await, "b");
}

#[tokio::test]
async fn prints_nothing_of_a_token() {
    let (tokens, credentials) = (Tokens::default(), credentials());
    let token = tokens.get(&credentials, async |_| Ok(granted("hush", 100))).await.unwrap();
    let text = format!("{tokens:?} {token:?} {:?}", granted("hush", 1));
    assert!(text.contains("Token") && !text.contains("hush"), "{text}");
    assert!(!text.contains(ACCESS_KEY) && !text.contains(SECRET), "{text}");
}
