//! Secrets that are safe to print, and the pair of credentials that can be swapped while running.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

/// What `Debug` and `Display` show in place of a secret.
const REDACTED: &str = "***";

/// A text that prints as `***` and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(SecretString::from(text.into()))
    }

    /// The text itself. Every place that may leak it is found by searching for this name.
    pub fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }

    pub fn is_empty(&self) -> bool {
        self.expose_secret().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// What identifies a workspace to Atlar. Both are UTF-8 texts.
#[derive(Clone)]
pub struct Credentials {
    pub access_key: String,
    pub secret: Secret,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Credentials that may change while others hold this handle: a file that is re-read, a rotation.
/// Each reader takes the pair as a whole, so an old key is never used with a new secret.
#[derive(Clone, Debug)]
pub struct SharedCredentials(Arc<RwLock<Arc<Credentials>>>);

impl SharedCredentials {
    pub fn new(credentials: Credentials) -> SharedCredentials {
        SharedCredentials(Arc::new(RwLock::new(Arc::new(credentials))))
    }

    pub fn get(&self) -> Arc<Credentials> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Requests that begin after this call use `credentials`.
    pub fn replace(&self, credentials: Credentials) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credentials);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nothing_of_a_secret() {
        let secret = Secret::new("open sesame");
        let credentials = Credentials { access_key: "key-1".into(), secret: secret.clone() };
        let shared = SharedCredentials::new(credentials.clone());
        for text in [format!("{secret} {secret:?}"), format!("{credentials:?} {shared:?}")] {
            assert!(!text.contains("sesame") && !text.contains("key-1"), "{text}");
        }
        assert_eq!(secret.expose_secret(), "open sesame");
    }

    #[test]
    fn a_replaced_pair_is_seen_by_every_holder() {
        let pair = |n: &str| Credentials { access_key: n.into(), secret: Secret::new(n) };
        let shared = SharedCredentials::new(pair("old"));
        let holder = shared.clone();
        shared.replace(pair("new"));
        assert_eq!(holder.get().access_key, "new");
        assert_eq!(holder.get().secret.expose_secret(), "new");
    }
}
