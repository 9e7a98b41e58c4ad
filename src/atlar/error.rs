//! What can go wrong, with a hint for the operator each. No text here carries a credential, a
//! URL, a body or anything from a record.

use std::fmt;

use super::auth::Scheme;
use super::page::BodyFault;
use crate::retry::Cancelled;

/// The client cannot be built from its options.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("baseUrl is not usable: {0}")]
    BaseUrl(&'static str),
    #[error("baseUrl is plain http to a host that is not this machine")]
    PlainHttp,
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

impl Error {
    pub fn hint(&self) -> &'static str {
        match self {
            Error::BaseUrl(_) => "baseUrl looks like https://api.atlar.com, with or without a path",
            Error::PlainHttp => {
                "use https, or set allowPlainHttp if the way to that host is trusted"
            }
            Error::Setup(_) => {
                "check that the system's root certificates (package ca-certificates) are installed"
            }
        }
    }
}

/// The status line of an answer and the id under which Atlar's support finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub request_id: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        match &self.request_id {
            Some(id) => write!(f, ", request-id {id}"),
            None => Ok(()),
        }
    }
}

/// What the body of an error answer looks like. Telling Atlar's own "no such list" from that of a
/// wrong server needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorBody {
    /// The documented object with `status` or `message`.
    Documented,
    Html,
    /// Empty, a bare text, or anything else.
    Other,
}

/// Why one attempt failed in passing.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("{0}")]
    Network(NetworkFault, #[source] reqwest::Error),
    #[error("{0}")]
    Answer(Answer),
    #[error("{answer}: {fault}")]
    Body { answer: Answer, fault: BodyFault },
}

impl Cause {
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Cause::Network(..) => None,
            Cause::Answer(answer) | Cause::Body { answer, .. } => answer.request_id.as_deref(),
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Cause::Network(NetworkFault::Connect, _) => {
                "check the host of baseUrl, DNS, firewall and proxy from this machine"
            }
            Cause::Network(NetworkFault::Timeout, _) => {
                "the server is slow: raise requests.timeout or lower pageSize"
            }
            Cause::Network(NetworkFault::Broken, _) | Cause::Body { .. } => {
                "the connection broke off: check proxies on the way and requests.timeout"
            }
            Cause::Answer(answer) if answer.status == 429 => {
                "lower requests.perSecond, or raise pageSize or pollingPeriod"
            }
            Cause::Answer(_) => "the server has a fault; reading goes on when it is gone",
        }
    }
}

/// The kinds of failure without a complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFault {
    Connect,
    Timeout,
    Broken,
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NetworkFault::Connect => "no connection",
            NetworkFault::Timeout => "no complete answer in time",
            NetworkFault::Broken => "the connection broke off",
        })
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error("no page after {attempts} attempts")]
    Unavailable {
        attempts: u32,
        #[source]
        last: Box<Cause>,
    },
    #[error("the credentials were refused as {scheme} ({answer})")]
    Unauthorized { answer: Answer, scheme: Scheme, basic_withheld: bool },
    #[error("the credentials may not read this list ({answer})")]
    Forbidden { answer: Answer },
    #[error("the server does not offer this list ({answer})")]
    NotOffered { answer: Answer, body: ErrorBody },
    #[error("the page token was refused ({answer})")]
    BadToken { answer: Answer },
    #[error("the answer is not a page ({answer})")]
    Malformed {
        answer: Answer,
        #[source]
        fault: BodyFault,
    },
    #[error("the request was rejected ({answer})")]
    Rejected { answer: Answer },
    #[error("the request cannot be built")]
    Unbuildable(#[source] Unbuildable),
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What keeps a request from being built.
#[derive(Debug, thiserror::Error)]
pub enum Unbuildable {
    #[error("the access key has characters that no header may carry")]
    AccessKey,
    #[error("the HTTP client refuses it")]
    Refused(#[source] reqwest::Error),
}

impl PageError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            PageError::Unavailable { last, .. } => last.hint(),
            PageError::Unauthorized { basic_withheld: true, .. } => {
                "check accessKey and secret; \"auth\": \"basic\" was not tried because baseUrl is \
                 plain http"
            }
            PageError::Unauthorized { .. } => "check accessKey and secret",
            PageError::Forbidden { .. } => {
                "give the role of this access key in Atlar the right to read this list"
            }
            PageError::NotOffered { body, .. } => not_offered_hint(*body),
            PageError::BadToken { .. } => "the listing starts over; nothing to do if this is rare",
            PageError::Malformed { fault, .. } => malformed_hint(*fault),
            PageError::Rejected { answer } => rejected_hint(answer),
            PageError::Unbuildable(_) => UNBUILDABLE_HINT,
            PageError::Cancelled(_) => "nothing to do",
        }
    }

    /// The answer this is about, where there is exactly one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            PageError::Unauthorized { answer, .. }
            | PageError::Forbidden { answer }
            | PageError::NotOffered { answer, .. }
            | PageError::BadToken { answer }
            | PageError::Malformed { answer, .. }
            | PageError::Rejected { answer } => Some(answer),
            PageError::Unavailable { .. } | PageError::Unbuildable(_) | PageError::Cancelled(_) => {
                None
            }
        }
    }
}

pub(super) const UNBUILDABLE_HINT: &str = "check accessKey: it must be one line of text";

const WEB_PAGE_HINT: &str = "baseUrl seems to point to a web page: check it";

pub(super) fn not_offered_hint(body: ErrorBody) -> &'static str {
    match body {
        ErrorBody::Html => WEB_PAGE_HINT,
        ErrorBody::Documented | ErrorBody::Other => {
            "check baseUrl and apiVersion; the list is asked for again every day"
        }
    }
}

pub(super) fn malformed_hint(fault: BodyFault) -> &'static str {
    match fault {
        BodyFault::Html => WEB_PAGE_HINT,
        BodyFault::TooLarge => "lower pageSize",
        _ => "check that baseUrl is Atlar's API and that no proxy changes its answers",
    }
}

pub(super) fn rejected_hint(answer: &Answer) -> &'static str {
    if (300..400).contains(&answer.status) {
        "baseUrl redirects, which is not followed: set it to the final address"
    } else {
        "report the request-id to Atlar's support"
    }
}
