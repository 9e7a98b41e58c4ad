//! What is read of an answer: its body, within limits, and its id.

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::HeaderMap;

use super::error::ErrorBody;
use crate::json::Json;

/// Memory set aside because of a `content-length`, in bytes; beyond it the buffer grows as data
/// really arrive.
const BODY_BYTES_RESERVED_MAX: usize = 4 * 1024 * 1024;

/// So much of an error answer is looked at, in bytes. Atlar's are far smaller.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// A request id longer than this, in characters, is cut: it goes into log lines.
const REQUEST_ID_CHARS_MAX: usize = 100;

/// Reads a body to its end; `None` if it is larger than `bytes_max` after decompression.
pub(super) async fn read_body(
    mut response: Response,
    bytes_max: usize,
) -> reqwest::Result<Option<Bytes>> {
    let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok());
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0).min(BODY_BYTES_RESERVED_MAX));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// The body of an error answer, empty where it cannot be had: the status has said what matters.
pub(super) async fn error_bytes(response: Response) -> Bytes {
    match read_body(response, ERROR_BODY_BYTES_MAX).await {
        Ok(Some(body)) => body,
        Ok(None) | Err(_) => Bytes::new(),
    }
}

/// Whose words an error answer speaks. Other servers have a `message` or a `status`, too; both,
/// with the number of the status line, only Atlar is known to send.
pub(super) fn error_body(status: u16, body: &[u8]) -> ErrorBody {
    if is_html(body) {
        return ErrorBody::Html;
    }
    match Json::parse(body) {
        Ok(json)
            if json.get("status").int() == Some(i64::from(status))
                && json.get("message").text().is_some() =>
        {
            ErrorBody::Documented
        }
        _ => ErrorBody::Other,
    }
}

pub(super) fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// The id as sent, without characters that could forge a log line.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("request-id")?.to_str().ok()?;
    let id: String = id.chars().filter(char::is_ascii_graphic).take(REQUEST_ID_CHARS_MAX).collect();
    (!id.is_empty()).then_some(id)
}
