//! Reads pages: signs, keeps to the budget, tries again what may pass.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Response, Url};
use tokio_util::sync::CancellationToken;

use super::BODY_BYTES_MAX;
use super::answer::{error_body, read_body, request_id};
use super::auth::{self, Auth, Authenticator, Scheme};
use super::base::Base;
use super::budget::{Budget, Numbers, Permit};
use super::classify::{Class, Seen, classify};
use super::error::{Answer, Cause, Error, NetworkFault, PageError, Unbuildable};
use super::observe::{Observer, Waiting};
use super::page::{BodyFault, ListRequest, Page, split};
use crate::clock::Clock;
use crate::entropy;
use crate::retry::{Cancelled, Schedule, sleep};
use crate::secret::SharedCredentials;

/// The attempts for one page: about half a minute in all, less than a polling period. What lasts
/// longer is told to the caller, who comes back with the next period.
pub const RETRY: Schedule = Schedule {
    initial: Duration::from_millis(500),
    max: Duration::from_secs(20),
    factor: 2,
    jitter: 0.5,
    attempts: 7,
};

/// A host that cannot be connected to is known sooner than one that answers slowly.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// All a client needs to know.
pub struct Options {
    /// May have a path, which goes in front of each list's path.
    pub base_url: String,
    pub credentials: SharedCredentials,
    pub auth: Auth,
    /// For one request, from connecting to the last byte of the body.
    pub timeout: Duration,
    /// Sent as `limit`. Atlar coerces it to 1 to 500 and says so in [`Page::limit`].
    pub page_size: u32,
    pub per_second: NonZeroU32,
    pub max_in_flight: NonZeroU32,
    pub user_agent: String,
    pub allow_plain_http: bool,
    pub retry: Schedule,
    pub clock: Clock,
    pub observer: Arc<dyn Observer>,
}

/// A client of one workspace, with the workspace's one request budget. Clones share it.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

struct Inner {
    http: reqwest::Client,
    base: Base,
    credentials: SharedCredentials,
    auth: Authenticator,
    budget: Budget,
    page_size: u32,
    retry: Schedule,
    clock: Clock,
    observer: Arc<dyn Observer>,
}

/// An attempt that may pass if it is made again.
struct Passing {
    cause: Cause,
    after: Option<Duration>,
}

enum Failed {
    Passing(Passing),
    Final(PageError),
}

impl From<Cancelled> for Failed {
    fn from(cancelled: Cancelled) -> Failed {
        Failed::Final(cancelled.into())
    }
}

impl Client {
    /// Checks the options; sends nothing.
    pub fn new(options: Options) -> Result<Client, Error> {
        let base = Base::parse(&options.base_url, options.allow_plain_http)?;
        // Another part of the process may have installed it already: equally good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(options.user_agent)
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(CONNECT_TIMEOUT_MAX))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .gzip(true);
        if !base.is_https() {
            // Plain http needs no root certificates, so a system without any will do.
            http = http.tls_certs_only([]);
        }
        Ok(Client(Arc::new(Inner {
            http: http.build().map_err(Error::Setup)?,
            auth: Authenticator::new(options.auth, base.keeps_secrets()),
            base,
            credentials: options.credentials,
            budget: Budget::new(options.per_second, options.max_in_flight),
            page_size: options.page_size,
            retry: options.retry,
            clock: options.clock,
            observer: options.observer,
        })))
    }

    /// Reads one page: the first without a token, each other one with the token of the page
    /// before. Failures in passing are tried again, with growing delays, as often as the options
    /// say; the observer is told of each wait.
    pub async fn page(
        &self,
        list: &ListRequest,
        token: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<Page, PageError> {
        self.page_counted(list, token, cancel, &mut 0).await
    }

    /// The state of the workspace's request budget.
    pub fn budget(&self) -> Numbers {
        self.0.budget.numbers()
    }

    /// The scheme the server has accepted, once it has accepted one.
    pub fn accepted_auth(&self) -> Option<Scheme> {
        self.0.auth.remembered()
    }

    /// [`Client::page`], adding each request sent to `requests`, also where it fails.
    pub(super) async fn page_counted(
        &self,
        list: &ListRequest,
        token: Option<&str>,
        cancel: &CancellationToken,
        requests: &mut u32,
    ) -> Result<Page, PageError> {
        let inner = &*self.0;
        let mut attempt = 1;
        let page = loop {
            let Passing { cause, after } = match inner.attempt(list, token, cancel, requests).await
            {
                Ok(page) => break Ok(page),
                Err(Failed::Final(error)) => break Err(error),
                Err(Failed::Passing(passing)) => passing,
            };
            if !inner.retry.goes_on(attempt) {
                break Err(PageError::Unavailable { attempts: attempt, last: Box::new(cause) });
            }
            if let Err(cancelled) = inner.back_off(list, attempt, &cause, after, cancel).await {
                break Err(cancelled.into());
            }
            attempt += 1;
        };
        if attempt > 1 {
            inner.observer.settled(list);
        }
        page
    }
}

