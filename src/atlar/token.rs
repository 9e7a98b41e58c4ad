//! Access tokens of OAuth2: how long one is used, and that one request at a time asks for another.
//!
//! ```text
//! no token, 80 % of its life over, refused by a list, or of credentials that were replaced
//!    --> the first who needs one asks; everybody else waits for the outcome and shares it
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::PageError;
use super::wire::Failed;
use crate::secret::{Credentials, SharedCredentials};

/// The share of a token's life after which it is renewed. The rest is for requests under way and
/// for clocks that run apart.
const USED_SHARE: f64 = 0.8;

/// What the server said when it granted a token.
#[derive(Debug)]
pub(super) struct Granted {
    /// The whole header, marked as sensitive.
    pub(super) authorization: HeaderValue,
    pub(super) life: Duration,
    /// When the request for it began: the server counts from a later moment.
    pub(super) asked_at: Instant,
}

/// A token in use.
#[derive(Debug)]
pub(super) struct Token {
    authorization: HeaderValue,
    renew_at: Instant,
    /// The pair it was granted for.
    credentials: Arc<Credentials>,
    refused: AtomicBool,
}

impl Token {
    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// A list was answered with 401: whoever holds this token still, it is not handed out again.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    fn serves(&self, credentials: &Arc<Credentials>) -> bool {
        Instant::now() < self.renew_at
            && !self.refused.load(Ordering::Relaxed)
            && Arc::ptr_eq(&self.credentials, credentials)
    }
}

/// The token that all streams share.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    last: Mutex<Last>,
    /// Requests for a token that have ended, well or not.
    ended: AtomicU64,
}

/// How the last request for a token ended.
#[derive(Debug, Default)]
enum Last {
    #[default]
    Nothing,
    Token(Arc<Token>),
    Failed(Arc<Credentials>, Failed),
}

impl Tokens {
    /// The token, asked for with `grant` where there is none to use. Of several callers one asks.
    /// A caller that waited while it was asked for in vain fails the same way, for it would learn
    /// nothing else and add to the server's trouble. One that is dropped leaves its place to the
    /// next.
    pub(super) async fn get(
        &self,
        credentials: &SharedCredentials,
        grant: impl AsyncFnOnce(&Credentials) -> Result<Granted, Failed>,
    ) -> Result<Arc<Token>, Failed> {
        let ended_before = self.ended.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        let credentials = credentials.get();
        match &*last {
            Last::Token(token) if token.serves(&credentials) => return Ok(Arc::clone(token)),
            Last::Failed(of, failed)
                if Arc::ptr_eq(of, &credentials)
                    && self.ended.load(Ordering::Acquire) != ended_before =>
            {
                return Err(failed.clone());
            }
            _ => *last = Last::Nothing,
        }
        let granted = grant(&credentials).await;
        match granted {
            Ok(Granted { authorization, life, asked_at }) => {
                let token = Arc::new(Token {
                    authorization,
                    renew_at: asked_at + life.mul_f64(USED_SHARE),
                    credentials,
                    refused: AtomicBool::new(false),
                });
                *last = Last::Token(Arc::clone(&token));
                self.ended.fetch_add(1, Ordering::Release);
                Ok(token)
            }
            // That one caller was told to stop says nothing to the others.
            Err(failed @ Failed::Final(PageError::Cancelled(_))) => Err(failed),
            Err(failed) => {
                *last = Last::Failed(credentials, failed.clone());
                self.ended.fetch_add(1, Ordering::Release);
                Err(failed)
            }
        }
    }
}
