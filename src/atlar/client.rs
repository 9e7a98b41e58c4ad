//! Reads pages: proves who asks, keeps to the budget, tries again what may pass.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::{Method, Url};
use tokio_util::sync::CancellationToken;

use super::BODY_BYTES_MAX;
use super::answer::{error_body, error_bytes};
use super::auth::{self, Auth, Authenticator, Proof, Scheme};
use super::base::Base;
use super::budget::{Budget, Numbers, Permit};
use super::classify::Class;
use super::error::{Answer, Cause, Error, PageError, Unbuildable};
use super::grant;
use super::observe::{Observer, Waiting};
use super::page::{BodyFault, ListRequest, Page, split};
use super::token::Tokens;
use super::wire::{Failed, Passing, Received, Wire};
use crate::clock::Clock;
use crate::entropy;
use crate::retry::{Cancelled, Schedule, sleep};
use crate::secret::{Credentials, SharedCredentials};

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
    wire: Wire,
    base: Base,
    credentials: SharedCredentials,
    auth: Authenticator,
    tokens: Tokens,
    page_size: u32,
    retry: Schedule,
    observer: Arc<dyn Observer>,
}

/// One page that is asked for.
struct Ask<'a> {
    list: &'a ListRequest,
    token: Option<&'a str>,
    cancel: &'a CancellationToken,
    /// Counts what was sent, requests for access tokens included.
    requests: &'a mut u32,
    /// An access token was refused for this page: it happens once, a second time is an answer.
    renewed: bool,
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
            wire: Wire {
                http: http.build().map_err(Error::Setup)?,
                budget: Budget::new(options.per_second, options.max_in_flight),
                clock: options.clock,
            },
            auth: Authenticator::new(options.auth, base.keeps_secrets()),
            base,
            credentials: options.credentials,
            tokens: Tokens::default(),
            page_size: options.page_size,
            retry: options.retry,
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
        self.0.wire.budget.numbers()
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
        let mut ask = Ask { list, token, cancel, requests, renewed: false };
        let mut attempt = 1;
        let page = loop {
            let Passing { cause, after } = match inner.attempt(&mut ask).await {
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
    /// One attempt, which is two requests where `auto` finds out that signing is refused, or where
    /// an access token is refused before its time.
    async fn attempt(&self, ask: &mut Ask<'_>) -> Result<Page, Failed> {
        let url = self.base.page(ask.list, self.page_size, ask.token);
        let mut scheme = self.auth.scheme();
        loop {
            match self.exchange(&url, scheme, ask).await {
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
                Ok(None) => {}
                Ok(Some(page)) => return Ok(Page { requests: *ask.requests, ..page }),
                Err(failed) => return Err(failed),
            }
        }
    }

    /// One request and its answer, within the budget. `None`: an access token was refused that
    /// may have ended before its time, so one more request is due, with another one.
    async fn exchange(
        &self,
        url: &Url,
        scheme: Scheme,
        ask: &mut Ask<'_>,
    ) -> Result<Option<Page>, Failed> {
        let cancel = ask.cancel;
        let permit = self.wire.budget.acquire(cancel).await?;
        let work = async {
            let proof = self.proof(scheme, &permit, ask).await?;
            let requested_at = Instant::now();
            let requested_at_ms = self.wire.clock.now_ms();
            let request = self.request(url, &proof)?;
            *ask.requests += 1;
            let received = self.wire.send(request, &permit, ask.token.is_some()).await?;
            if let (Class::Unauthorized, Proof::Bearer(token), false) =
                (received.class, &proof, ask.renewed)
            {
                token.refuse();
                ask.renewed = true;
                return Ok(None);
            }
            let (answer, body) = read(received, scheme).await?;
            let split =
                split(&body).map_err(|fault| Failed::body(answer.clone(), fault, malformed))?;
            permit.succeeded();
            self.auth.accepted(scheme);
            Ok(Some(Page {
                items: split.items,
                next_token: split.next_token,
                limit: split.limit,
                request_id: answer.request_id,
                requested_at,
                requested_at_ms,
                bytes: body.len(),
                requests: 1,
            }))
        };
        cancel.run_until_cancelled(work).await.ok_or(Cancelled)?
    }

    /// What the request shows. An access token is looked for only now, when it is the request's
    /// turn: one that was looked for before the wait may be too old after it.
    async fn proof(
        &self,
        scheme: Scheme,
        permit: &Permit<'_>,
        ask: &mut Ask<'_>,
    ) -> Result<Proof, Failed> {
        match scheme {
            Scheme::Hmac => return Ok(Proof::Hmac),
            Scheme::Basic => return Ok(Proof::Basic),
            Scheme::OAuth2 => {}
        }
        loop {
            let grant = async |credentials: &Credentials| {
                let permit = permit.another(ask.cancel).await?;
                *ask.requests += 1;
                grant::ask(&self.wire, &self.base, credentials, &permit).await
            };
            let token = self.tokens.get(&self.credentials, grant).await?;
            if !permit.sit_out_pause(ask.cancel).await? {
                return Ok(Proof::Bearer(token));
            }
        }
    }

    fn request(&self, url: &Url, proof: &Proof) -> Result<reqwest::Request, Unbuildable> {
        let method = Method::GET;
        let request_line = (url.path(), url.query().unwrap_or_default());
        let timestamp = self.wire.clock.now().to_string();
        let credentials = self.credentials.get();
        let headers = auth::headers(proof, &credentials, &method, request_line, &timestamp)?;
        let request = self.wire.http.request(method, url.clone()).headers(headers);
        request
            .header(reqwest::header::ACCEPT, "application/json")
            .build()
            .map_err(Unbuildable::refused)
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

/// The body of a good answer, or what the other ones mean for a list.
async fn read(received: Received, scheme: Scheme) -> Result<(Answer, Bytes), Failed> {
    if received.class == Class::Good {
        let (answer, body) = received.body(BODY_BYTES_MAX).await?;
        return match body {
            Some(body) => Ok((answer, body)),
            None => Err(Failed::body(answer, BodyFault::TooLarge, malformed)),
        };
    }
    let Received { answer, class, response } = received;
    Err(Failed::Final(match class {
        Class::NotOffered => {
            let body = error_body(answer.status, &error_bytes(response).await);
            PageError::NotOffered { answer, body }
        }
        Class::Unauthorized => PageError::Unauthorized { answer, scheme, basic_withheld: false },
        Class::Forbidden => PageError::Forbidden { answer },
        Class::BadToken => PageError::BadToken { answer },
        _ => PageError::Rejected { answer },
    }))
}

fn malformed(answer: Answer, fault: BodyFault) -> PageError {
    PageError::Malformed { answer, fault }
}
