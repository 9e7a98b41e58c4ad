//! Answers before they are HTTP, and how faults spoil them on the wire.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures::stream;
use tokio_util::sync::CancellationToken;

use super::fault::{Fault, FaultKind};
use super::record::Items;

/// A slow body comes in so many pieces.
const SLOW_PIECES: usize = 8;

/// What is to be answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    pub(super) retry_after: Option<String>,
    pub(super) token: Option<String>,
    pub(super) next_token: Option<String>,
    /// The records in it, for the served log.
    pub(super) items: Option<Items>,
}

/// What was wrong with a request.
#[derive(Clone, Copy)]
pub(super) struct Detail {
    pub(super) field: &'static str,
    pub(super) error: &'static str,
}

impl Answer {
    pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            content_type: "application/json",
            body: body.into(),
            retry_after: None,
            token: None,
            next_token: None,
            items: None,
        }
    }

    /// Atlar's error body without details.
    pub(super) fn error(status: u16, message: &str) -> Answer {
        Answer::json(
            status,
            serde_json::json!({ "status": status, "message": message }).to_string(),
        )
    }

    /// An error of the token endpoint.
    pub(super) fn oauth_error(status: u16, error: &str, description: &str) -> Answer {
        let body = serde_json::json!({ "error": error, "error_description": description });
        Answer::json(status, body.to_string())
    }

    /// 400 with the field that was wrong.
    pub(super) fn invalid(detail: Detail) -> Answer {
        let body = serde_json::json!({
            "status": 400,
            "message": "The request could not be validated.",
            "details": [
                { "code": "invalid_value", "error": detail.error, "field": detail.field }
            ],
        });
        Answer::json(400, body.to_string())
    }

    /// The answer a fault gives in place of the real one, if it is of that kind.
    pub(super) fn of_fault(fault: &Fault) -> Option<Answer> {
        match fault.fault {
            FaultKind::Status(status) => Some(Answer {
                retry_after: fault.retry_after.clone(),
                ..Answer::error(status, message_of(status))
            }),
            FaultKind::Html => Some(Answer {
                content_type: "text/html; charset=utf-8",
                ..Answer::json(200, "<!doctype html><title>Sign in</title><h1>Sign in</h1>")
            }),
            _ => None,
        }
    }

    /// The HTTP answer, spoiled on the wire if the fault says so.
    pub(super) fn into_response(
        self,
        request: u64,
        fault: Option<&Fault>,
        stop: &CancellationToken,
    ) -> Response<Body> {
        let length = self.body.len();
        let body = match fault.map(|fault| (fault.fault, fault.slow_ms)) {
            Some((FaultKind::Truncate, _)) => Body::from(self.body.slice(..length / 2)),
            Some((FaultKind::Cut, _)) => cut(self.body.slice(..length / 2)),
            Some((FaultKind::Slow, slow_ms)) => slow(self.body, slow_ms, stop.clone()),
            _ => Body::from(self.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Ok(number) = HeaderValue::from_str(&format!("sim-{request:08}")) {
            headers.insert(HeaderName::from_static("request-id"), number);
        }
        if let Some(retry) = self.retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::RETRY_AFTER, retry);
        }
        if fault.is_some_and(|fault| fault.fault == FaultKind::Cut) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

fn message_of(status: u16) -> &'static str {
    match status {
        400 => "The request could not be validated.",
        401 => super::UNAUTHORIZED,
        403 => "The role lacks the permission for this resource.",
        404 => "Not found.",
        405 => "Method not allowed.",
        410 => "The resource has been deleted.",
        425 => "A request with the same key is still running.",
        429 => "Too many requests.",
        503 => "The service is under maintenance.",
        _ => "Internal error.",
    }
}

/// Half of the body, then the connection breaks.
fn cut(half: Bytes) -> Body {
    let broken = std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "cut on purpose");
    Body::from_stream(stream::iter([Ok(half), Err(broken)]))
}

/// The body in drops; the rest at once when the simulator stops.
fn slow(body: Bytes, slow_ms: u64, stop: CancellationToken) -> Body {
    let pieces = u64::try_from(SLOW_PIECES).unwrap_or(1);
    let pause = Duration::from_millis(slow_ms / pieces);
    let piece = (body.len() / SLOW_PIECES).max(1);
    Body::from_stream(stream::unfold(body, move |mut rest| {
        let stop = stop.clone();
        async move {
            if rest.is_empty() {
                return None;
            }
            let stopped = tokio::time::timeout(pause, stop.cancelled()).await.is_ok();
            let size = if stopped { rest.len() } else { piece.min(rest.len()) };
            let next = rest.split_to(size);
            Some((Ok::<Bytes, std::convert::Infallible>(next), rest))
        }
    }))
}
