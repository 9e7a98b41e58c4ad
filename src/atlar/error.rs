//! What can go wrong, with a hint for the operator each. No text here carries a credential, a
//! URL, a body or anything from a record.

use std::fmt;
use std::sync::Arc;

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
    /// The documented object: `status` as in the status line, and `message`.
    Documented,
    Html,
    /// Empty, a bare text, or anything else.
    Other,
}

impl ErrorBody {
    /// True for Atlar's own word that there is no such list, or no more. Neither a wrong server
    /// nor a gateway in front of the right one says it like this.
    pub(super) fn says_gone(self, answer: &Answer) -> bool {
        self == ErrorBody::Documented && matches!(answer.status, 404 | 410)
    }
}

/// Why one attempt failed in passing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Cause {
    #[error("{0}")]
    Network(NetworkFault, #[source] Arc<reqwest::Error>),
    #[error("{0}")]
    Answer(Answer),
    #[error("{answer}: {fault}")]
    Body { answer: Answer, fault: BodyFault },
    /// The page was not asked for, as there is no access token to ask with.
    #[error(transparent)]
    Token(TokenCause),
}

/// Why one request for an access token failed in passing.
#[derive(Debug, Clone)]
pub struct TokenCause(Box<Cause>);

impl TokenCause {
    pub(super) fn new(cause: Cause) -> TokenCause {
        TokenCause(Box::new(cause))
    }
}

impl fmt::Display for TokenCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no access token: {}", self.0)
    }
}

impl std::error::Error for TokenCause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Cause {
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Cause::Network(..) => None,
            Cause::Answer(answer) | Cause::Body { answer, .. } => answer.request_id.as_deref(),
            Cause::Token(TokenCause(cause)) => cause.request_id(),
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
            Cause::Token(TokenCause(cause)) => cause.hint(),
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

/// Why an answer grants no access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error(transparent)]
    Body(BodyFault),
    #[error("the member \"access_token\" is missing, or no text that a header may carry")]
    NotText,
    #[error("the token's type is not bearer")]
    NotBearer,
    #[error("the server grants no tokens")]
    NotOffered,
    #[error("the request was rejected")]
    Rejected,
}

/// Why there is no page.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PageError {
    #[error("no page after {attempts} attempts")]
    Unavailable {
        attempts: u32,
        #[source]
        last: Box<Cause>,
    },
    #[error("the credentials were refused as {scheme} ({answer})")]
    Unauthorized { answer: Answer, scheme: Scheme, basic_withheld: bool },
    /// Nothing is known about the list: it was not asked for.
    #[error("no access token ({answer})")]
    NoToken {
        answer: Answer,
        #[source]
        fault: TokenFault,
    },
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
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unbuildable {
    #[error("the access key has characters that no header may carry")]
    AccessKey,
    #[error("the HTTP client refuses it")]
    Refused(#[source] Arc<reqwest::Error>),
}

impl Unbuildable {
    pub(super) fn refused(error: reqwest::Error) -> Unbuildable {
        Unbuildable::Refused(Arc::new(error.without_url()))
    }
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
            PageError::Unauthorized { scheme: Scheme::OAuth2, .. } => {
                "check accessKey and secret, and that this access key may use OAuth2; if it may not, \
                 set auth to basic"
            }
            PageError::Unauthorized { .. } => "check accessKey and secret",
            PageError::NoToken { answer, fault } => no_token_hint(answer, *fault),
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

    /// True where Atlar itself says, by 404 or 410, that it has no such list. Any other answer of
    /// [`PageError::NotOffered`] may come from a wrong server.
    pub fn is_gone_by_atlar(&self) -> bool {
        matches!(self, PageError::NotOffered { answer, body } if body.says_gone(answer))
    }

    /// The answer this is about, where there is exactly one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            PageError::Unauthorized { answer, .. }
            | PageError::NoToken { answer, .. }
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

const OTHER_SERVER_HINT: &str =
    "check that baseUrl is Atlar's API and that no proxy changes its answers";

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
        _ => OTHER_SERVER_HINT,
    }
}

pub(super) fn no_token_hint(answer: &Answer, fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::Body(BodyFault::Html) => WEB_PAGE_HINT,
        TokenFault::Body(_) | TokenFault::NotText | TokenFault::NotBearer => OTHER_SERVER_HINT,
        TokenFault::NotOffered => {
            "check baseUrl; for a server without OAuth2 set auth to hmac or basic"
        }
        TokenFault::Rejected => rejected_hint(answer),
    }
}

pub(super) fn rejected_hint(answer: &Answer) -> &'static str {
    if (300..400).contains(&answer.status) {
        "baseUrl redirects, which is not followed: set it to the final address"
    } else {
        "report the request-id to Atlar's support"
    }
}
