//! Who may read: HTTP Basic, bearer tokens, and the signed request of the connector page.
//!
//! Written from the documentation, not from the client: a mistake in the client's signing shows
//! as a refusal here. Nothing tells a caller which part of the credentials was wrong.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::oauth::Tokens;

/// A signed request is refused when its timestamp is further away than this.
const WINDOW_MS: i64 = 5 * 60 * 1000;

/// Which schemes are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schemes {
    Any,
    BasicOnly,
    HmacOnly,
    /// Bearer tokens; HTTP Basic only to get one.
    OAuthOnly,
}

/// What is known of a request before its credentials are believed.
pub(super) struct Claim<'a> {
    pub(super) method: &'a str,
    /// Path and query as the request line has them, byte for byte.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// Why a request was refused: for the served log, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoCredentials,
    SchemeNotAccepted,
    WrongCredentials,
    WrongSignature,
    StaleTimestamp,
    DeadToken,
}

impl Refusal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Refusal::NoCredentials => "no credentials",
            Refusal::SchemeNotAccepted => "scheme not accepted",
            Refusal::WrongCredentials => "wrong credentials",
            Refusal::WrongSignature => "wrong signature",
            Refusal::StaleTimestamp => "stale timestamp",
            Refusal::DeadToken => "unknown or expired token",
        }
    }
}

/// Checks the credentials; the name of the accepted scheme.
pub(super) fn check(
    claim: &Claim<'_>,
    schemes: Schemes,
    access_key: &str,
    secret: &str,
    now_ms: i64,
    tokens: &Tokens,
) -> Result<&'static str, Refusal> {
    let header = claim.headers.get("authorization").ok_or(Refusal::NoCredentials)?.as_bytes();
    if let Some(encoded) = header.strip_prefix(b"Basic ") {
        if !matches!(schemes, Schemes::Any | Schemes::BasicOnly) {
            return Err(Refusal::SchemeNotAccepted);
        }
        let given = STANDARD.decode(encoded).map_err(|_| Refusal::WrongCredentials)?;
        let expected = format!("{access_key}:{secret}");
        let known = same(&given, expected.as_bytes());
        return if known { Ok("basic") } else { Err(Refusal::WrongCredentials) };
    }
    if let Some(fields) = header.strip_prefix(b"HMAC-SHA256 ") {
        if !matches!(schemes, Schemes::Any | Schemes::HmacOnly) {
            return Err(Refusal::SchemeNotAccepted);
        }
        return check_signature(claim, fields, access_key, secret, now_ms).map(|()| "hmac");
    }
    if let Some(token) = header.strip_prefix(b"Bearer ") {
        if !matches!(schemes, Schemes::Any | Schemes::OAuthOnly) {
            return Err(Refusal::SchemeNotAccepted);
        }
        let known = std::str::from_utf8(token).is_ok_and(|token| tokens.knows(token, now_ms));
        return if known { Ok("bearer") } else { Err(Refusal::DeadToken) };
    }
    Err(Refusal::SchemeNotAccepted)
}

/// Digests are compared, so that the time taken says nothing about the secret.
pub(super) fn same(given: &[u8], expected: &[u8]) -> bool {
    Sha256::digest(given) == Sha256::digest(expected)
}

fn check_signature(
    claim: &Claim<'_>,
    fields: &[u8],
    access_key: &str,
    secret: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    let fields = std::str::from_utf8(fields).map_err(|_| Refusal::WrongCredentials)?;
    let (credential, signature) = fields
        .strip_prefix("credential=")
        .and_then(|rest| rest.rsplit_once(",signature="))
        .ok_or(Refusal::WrongCredentials)?;
    if credential != access_key {
        return Err(Refusal::WrongCredentials);
    }
    let timestamp = claim
        .headers
        .get("atlar-request-timestamp")
        .and_then(|value| value.to_str().ok())
        .ok_or(Refusal::StaleTimestamp)?;
    let at: jiff::Timestamp = timestamp.parse().map_err(|_| Refusal::StaleTimestamp)?;
    if at.as_millisecond().saturating_sub(now_ms).saturating_abs() > WINDOW_MS {
        return Err(Refusal::StaleTimestamp);
    }
    let lower = signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let given = hex::decode(signature).ok().filter(|_| lower).ok_or(Refusal::WrongSignature)?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| Refusal::WrongSignature)?;
    let body_hash = hex::encode(Sha256::digest(claim.body));
    for (index, part) in
        [claim.method, claim.path, claim.query, timestamp, &body_hash].into_iter().enumerate()
    {
        if index > 0 {
            mac.update(b"\n");
        }
        mac.update(part.as_bytes());
    }
    mac.verify_slice(&given).map_err(|_| Refusal::WrongSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac and hashlib, not with the code above.
    #[test]
    fn a_signature_made_elsewhere_is_accepted() {
        let signature = "0489a142b55615712c0bf50a736efc23bd516ed49799328cddad5718d4120732";
        let verdict = |query: &str, signature: &str, now_ms| {
            let mut headers = HeaderMap::new();
            let value = format!("HMAC-SHA256 credential=key-1,signature={signature}");
            headers.insert("authorization", value.parse().unwrap());
            let at = "2026-02-03T09:15:27.104Z".parse().unwrap();
            headers.insert("atlar-request-timestamp", at);
            let (method, path) = ("GET", "/v1/transactions");
            let claim = Claim { method, path, query, headers: &headers, body: b"" };
            let tokens = Tokens::new(1, 1, true);
            check(&claim, Schemes::Any, "key-1", "s3cret-Å", now_ms, &tokens)
        };
        let query = "accountId=6d0f5a2e&limit=25&token=a%2Fb%3D";
        let at_ms = 1_770_110_127_104;
        assert_eq!(verdict(query, signature, at_ms), Ok("hmac"));
        let decoded = "accountId=6d0f5a2e&limit=25&token=a/b=";
        assert_eq!(verdict(decoded, signature, at_ms), Err(Refusal::WrongSignature));
        let upper = signature.to_uppercase();
        assert_eq!(verdict(query, &upper, at_ms), Err(Refusal::WrongSignature));
        assert_eq!(verdict(query, signature, at_ms + WINDOW_MS), Ok("hmac"));
        let late = at_ms + WINDOW_MS + 1;
        assert_eq!(verdict(query, signature, late), Err(Refusal::StaleTimestamp));
    }
}
