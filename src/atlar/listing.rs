//! One complete walk of a list: the unit of ordering and scheduling, and what deletes rely on.
//!
//! ```text
//! start --page--> page --page--> ... --no next token--> Complete
//!   ^               | token refused (once per walk)        only this counts as "all of it"
//!   +---Restarted---+
//!                   | repeated token, page cap, refused again, not a page, gone half-way
//!                   +------------------------------------> Void: what was read stays read
//! ```

use std::collections::HashSet;

use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_128;

use super::client::Client;
use super::error::{self, Answer, Cause, ErrorBody, PageError, TokenFault, Unbuildable};
use super::page::{BodyFault, ListRequest, Page};
use crate::retry::Cancelled;

/// More pages than any workspace has: 25 million records at the default page size. A walk that
/// gets here goes in circles that the check for repeated tokens does not see.
pub const PAGES_MAX: u64 = 1_000_000;

/// A walk under way. Drop it at any time; what its pages said stays true.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    list: ListRequest,
    pages_max: u64,
    token: Option<String>,
    /// Hashes of the tokens followed so far: a million tokens must fit in memory.
    followed: HashSet<u128>,
    totals: Totals,
    restarted: bool,
    over: bool,
}

/// What a walk has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of the walk that counts: a restart begins at 0 again.
    pub pages: u64,
    /// Likewise.
    pub items: u64,
    /// Every request sent, of restarted walks and failed attempts too.
    pub requests: u64,
}

/// What a walk brings next.
#[derive(Debug)]
pub enum Step {
    Page(Page),
    /// The server refused a page token: the walk begins again at the first page. What was seen
    /// so far will be seen again, and is no duplicate.
    Restarted,
    /// The list has been read from its beginning to its end.
    Complete(Totals),
}

/// Why a walk ended early. Nothing may be concluded from what it did not bring.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    #[error("the listing is void")]
    Void(#[source] Void),
    #[error("the server does not offer this list ({answer})")]
    NotOffered { answer: Answer, body: ErrorBody },
    #[error(transparent)]
    Unauthorized(PageError),
    #[error(transparent)]
    Forbidden(PageError),
    #[error("no page after {attempts} attempts")]
    Unavailable {
        attempts: u32,
        #[source]
        last: Box<Cause>,
    },
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Why a listing cannot be trusted to be complete.
#[derive(Debug, thiserror::Error)]
pub enum Void {
    #[error("a page token came twice, at page {page}")]
    RepeatedToken { page: u64 },
    #[error("more than {0} pages")]
    TooManyPages(u64),
    #[error("page tokens were refused in two walks ({answer})")]
    TokensRefused { answer: Answer },
    #[error("the list vanished at page {page} ({answer})")]
    Vanished { page: u64, answer: Answer },
    #[error("page {page} is not a page ({answer})")]
    Malformed {
        page: u64,
        answer: Answer,
        #[source]
        fault: BodyFault,
    },
    #[error("the request for page {page} was rejected ({answer})")]
    Rejected { page: u64, answer: Answer },
    #[error("no access token for page {page} ({answer})")]
    NoToken {
        page: u64,
        answer: Answer,
        #[source]
        fault: TokenFault,
    },
    #[error("the request cannot be built")]
    Unbuildable(#[source] Unbuildable),
    #[error("the walk has ended before")]
    Over,
}

impl Stop {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Stop::Void(void) => void.hint(),
            Stop::NotOffered { body, .. } => error::not_offered_hint(*body),
            Stop::Unauthorized(error) | Stop::Forbidden(error) => error.hint(),
            Stop::Unavailable { last, .. } => last.hint(),
            Stop::Cancelled(_) => "nothing to do",
        }
    }

    /// True where Atlar itself says, by 404 or 410 on the first page, that it has no such list.
    /// Any other [`Stop::NotOffered`] may be the word of a wrong server.
    pub fn is_gone_by_atlar(&self) -> bool {
        matches!(self, Stop::NotOffered { answer, body } if body.says_gone(answer))
    }
}

