//! What goes into the `Authorization` header: pure functions of the request and the credentials.
//!
//! Atlar publishes no scheme of signing requests, so the one here is this project's own and
//! documented as such: `docs` and simulator follow the same text, not this code. The message is
//! five lines joined by `\n`, without one at the end:
//!
//! ```text
//! METHOD
//! path as in the request line
//! query as in the request line, without "?", may be empty
//! timestamp as sent: RFC 3339, UTC
//! lower-case hex SHA-256 of the body (of nothing for GET)
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Carries the time of signing, which the signature covers.
pub const TIMESTAMP_HEADER: &str = "atlar-request-timestamp";

/// The block of SHA-256, in bytes: HMAC keys are brought to this length.
const BLOCK_BYTES: usize = 64;

/// The values of the two headers of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    pub authorization: String,
    pub timestamp: String,
}

/// Signs a request with HMAC-SHA256, keyed with the secret's UTF-8 bytes. The secret itself does
/// not travel.
///
/// ```
/// use atlar_ingestor::atlar::sign::hmac;
/// use atlar_ingestor::secret::Secret;
///
/// let at = "2026-02-03T09:15:27Z";
/// let signed = hmac("key-1", &Secret::new("s3cr3t"), "GET", "/v1/accounts", "", at, b"");
/// assert_eq!(
///     signed.authorization,
///     "HMAC-SHA256 credential=key-1,\
///      signature=a6e2c83101c9365668346331b82463508de6fbe42d62e0d9d0d099533e145911"
/// );
/// assert_eq!(signed.timestamp, at);
///
/// // Path and query are the bytes of the request line, percent signs included.
/// let query = "accountId=a%2F1&limit=25&token=bW9yZQ%3D%3D";
/// let at = "2026-02-03T09:15:27.104Z";
/// let signed = hmac("key-1", &Secret::new("s3cr3t"), "GET", "/v1/transactions", query, at, b"");
/// assert!(signed.authorization.ends_with(
///     "signature=82f1247f19dba8677ec369c05a36a919231068ddac13b69ac90fb07a9d59914e"
/// ));
///
/// // A secret beyond 64 bytes, not ASCII, and a body.
/// let secret = Secret::new(format!("gåta-{}", "x".repeat(80)));
/// let signed = hmac("key-1", &secret, "POST", "/atlar/v1/things", "", at, br#"{"a":1}"#);
/// assert!(signed.authorization.ends_with(
///     "signature=e3fe45e8606a4270916b03211a1390553516761e6ea0181b1cc52f4bcdcfb1f3"
/// ));
/// ```
pub fn hmac(
    access_key: &str,
    secret: &Secret,
    method: &str,
    path: &str,
    query: &str,
    timestamp: &str,
    body: &[u8],
) -> SignedHeaders {
    let body_digest = hex::encode(Sha256::digest(body));
    let message = [method, path, query, timestamp, &body_digest].join("\n");
    let mut mac = Hmac::<Sha256>::new(&key_block(secret.expose_secret().as_bytes()).into());
    mac.update(message.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    SignedHeaders {
        authorization: format!("HMAC-SHA256 credential={access_key},signature={signature}"),
        timestamp: timestamp.to_owned(),
    }
}

/// The value of a Basic `Authorization` header (RFC 7617, UTF-8).
///
/// ```
/// use atlar_ingestor::atlar::sign::basic;
/// use atlar_ingestor::secret::Secret;
///
/// assert_eq!(basic("nyckel", &Secret::new("gåta")), "Basic bnlja2VsOmfDpXRh");
/// ```
pub fn basic(access_key: &str, secret: &Secret) -> String {
    format!("Basic {}", STANDARD.encode(format!("{access_key}:{}", secret.expose_secret())))
}

/// The value of a Basic `Authorization` header as a server that grants tokens reads it: key and
/// secret are form-encoded before they are joined (RFC 6749, 2.3.1).
///
/// ```
/// use atlar_ingestor::atlar::sign::client_basic;
/// use atlar_ingestor::secret::Secret;
///
/// // base64 of nyckel:g%C3%A5ta+%2B%2F%3D%3A*-._
/// assert_eq!(
///     client_basic("nyckel", &Secret::new("gåta +/=:*-._")),
///     "Basic bnlja2VsOmclQzMlQTV0YSslMkIlMkYlM0QlM0EqLS5f"
/// );
/// ```
pub fn client_basic(access_key: &str, secret: &Secret) -> String {
    let secret = Secret::new(form_encoded(secret.expose_secret()));
    basic(&form_encoded(access_key), &secret)
}

/// As `application/x-www-form-urlencoded` writes a value.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(3 * text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The key as RFC 2104 defines it: hashed where longer than a block, then filled up with zeros.
/// Done here because a key of exactly one block cannot be refused, so there is no error to handle.
fn key_block(key: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let digest;
    let key = if key.len() > BLOCK_BYTES {
        digest = Sha256::digest(key);
        digest.as_slice()
    } else {
        key
    };
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    block
}
