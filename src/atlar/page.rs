//! One page of a list: the received body, cut into records without copying or rebuilding them.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::json::Json;

/// Which list to read: a path below the base URL and the filters. `limit` and `token` are the
/// client's business. Filters stay the same for a whole walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// Begins with `/`.
    pub path: String,
    pub query: Vec<(String, String)>,
}

/// One answer of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Each record as received, in the order received. All share the memory of the body.
    pub items: Vec<Bytes>,
    /// Where the walk goes on; `None` ends it. Nothing else does: neither a short page nor an
    /// empty one.
    pub next_token: Option<String>,
    /// The page size the server says it used; it coerces sizes outside its bounds.
    pub limit: Option<u32>,
    pub request_id: Option<String>,
    /// When the request that brought this page began, not counting waits and failed attempts.
    pub requested_at: Instant,
    /// The same by the wall clock, in milliseconds since 1970.
    pub requested_at_ms: i64,
    /// The size of the body after decompression.
    pub bytes: usize,
    /// The requests it took, failed ones included.
    pub requests: u32,
}

/// Why a body is not a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    #[error("the JSON ends too early")]
    Truncated,
    #[error("a web page (HTML) instead of JSON")]
    Html,
    #[error("not valid JSON")]
    NotJson,
    #[error("not a JSON object")]
    NotAnObject,
    #[error("the member \"items\" is missing or null")]
    ItemsMissing,
    #[error("a member has not the documented type: \"items\" is no list, or named twice")]
    ItemsNotAList,
    #[error("the member \"nextToken\" is not a text")]
    TokenNotText,
    #[error("larger than {} MB", crate::atlar::BODY_BYTES_MAX / 1_000_000)]
    TooLarge,
}

/// What a page's body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub items: Vec<Bytes>,
    pub next_token: Option<String>,
    pub limit: Option<u32>,
}

/// Cuts a body into its records. They point into `body`; nothing is copied, and no number or
/// escape is rewritten, because hashes and the `raw` field need the bytes as sent.
pub fn split(body: &Bytes) -> Result<Split, BodyFault> {
    let envelope: Envelope<'_> = object(body)?;
    let items = envelope.items.ok_or(BodyFault::ItemsMissing)?;
    Ok(Split {
        items: items.into_iter().map(|raw| body.slice_ref(raw.get().as_bytes())).collect(),
        next_token: token(envelope.next_token)?,
        limit: envelope.limit.and_then(|raw| raw.get().parse().ok()),
    })
}

/// Reads the members of a JSON object, or says what the body is instead.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BodyFault> {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => return Err(BodyFault::Truncated),
        Err(_) => return Err(BodyFault::NotJson),
    };
    match text.trim_start().as_bytes().first() {
        None => return Err(BodyFault::Truncated),
        Some(b'<') => return Err(BodyFault::Html),
        // The derived reader would take a list for an object, member by member.
        Some(b'[') => return Err(BodyFault::NotAnObject),
        Some(_) => {}
    }
    serde_json::from_str(text).map_err(|error| shape(text, &error))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    next_token: Option<&'a RawValue>,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
}

fn shape(text: &str, error: &serde_json::Error) -> BodyFault {
    match error.classify() {
        Category::Eof => BodyFault::Truncated,
        Category::Data if text.trim_start().starts_with('{') => BodyFault::ItemsNotAList,
        Category::Data => BodyFault::NotAnObject,
        // Of a number cut in two, serde_json says that it is wrong, not that the text has ended.
        Category::Syntax if text.ends_with(['-', '+', '.', 'e', 'E']) => BodyFault::Truncated,
        Category::Syntax | Category::Io => BodyFault::NotJson,
    }
}