impl Void {
    fn hint(&self) -> &'static str {
        match self {
            Void::RepeatedToken { .. } | Void::TooManyPages(_) => {
                "the server's paging is at fault: report the list to Atlar's support"
            }
            Void::TokensRefused { .. } => {
                "page tokens may expire too soon: raise pageSize or requests.perSecond"
            }
            Void::Vanished { .. } | Void::Over => "the list is read again in the next period",
            Void::Malformed { fault, .. } => error::malformed_hint(*fault),
            Void::Rejected { answer, .. } => error::rejected_hint(answer),
            Void::NoToken { answer, fault, .. } => error::no_token_hint(answer, *fault),
            Void::Unbuildable(_) => error::UNBUILDABLE_HINT,
        }
    }
}

impl Listing {
    pub fn start(client: Client, list: ListRequest) -> Listing {
        Listing {
            client,
            list,
            pages_max: PAGES_MAX,
            token: None,
            followed: HashSet::new(),
            totals: Totals::default(),
            restarted: false,
            over: false,
        }
    }

    /// The same walk, void after `pages_max` pages.
    pub fn with_pages_max(self, pages_max: u64) -> Listing {
        Listing { pages_max, ..self }
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Reads on. Only a page without next token is the last one; a short or an empty page is not.
    /// After `Complete` or an error the walk is over.
    pub async fn next_page(&mut self, cancel: &CancellationToken) -> Result<Step, Stop> {
        if self.over {
            return Err(Stop::Void(Void::Over));
        }
        let step = self.step(cancel).await;
        self.over = !matches!(step, Ok(Step::Page(_) | Step::Restarted));
        step
    }

    async fn step(&mut self, cancel: &CancellationToken) -> Result<Step, Stop> {
        if self.totals.pages > 0 && self.token.is_none() {
            return Ok(Step::Complete(self.totals));
        }
        if self.totals.pages >= self.pages_max {
            return Err(Stop::Void(Void::TooManyPages(self.pages_max)));
        }
        let token = self.token.as_deref();
        if token.is_some_and(|token| !self.followed.insert(xxh3_128(token.as_bytes()))) {
            return Err(Stop::Void(Void::RepeatedToken { page: self.totals.pages }));
        }
        let mut requests = 0;
        let read = self.client.page_counted(&self.list, token, cancel, &mut requests).await;
        self.totals.requests += u64::from(requests);
        match read {
            Ok(page) => Ok(self.follow(page)),
            Err(PageError::BadToken { .. }) if !self.restarted => {
                self.restart();
                Ok(Step::Restarted)
            }
            Err(error) => Err(self.stop(error)),
        }
    }

    /// Remembers where the page leads. A page whose token leads back is still handed out, since
    /// its records are as good as any; the step after it tells.
    fn follow(&mut self, page: Page) -> Step {
        self.totals.pages += 1;
        self.totals.items += page.items.len() as u64;
        self.token.clone_from(&page.next_token);
        Step::Page(page)
    }

    fn restart(&mut self) {
        tracing::info!(list = self.list.path, "a page token was refused, the listing starts over");
        self.restarted = true;
        self.token = None;
        self.followed.clear();
        self.totals = Totals { requests: self.totals.requests, ..Totals::default() };
    }

    fn stop(&self, error: PageError) -> Stop {
        let page = self.totals.pages + 1;
        Stop::Void(match error {
            PageError::Unavailable { attempts, last } => {
                return Stop::Unavailable { attempts, last };
            }
            PageError::Unauthorized { .. } => return Stop::Unauthorized(error),
            PageError::Forbidden { .. } => return Stop::Forbidden(error),
            PageError::Cancelled(cancelled) => return Stop::Cancelled(cancelled),
            // A list that was served a page ago is offered; turning the stream off would be wrong.
            PageError::NotOffered { answer, body } if page == 1 => {
                return Stop::NotOffered { answer, body };
            }
            PageError::NotOffered { answer, .. } => Void::Vanished { page, answer },
            PageError::BadToken { answer } => Void::TokensRefused { answer },
            PageError::Malformed { answer, fault } => Void::Malformed { page, answer, fault },
            PageError::NoToken { answer, fault } => Void::NoToken { page, answer, fault },
            PageError::Rejected { answer } => Void::Rejected { page, answer },
            PageError::Unbuildable(cause) => Void::Unbuildable(cause),
        })
    }
}
