//! The request for an access token: the client credentials grant (RFC 6749, 4.4).

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::answer::{error_bytes, is_html};
use super::auth::{self, Scheme};
use super::base::Base;
use super::budget::Permit;
use super::classify::Class;
use super::error::{Answer, PageError, TokenFault, Unbuildable};
use super::page::{BodyFault, object};
use super::sign;
use super::token::Granted;
use super::wire::{Failed, Wire};
use crate::json::Json;
use crate::secret::Credentials;

/// Below the base URL.
const PATH: &str = "/iam/v2/oauth2/token";

const FORM: &str = "grant_type=client_credentials";

/// A larger answer, in bytes, holds no token.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The life of a token whose answer does not say it, or says nonsense. It is what Atlar's have.
const LIFE_DEFAULT: Duration = Duration::from_secs(300);

/// No token is used longer, whatever its answer says: asking once an hour costs nothing.
const LIFE_MAX: Duration = Duration::from_secs(3600);

/// What a token's answer may say to credentials that are no good (RFC 6749, 5.2).
const REFUSALS: &[&str] = &["invalid_client", "invalid_grant", "unauthorized_client"];

/// Asks for a token. Failures are those of a page that cannot be had for want of one.
pub(super) async fn ask(
    wire: &Wire,
    base: &Base,
    credentials: &Credentials,
    permit: &Permit<'_>,
) -> Result<Granted, Failed> {
    let asked_at = Instant::now();
    let request = request(wire, base, credentials)?;
    let received = wire.send(request, permit, false).await.map_err(Failed::of_token)?;
    if received.class != Class::Good {
        let (answer, class) = (received.answer, received.class);
        let body = error_bytes(received.response).await;
        return Err(Failed::Final(refusal(answer, class, &body)));
    }
    let (answer, body) = received.body(BODY_BYTES_MAX).await.map_err(Failed::of_token)?;
    let read = body.ok_or(TokenFault::Body(BodyFault::TooLarge)).and_then(|body| read(&body));
    let (authorization, life) = read.map_err(|fault| match fault {
        TokenFault::Body(fault) => Failed::body(answer, fault, no_token).of_token(),
        _ => Failed::Final(PageError::NoToken { answer, fault }),
    })?;
    permit.succeeded();
    tracing::debug!(life_s = life.as_secs(), "Atlar granted an access token");
    Ok(Granted { authorization, life, asked_at })
}

fn request(
    wire: &Wire,
    base: &Base,
    credentials: &Credentials,
) -> Result<reqwest::Request, Unbuildable> {
    let Credentials { access_key, secret } = credentials;
    let authorization = auth::sensitive(&sign::client_basic(access_key, secret))?;
    let request = wire.http.request(Method::POST, base.below(PATH));
    request
        .header(AUTHORIZATION, authorization)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(FORM)
        .build()
        .map_err(Unbuildable::refused)
}

fn no_token(answer: Answer, fault: BodyFault) -> PageError {
    PageError::NoToken { answer, fault: TokenFault::Body(fault) }
}

/// What an answer other than a good one means. That no list can be read without a token is no
/// reason to take any list for one that is not offered.
fn refusal(answer: Answer, class: Class, body: &[u8]) -> PageError {
    let named = Json::parse(body);
    let named = named.as_ref().ok().and_then(|json| json.get("error").text());
    let fault = match class {
        Class::Unauthorized | Class::Forbidden => return unauthorized(answer),
        _ if named.is_some_and(|error| REFUSALS.contains(&error)) => return unauthorized(answer),
        _ if is_html(body) => TokenFault::Body(BodyFault::Html),
        Class::NotOffered => TokenFault::NotOffered,
        _ => TokenFault::Rejected,
    };
    PageError::NoToken { answer, fault }
}

fn unauthorized(answer: Answer) -> PageError {
    PageError::Unauthorized { answer, scheme: Scheme::OAuth2, basic_withheld: false }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    access_token: Option<&'a RawValue>,
    #[serde(borrow)]
    token_type: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
}

