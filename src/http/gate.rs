//! Who may look: with an admin token, those who show it.
//!
//! Programs send `Authorization: Bearer <token>`. Browsers cannot, so that the token is taken as
//! the password of HTTP Basic too, with any user; the 401 makes a browser ask for it. It is never
//! taken from the address, which ends up in logs and histories.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer;
use crate::secret::Secret;

/// Asks a browser for user and password; the user does not matter.
const CHALLENGE: &str = r#"Basic realm="atlar-ingestor", charset="UTF-8""#;

/// What anybody may ask, for the sake of supervisors that carry no secrets.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

#[derive(Clone)]
pub(super) struct Gate {
    /// Not the token itself: digests of equal length compare in constant time.
    token: Option<blake3::Hash>,
}

/// How far the sender of a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    Yes,
    OnlyProbes,
}

impl Gate {
    /// An empty token would let everybody in who knows that it is empty: it lets nobody in.
    pub(super) fn new(token: Option<Secret>) -> Gate {
        Gate { token: token.map(|token| digest(token.expose_secret())) }
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = headers.get(header::AUTHORIZATION).and_then(shown_token);
        // `blake3::Hash` compares in constant time.
        shown.is_some_and(|shown| !shown.is_empty() && digest(&shown) == *token)
    }
}

/// Lets a request through, marked with how far it got, or answers 401.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let passed = if gate.lets_in(request.headers()) {
        Passed::Yes
    } else if OPEN.contains(&request.uri().path()) {
        Passed::OnlyProbes
    } else {
        let message = "the admin token is missing or wrong";
        let mut answer = answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        let challenge = HeaderValue::from_static(CHALLENGE);
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return answer;
    };
    request.extensions_mut().insert(passed);
    next.run(request).await
}

fn digest(token: &str) -> blake3::Hash {
    blake3::hash(token.as_bytes())
}

/// The token in an `Authorization` header.
fn shown_token(value: &HeaderValue) -> Option<String> {
    // Tokens are UTF-8, which `to_str` would refuse.
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets_in(token: Option<&str>, authorization: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(text) = authorization {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            headers.insert(header::AUTHORIZATION, value);
        }
        Gate::new(token.map(Secret::new)).lets_in(&headers)
    }

    #[test]
    fn takes_the_token_as_bearer_or_as_password() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let shown = [
            ("Bearer open:sésame".to_owned(), true),
            ("bearer  open:sésame".to_owned(), true),
            (basic("anybody:open:sésame"), true),
            (basic(":open:sésame"), true),
            ("Bearer open".to_owned(), false),
            ("Bearer".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("open:sésame".to_owned(), false),
            ("Digest open:sésame".to_owned(), false),
            ("Basic open:sésame".to_owned(), false),
            (basic("open:sésame"), false),
            (basic("open:sésame:"), false),
            (basic("anybody:"), false),
        ];
        for (text, expected) in shown {
            assert_eq!(lets_in(Some("open:sésame"), Some(&text)), expected, "{text}");
        }
        assert!(!lets_in(Some("open:sésame"), None));
        assert!(lets_in(None, None) && lets_in(None, Some("Bearer whatever")));
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        for text in [None, Some("Bearer "), Some("Basic Og==")] {
            assert!(!lets_in(Some(""), text), "{text:?}");
        }
    }
}
