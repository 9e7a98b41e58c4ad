//! Who may read: HTTP Basic, and the signed request of the connector page.
//!
//! Written from the documentation, not from the client: a mistake in the client's signing shows
//! as a refusal here. Nothing tells a caller which part of the credentials was wrong.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A signed request is refused when its timestamp is further away than this.
const WINDOW_MS: i64 = 5 * 60 * 1000;

/// Which schemes are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schemes {
    Any,
    BasicOnly,
    HmacOnly,
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
}

impl Refusal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Refusal::NoCredentials => "no credentials",
            Refusal::SchemeNotAccepted => "scheme not accepted",
            Refusal::WrongCredentials => "wrong credentials",
            Refusal::WrongSignature => "wrong signature",
            Refusal::StaleTimestamp => "stale timestamp",
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
) -> Result<&'static str, Refusal> {
    let header = claim.headers.get("authorization").ok_or(Refusal::NoCredentials)?.as_bytes();
    if let Some(encoded) = header.strip_prefix(b"Basic ") {
        if schemes == Schemes::HmacOnly {
            return Err(Refusal::SchemeNotAccepted);
        }
        let given = STANDARD.decode(encoded).map_err(|_| Refusal::WrongCredentials)?;
        let expected = format!("{access_key}:{secret}");
        // Digests are compared, so that the time taken says nothing about the secret.
        let same = Sha256::digest(&given) == Sha256::digest(expected.as_bytes());
        return if same { Ok("basic") } else { Err(Refusal::WrongCredentials) };
    }
    if let Some(fields) = header.strip_prefix(b"HMAC-SHA256 ") {
        if schemes == Schemes::BasicOnly {
            return Err(Refusal::SchemeNotAccepted);
        }
        return check_signature(claim, fields, access_key, secret, now_ms).map(|()| "hmac");
    }
    Err(Refusal::SchemeNotAccepted)
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
