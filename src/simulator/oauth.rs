//! OAuth2 client credentials: gives bearer tokens and remembers them for as long as they live.
//!
//! As documented: a form with `grant_type=client_credentials`, the access key and secret in an
//! HTTP Basic header or as `client_id` and `client_secret` in the form, errors as
//! `{"error","error_description"}`. Neither a secret nor a token is ever logged.

use std::collections::VecDeque;

use axum::body::Body;
use axum::extract::{Form, FromRequest, Request};
use axum::http::{HeaderMap, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::auth::{Schemes, same};
use super::respond::Answer;
use super::{Shared, locked};

/// So many tokens are remembered; the oldest are forgotten first.
const TOKENS_MAX: usize = 1000;

/// The tokens that were given.
pub(super) struct Tokens {
    seed: u64,
    life_ms: u64,
    /// Without it a token lives for good.
    mortal: bool,
    given: u64,
    alive: VecDeque<(String, i64)>,
}

impl Tokens {
    pub(super) fn new(seed: u64, life_ms: u64, mortal: bool) -> Tokens {
        Tokens { seed, life_ms, mortal, given: 0, alive: VecDeque::new() }
    }

    /// A new token, and the seconds it is said to live.
    fn give(&mut self, secret: &str, now_ms: i64) -> (String, u64) {
        self.given += 1;
        let text = format!("{} {} {secret}", self.seed, self.given);
        let token = hex::encode(Sha256::digest(text.as_bytes()));
        let life = i64::try_from(self.life_ms).unwrap_or(i64::MAX);
        let ends = if self.mortal { now_ms.saturating_add(life) } else { i64::MAX };
        self.alive.push_back((token.clone(), ends));
        if self.alive.len() > TOKENS_MAX {
            self.alive.pop_front();
        }
        (token, (self.life_ms / 1000).max(1))
    }

    pub(super) fn knows(&self, token: &str, now_ms: i64) -> bool {
        self.alive.iter().any(|(known, ends)| known == token && now_ms < *ends)
    }

    /// Every token that was given is refused from now on.
    pub(super) fn expire(&mut self) {
        self.alive.clear();
    }
}

/// Answers a request for a token; the second value is for the log.
pub(super) async fn token(
    shared: &Shared,
    method: &Method,
    headers: &HeaderMap,
    body: Bytes,
    now_ms: i64,
) -> (Answer, &'static str) {
    if method != Method::POST {
        return (Answer::error(405, "Method not allowed."), "not looked at");
    }
    let fields = fields(headers, body).await;
    match judge(shared, headers, fields.as_deref()) {
        Err(Denied { status, error, description }) => {
            (Answer::oauth_error(status, error, description), error)
        }
        Ok(()) => {
            let (token, seconds) = locked(&shared.tokens).give(&shared.secret, now_ms);
            let body = serde_json::json!({
                "access_token": token, "token_type": "Bearer", "expires_in": seconds,
            });
            (Answer::json(200, body.to_string()), "client credentials")
        }
    }
}

/// Why no token is given.
struct Denied {
    status: u16,
    error: &'static str,
    description: &'static str,
}

const fn denied(status: u16, error: &'static str, description: &'static str) -> Denied {
    Denied { status, error, description }
}

const NOT_A_FORM: Denied = denied(400, "invalid_request", "The body must be a form.");
const TWICE: Denied =
    denied(400, "invalid_request", "Credentials must be given in one way, and once.");
const NO_GRANT: Denied = denied(400, "invalid_request", "grant_type is missing.");
const OTHER_GRANT: Denied =
    denied(400, "unsupported_grant_type", "Only client_credentials is supported.");
const NO_CLIENT: Denied = denied(401, "invalid_client", "Client authentication failed.");
const NOT_ALLOWED: Denied =
    denied(401, "unauthorized_client", "The client may not use this grant.");

type Fields = Vec<(String, String)>;

async fn fields(headers: &HeaderMap, body: Bytes) -> Option<Fields> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    *request.headers_mut() = headers.clone();
    Form::<Fields>::from_request(request, &()).await.ok().map(|Form(fields)| fields)
}

fn judge(
    shared: &Shared,
    headers: &HeaderMap,
    fields: Option<&[(String, String)]>,
) -> Result<(), Denied> {
    let fields = fields.ok_or(NOT_A_FORM)?;
    let field = |name: &str| {
        let mut found = fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(TWICE),
            (found, None) => Ok(found.map(String::as_str)),
        }
    };
    match field("grant_type")? {
        None | Some("") => return Err(NO_GRANT),
        Some("client_credentials") => {}
        Some(_) => return Err(OTHER_GRANT),
    }
    let basic =
        headers.get("authorization").and_then(|value| value.as_bytes().strip_prefix(b"Basic "));
    let (id, secret) = (field("client_id")?, field("client_secret")?);
    let expected = format!("{}:{}", shared.access_key, shared.secret);
    let known = match (basic, id, secret) {
        (Some(_), _, Some(_)) => return Err(TWICE),
        (Some(encoded), _, None) => {
            let given = STANDARD.decode(encoded).map_err(|_| NO_CLIENT)?;
            // The standard has both parts form encoded; many clients send them as they are.
            same(&given, expected.as_bytes()) || same(&decoded(&given), expected.as_bytes())
        }
        (None, Some(id), Some(secret)) => {
            same(format!("{id}:{secret}").as_bytes(), expected.as_bytes())
        }
        (None, _, _) => false,
    };
    if !known {
        return Err(NO_CLIENT);
    }
    match shared.schemes {
        Schemes::Any | Schemes::OAuthOnly => Ok(()),
        Schemes::BasicOnly | Schemes::HmacOnly => Err(NOT_ALLOWED),
    }
}

/// Form encoding undone: `%41` is a byte, `+` a blank.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(|two| hex::decode(two).ok());
        match (first, byte.as_deref()) {
            (_, Some([byte])) => {
                bytes.push(*byte);
                rest = after.get(2..).unwrap_or(&[]);
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (plain, _) => bytes.push(*plain),
        }
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_encoding_is_undone() {
        assert_eq!(decoded(b"a%3Ab+%C3%85%zz%4"), "a:b Å%zz%4".as_bytes());
    }

    #[test]
    fn tokens_live_as_long_as_they_are_said_to() {
        let mut tokens = Tokens::new(1, 2000, true);
        let (first, seconds) = tokens.give("s", 1000);
        let (second, _) = tokens.give("s", 1500);
        assert_eq!((seconds, first.len()), (2, 64));
        assert_ne!(first, second);
        assert!(tokens.knows(&first, 2999) && !tokens.knows(&first, 3000));
        assert!(tokens.knows(&second, 3000) && !tokens.knows("", 1000));
        tokens.expire();
        assert!(!tokens.knows(&second, 1500));
        let mut immortal = Tokens::new(1, 1, false);
        let (token, seconds) = immortal.give("s", 0);
        assert!(immortal.knows(&token, i64::MAX - 1));
        assert_eq!(seconds, 1);
        for _ in 0..TOKENS_MAX {
            immortal.give("s", 0);
        }
        assert!(!immortal.knows(&token, 0), "the oldest is forgotten");
    }
}
