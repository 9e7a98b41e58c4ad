//! One request and its answer, for lists and tokens alike: the budget is told, the status is
//! classified, and what may pass is kept apart from what will not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::RETRY_AFTER;

use super::answer::{read_body, request_id};
use super::budget::{Budget, Permit};
use super::classify::{Class, Seen, classify};
use super::error::{Answer, Cause, NetworkFault, PageError, TokenCause, Unbuildable};
use super::page::BodyFault;
use crate::clock::Clock;
use crate::retry::Cancelled;

/// What every request goes through.
pub(super) struct Wire {
    pub(super) http: reqwest::Client,
    pub(super) budget: Budget,
    pub(super) clock: Clock,
}

/// An answer that is no reason to try again; its body is still to be read.
pub(super) struct Received {
    pub(super) answer: Answer,
    pub(super) class: Class,
    pub(super) response: Response,
}

/// An attempt that may pass if it is made again.
#[derive(Debug, Clone)]
pub(super) struct Passing {
    pub(super) cause: Cause,
    pub(super) after: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(super) enum Failed {
    Passing(Passing),
    Final(PageError),
}

impl Wire {
    /// Sends a request, judges the status line, and tells the budget.
    pub(super) async fn send(
        &self,
        request: reqwest::Request,
        permit: &Permit<'_>,
        with_token: bool,
    ) -> Result<Received, Failed> {
        let response = self.http.execute(request).await.map_err(Failed::network)?;
        let status = response.status().as_u16();
        let headers = response.headers();
        let answer = Answer { status, request_id: request_id(headers) };
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let now_ms = self.clock.now_ms();
        let class = classify(Seen::Answer { status, retry_after, now_ms, with_token });
        if status == 429 {
            permit.too_many();
        }
        if let Class::Retry { after } = class {
            if let Some(pause) = after {
                permit.asked_to_wait(pause);
            }
            return Err(Failed::Passing(Passing { cause: Cause::Answer(answer), after }));
        }
        Ok(Received { answer, class, response })
    }
}

impl Received {
    /// The body of a good answer; `None` if it is larger than `bytes_max`.
    pub(super) async fn body(self, bytes_max: usize) -> Result<(Answer, Option<Bytes>), Failed> {
        let body = read_body(self.response, bytes_max).await.map_err(Failed::network)?;
        Ok((self.answer, body))
    }
}

impl Failed {
    fn network(error: reqwest::Error) -> Failed {
        // A connection that takes too long is both; where to look is the connection.
        let fault = if error.is_connect() {
            NetworkFault::Connect
        } else if error.is_timeout() {
            NetworkFault::Timeout
        } else {
            NetworkFault::Broken
        };
        // The URL carries account ids and page tokens.
        let cause = Cause::Network(fault, Arc::new(error.without_url()));
        Failed::passing(Seen::NetworkFault, cause)
    }

    /// A body that is not what was asked for; `otherwise` makes the error of one that stays so.
    pub(super) fn body(
        answer: Answer,
        fault: BodyFault,
        otherwise: impl FnOnce(Answer, BodyFault) -> PageError,
    ) -> Failed {
        match classify(Seen::Body(fault)) {
            Class::Retry { .. } => {
                Failed::passing(Seen::Body(fault), Cause::Body { answer, fault })
            }
            _ => Failed::Final(otherwise(answer, fault)),
        }
    }

    fn passing(seen: Seen<'_>, cause: Cause) -> Failed {
        let after = match classify(seen) {
            Class::Retry { after } => after,
            _ => None,
        };
        Failed::Passing(Passing { cause, after })
    }

    /// The same, as what keeps a page from being asked for.
    pub(super) fn of_token(self) -> Failed {
        match self {
            Failed::Passing(Passing { cause, after }) => {
                Failed::Passing(Passing { cause: Cause::Token(TokenCause::new(cause)), after })
            }
            Failed::Final(error) => Failed::Final(error),
        }
    }
}

impl From<Cancelled> for Failed {
    fn from(cancelled: Cancelled) -> Failed {
        Failed::Final(cancelled.into())
    }
}

impl From<Unbuildable> for Failed {
    fn from(error: Unbuildable) -> Failed {
        Failed::Final(PageError::Unbuildable(error))
    }
}