/// The header that the token is sent in, and the token's life.
fn read(body: &Bytes) -> Result<(HeaderValue, Duration), TokenFault> {
    let envelope: Envelope<'_> = object(body).map_err(|fault| match fault {
        BodyFault::ItemsNotAList => TokenFault::NotText,
        fault => TokenFault::Body(fault),
    })?;
    let kind = json(envelope.token_type);
    // Atlar leaves out what goes without saying; any other type would be used in another way.
    if !kind.is_nothing() && !kind.text().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(TokenFault::NotBearer);
    }
    let token = json(envelope.access_token);
    let text = token.text().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    let text = text.ok_or(TokenFault::NotText)?;
    let header = auth::sensitive(&format!("Bearer {text}")).map_err(|_| TokenFault::NotText)?;
    Ok((header, life(envelope.expires_in.map_or("", RawValue::get))))
}

fn json(raw: Option<&RawValue>) -> Json<'_> {
    raw.and_then(|raw| Json::parse(raw.get().as_bytes()).ok()).unwrap_or(Json::Null)
}

/// Seconds as JSON, also as a text of digits.
fn life(expires_in: &str) -> Duration {
    let seconds: f64 = expires_in.trim_matches('"').parse().unwrap_or(f64::NAN);
    if seconds.is_nan() || seconds <= 0.0 {
        return LIFE_DEFAULT;
    }
    Duration::try_from_secs_f64(seconds).map_or(LIFE_MAX, |life| life.min(LIFE_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(body: &str) -> Result<(String, u64), TokenFault> {
        let (header, life) = read(&Bytes::copy_from_slice(body.as_bytes()))?;
        assert!(header.is_sensitive());
        Ok((header.to_str().unwrap().to_owned(), life.as_secs()))
    }

    #[test]
    fn reads_a_granted_token() {
        let bearer = |text: &str, seconds| Ok((format!("Bearer {text}"), seconds));
        let table = [
            (r#"{"access_token":"a.b-c","token_type":"Bearer","expires_in":299}"#, 299),
            (r#"{"access_token":"a.b-c","token_type":"bearer","expires_in":"60","x":{}}"#, 60),
            (r#"{"access_token":"a.b\u002dc","token_type":null}"#, 300),
        ];
        for (body, seconds) in table {
            assert_eq!(of(body), bearer("a.b-c", seconds), "{body}");
        }
    }

    #[test]
    fn tells_what_is_no_token() {
        let table = [
            (r#"{"access_token":"a","token_type":"mac"}"#, TokenFault::NotBearer),
            (r#"{"access_token":"a","token_type":7}"#, TokenFault::NotBearer),
            (r#"{"token_type":"bearer"}"#, TokenFault::NotText),
            (r#"{"access_token":""}"#, TokenFault::NotText),
            (r#"{"access_token":5}"#, TokenFault::NotText),
            (r#"{"access_token":"a\r\nx: y"}"#, TokenFault::NotText),
            (r#"{"access_token":"a b"}"#, TokenFault::NotText),
            (r#"{"access_token":"a","access_token":"b"}"#, TokenFault::NotText),
            (r#"{"access_token":"a"#, TokenFault::Body(BodyFault::Truncated)),
            ("<html>", TokenFault::Body(BodyFault::Html)),
            ("[]", TokenFault::Body(BodyFault::NotAnObject)),
            ("it works", TokenFault::Body(BodyFault::NotJson)),
        ];
        for (body, fault) in table {
            assert_eq!(of(body), Err(fault), "{body}");
        }
    }

    #[test]
    fn nonsense_is_no_life_and_no_life_is_endless() {
        let table = [
            ("300", 300.0),
            ("0.5", 0.5),
            ("\"42\"", 42.0),
            ("", 300.0),
            ("null", 300.0),
            ("0", 300.0),
            ("-1", 300.0),
            ("\"soon\"", 300.0),
            ("\"NaN\"", 300.0),
            ("{}", 300.0),
            ("86400", 3600.0),
            ("1e300", 3600.0),
            ("\"inf\"", 3600.0),
        ];
        for (text, seconds) in table {
            assert_eq!(life(text), Duration::from_secs_f64(seconds), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_token_or_a_fault(bytes: Vec<u8>) {
            let _ = read(&Bytes::from(bytes));
        }
    }
}