/// Missing, `null`, `""` and `{}` all mean that there is no next page.
fn token(raw: Option<&RawValue>) -> Result<Option<String>, BodyFault> {
    let Some(raw) = raw else { return Ok(None) };
    match Json::parse(raw.get().as_bytes()) {
        Ok(Json::String(text)) if !text.is_empty() => Ok(Some(Cow::into_owned(text))),
        Ok(json) if json.is_nothing() => Ok(None),
        _ => Err(BodyFault::TokenNotText),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Expected<'a> = Result<(&'a [&'a str], Option<&'a str>, Option<u32>), BodyFault>;

    fn check(body: &str, expected: Expected<'_>) {
        let expected = expected.map(|(items, token, limit)| Split {
            items: items.iter().map(|item| Bytes::copy_from_slice(item.as_bytes())).collect(),
            next_token: token.map(str::to_owned),
            limit,
        });
        assert_eq!(split(&Bytes::copy_from_slice(body.as_bytes())), expected, "{body}");
    }

    #[test]
    fn reads_every_legal_envelope() {
        check(r#"{"items":[]}"#, Ok((&[], None, None)));
        check(r#" {"items":[],"nextToken":"","token":"","limit":0} "#, Ok((&[], None, Some(0))));
        check(r#"{"items":[],"nextToken":null,"limit":"many"}"#, Ok((&[], None, None)));
        check(r#"{"items":[],"nextToken":{}}"#, Ok((&[], None, None)));
        check(
            r#"{"limit":25,"later":[{}],"nextToken":"a\u003d","items":[ {"a": 1.10} , 7,"x",null]}"#,
            Ok((&[r#"{"a": 1.10}"#, "7", "\"x\"", "null"], Some("a="), Some(25))),
        );
    }

    #[test]
    fn tells_bad_bodies_apart() {
        check("", Err(BodyFault::Truncated));
        check("  ", Err(BodyFault::Truncated));
        check(r#"{"items":[{"a":1},"#, Err(BodyFault::Truncated));
        check(r#"{"items":[{"a":"x"#, Err(BodyFault::Truncated));
        check("\n<!doctype html><html></html>", Err(BodyFault::Html));
        check("it works!", Err(BodyFault::NotJson));
        check(r#"{"items":[{"a":}]}"#, Err(BodyFault::NotJson));
        check(r#"{"items":[]} x"#, Err(BodyFault::NotJson));
        check(r#"[{"items":[]}]"#, Err(BodyFault::NotAnObject));
        check("\"gone\"", Err(BodyFault::NotAnObject));
        check("null", Err(BodyFault::NotAnObject));
        check("{}", Err(BodyFault::ItemsMissing));
        check(r#"{"items":null}"#, Err(BodyFault::ItemsMissing));
        check(r#"{"items":{}}"#, Err(BodyFault::ItemsNotAList));
        check(r#"{"items":[],"items":[]}"#, Err(BodyFault::ItemsNotAList));
        check(r#"{"items":[],"nextToken":5}"#, Err(BodyFault::TokenNotText));
        let cut = Bytes::from_static(b"{\"items\":[\"\xc3");
        assert_eq!(split(&cut), Err(BodyFault::Truncated));
        let not_utf8 = Bytes::from_static(b"{\"items\":[\"\xff\"]}");
        assert_eq!(split(&not_utf8), Err(BodyFault::NotJson));
    }

    #[test]
    fn every_proper_prefix_of_a_page_is_truncated() {
        let body =
            r#"{"items":[{"id":"å\u00e5","n":-1.5e+3,"t":true}],"nextToken":"abc","limit":25}"#;
        for cut in 0..body.len() {
            let prefix = Bytes::copy_from_slice(&body.as_bytes()[..cut]);
            assert_eq!(split(&prefix), Err(BodyFault::Truncated), "{cut}");
        }
    }

    #[test]
    fn records_point_into_the_body() {
        let records: Vec<_> = (0..300).map(|n| format!("{{\"id\":\"{n}\"}}")).collect();
        let body = Bytes::from(format!("{{\"items\":[{}]}}", records.join(",")));
        let split = split(&body).unwrap();
        assert_eq!(split.items.len(), 300);
        for (item, record) in split.items.iter().zip(&records) {
            assert!(body.as_ptr_range().contains(&item.as_ptr()));
            assert_eq!(item, record.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page_or_a_fault(bytes: Vec<u8>) {
            let _ = split(&Bytes::from(bytes));
        }
    }
}
