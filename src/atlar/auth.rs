//! Which scheme a request is authenticated with, and what was learned about that.

use std::fmt;
use std::sync::{Arc, OnceLock};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::error::Unbuildable;
use super::sign;
use super::token::Token;
use crate::secret::Credentials;

/// What the operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Hmac`; where that is refused with 401, `Basic`, unless the secret would travel in clear.
    Auto,
    Hmac,
    Basic,
    /// Client credentials, exchanged for access tokens that live some minutes.
    OAuth2,
}

/// What one request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Hmac,
    Basic,
    OAuth2,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Hmac => "hmac",
            Scheme::Basic => "basic",
            Scheme::OAuth2 => "oauth2",
        })
    }
}

/// Chooses the scheme and remembers, for the life of the process, which one was accepted.
#[derive(Debug)]
pub(super) struct Authenticator {
    auth: Auth,
    /// The way to the server keeps a secret: https, or this machine.
    private_way: bool,
    accepted: OnceLock<Scheme>,
}

impl Authenticator {
    pub(super) fn new(auth: Auth, private_way: bool) -> Authenticator {
        Authenticator { auth, private_way, accepted: OnceLock::new() }
    }

    pub(super) fn scheme(&self) -> Scheme {
        match self.auth {
            Auth::Hmac => Scheme::Hmac,
            Auth::Basic => Scheme::Basic,
            Auth::OAuth2 => Scheme::OAuth2,
            Auth::Auto => self.accepted.get().copied().unwrap_or(Scheme::Hmac),
        }
    }

    /// What to try once more after `refused` was answered with 401.
    pub(super) fn fallback(&self, refused: Scheme) -> Option<Scheme> {
        (self.may_differ(refused) && self.private_way).then_some(Scheme::Basic)
    }

    /// True where only the way to the server kept [`Self::fallback`] from trying.
    pub(super) fn withheld(&self, refused: Scheme) -> bool {
        self.may_differ(refused) && !self.private_way
    }

    pub(super) fn accepted(&self, scheme: Scheme) {
        // The first one stays: several streams learn it at the same moment, one line says so.
        if self.accepted.set(scheme).is_ok() {
            tracing::info!(auth = %scheme, "Atlar accepted the credentials");
        }
    }

    pub(super) fn remembered(&self) -> Option<Scheme> {
        self.accepted.get().copied()
    }

    fn may_differ(&self, refused: Scheme) -> bool {
        // Another stream may have found out while this one's signed request was on its way.
        let signing_was_accepted = self.accepted.get() == Some(&Scheme::Hmac);
        self.auth == Auth::Auto && refused == Scheme::Hmac && !signing_was_accepted
    }
}

/// What a request shows to prove who asks.
#[derive(Debug)]
pub(super) enum Proof {
    Hmac,
    Basic,
    Bearer(Arc<Token>),
}

/// The headers that authenticate a request without a body. `path` and `query` are the bytes of
/// the request line.
pub(super) fn headers(
    proof: &Proof,
    credentials: &Credentials,
    method: &Method,
    (path, query): (&str, &str),
    timestamp: &str,
) -> Result<HeaderMap, Unbuildable> {
    let Credentials { access_key, secret } = credentials;
    let mut headers = HeaderMap::with_capacity(2);
    let authorization = match proof {
        Proof::Bearer(token) => token.authorization(),
        Proof::Basic => sensitive(&sign::basic(access_key, secret))?,
        Proof::Hmac => {
            let signed =
                sign::hmac(access_key, secret, method.as_str(), path, query, timestamp, b"");
            let name = HeaderName::from_static(sign::TIMESTAMP_HEADER);
            headers.insert(name, value(&signed.timestamp)?);
            sensitive(&signed.authorization)?
        }
    };
    headers.insert(AUTHORIZATION, authorization);
    Ok(headers)
}

/// A header's value that no log and no `Debug` shows.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, Unbuildable> {
    let mut value = value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn value(text: &str) -> Result<HeaderValue, Unbuildable> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Unbuildable::AccessKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_request_that_was_on_its_way_falls_back_like_the_first() {
        let auto = Authenticator::new(Auth::Auto, true);
        assert_eq!(auto.fallback(Scheme::Hmac), Some(Scheme::Basic));
        auto.accepted(Scheme::Basic);
        assert_eq!(auto.fallback(Scheme::Hmac), Some(Scheme::Basic), "another stream was first");
        assert_eq!(auto.fallback(Scheme::Basic), None);
        let signing = Authenticator::new(Auth::Auto, true);
        signing.accepted(Scheme::Hmac);
        assert_eq!(signing.fallback(Scheme::Hmac), None);
    }
}