impl Inner {
    /// One attempt, which is two requests where `auto` finds out that signing is refused.
    async fn attempt(
        &self,
        list: &ListRequest,
        token: Option<&str>,
        cancel: &CancellationToken,
        requests: &mut u32,
    ) -> Result<Page, Failed> {
        let url = self.base.page(list, self.page_size, token);
        let mut scheme = self.auth.scheme();
        loop {
            *requests += 1;
            match self.exchange(&url, token.is_some(), scheme, cancel).await {
                Err(Failed::Final(PageError::Unauthorized { answer, .. })) => {
                    match self.auth.fallback(scheme) {
                        Some(other) => scheme = other,
                        None => {
                            let basic_withheld = self.auth.withheld(scheme);
                            return Err(Failed::Final(PageError::Unauthorized {
                                answer,
                                scheme,
                                basic_withheld,
                            }));
                        }
                    }
                }
                other => return other.map(|page| Page { requests: *requests, ..page }),
            }
        }
    }

    /// One request and its answer, within the budget.
    async fn exchange(
        &self,
        url: &Url,
        with_token: bool,
        scheme: Scheme,
        cancel: &CancellationToken,
    ) -> Result<Page, Failed> {
        let permit = self.budget.acquire(cancel).await?;
        let requested_at = Instant::now();
        let requested_at_ms = self.clock.now_ms();
        let request = self.request(url, scheme).map_err(Failed::unbuildable)?;
        let work = async {
            let response = self.http.execute(request).await.map_err(Failed::network)?;
            let (answer, body) = self.read(response, &permit, with_token, scheme).await?;
            let split = split(&body).map_err(|fault| Failed::body(answer.clone(), fault))?;
            permit.succeeded();
            self.auth.accepted(scheme);
            Ok(Page {
                items: split.items,
                next_token: split.next_token,
                limit: split.limit,
                request_id: answer.request_id,
                requested_at,
                requested_at_ms,
                bytes: body.len(),
                requests: 1,
            })
        };
        cancel.run_until_cancelled(work).await.ok_or(Cancelled)?
    }

    fn request(&self, url: &Url, scheme: Scheme) -> Result<reqwest::Request, Unbuildable> {
        let method = Method::GET;
        let request_line = (url.path(), url.query().unwrap_or_default());
        let timestamp = self.clock.now().to_string();
        let credentials = self.credentials.get();
        let headers = auth::headers(scheme, &credentials, &method, request_line, &timestamp)?;
        let request = self.http.request(method, url.clone()).headers(headers);
        request
            .header(reqwest::header::ACCEPT, "application/json")
            .build()
            .map_err(|error| Unbuildable::Refused(error.without_url()))
    }

    /// Judges the status line, tells the budget, and reads the body of a good answer.
    async fn read(
        &self,
        response: Response,
        permit: &Permit<'_>,
        with_token: bool,
        scheme: Scheme,
    ) -> Result<(Answer, Bytes), Failed> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let answer = Answer { status, request_id: request_id(headers) };
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let now_ms = self.clock.now_ms();
        let class = classify(Seen::Answer { status, retry_after, now_ms, with_token });
        if status == 429 {
            permit.too_many();
        }
        let error = match class {
            Class::Good => {
                let body = read_body(response, BODY_BYTES_MAX).await.map_err(Failed::network)?;
                let body = body.ok_or_else(|| Failed::body(answer.clone(), BodyFault::TooLarge))?;
                return Ok((answer, body));
            }
            Class::Retry { after } => {
                if let Some(pause) = after {
                    permit.asked_to_wait(pause);
                }
                return Err(Failed::Passing(Passing { cause: Cause::Answer(answer), after }));
            }
            Class::NotOffered => PageError::NotOffered { answer, body: error_body(response).await },
            Class::Unauthorized => {
                PageError::Unauthorized { answer, scheme, basic_withheld: false }
            }
            Class::Forbidden => PageError::Forbidden { answer },
            Class::BadToken => PageError::BadToken { answer },
            Class::Malformed | Class::Rejected => PageError::Rejected { answer },
        };
        Err(Failed::Final(error))
    }

    async fn back_off(
        &self,
        list: &ListRequest,
        attempt: u32,
        cause: &Cause,
        after: Option<Duration>,
        cancel: &CancellationToken,
    ) -> Result<(), Cancelled> {
        let attempts = self.retry.attempts;
        let delay = self.retry.delay(attempt, entropy::fraction(), after);
        tracing::warn!(
            list = list.path,
            request_id = cause.request_id(),
            attempt,
            attempts,
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            hint = cause.hint(),
            "Atlar gave no page: {cause}; trying again"
        );
        self.observer.waiting(&Waiting { list, cause, delay, attempt, attempts });
        sleep(delay, cancel).await
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
        Failed::passing(Seen::NetworkFault, Cause::Network(fault, error.without_url()))
    }

    fn body(answer: Answer, fault: BodyFault) -> Failed {
        match classify(Seen::Body(fault)) {
            Class::Retry { .. } => {
                Failed::passing(Seen::Body(fault), Cause::Body { answer, fault })
            }
            _ => Failed::Final(PageError::Malformed { answer, fault }),
        }
    }

    fn passing(seen: Seen<'_>, cause: Cause) -> Failed {
        let after = match classify(seen) {
            Class::Retry { after } => after,
            _ => None,
        };
        Failed::Passing(Passing { cause, after })
    }

    fn unbuildable(error: Unbuildable) -> Failed {
        Failed::Final(PageError::Unbuildable(error))
    }
}
