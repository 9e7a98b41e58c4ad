//! The way of one request: number, fault, credentials, answer, log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response, Uri};

use super::auth::{self, Claim};
use super::fault::{Fault, FaultKind};
use super::respond::Answer;
use super::routes::list::{self, Twist};
use super::routes::{self, Asked};
use super::served::Served;
use super::{Shared, UNAUTHORIZED, locked, oauth, read};

/// Longer request bodies are refused.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// Answers any request that is not the simulator's own.
pub(super) async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let received_ms = shared.clock.now_ms();
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_MAX_BYTES).await;
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
    let asked = routes::find(path);
    let route = asked.as_ref().map_or_else(|| "other".to_owned(), Asked::route);
    let fault = locked(&shared.faults).judge(&route, path, query);

    let of_token = matches!(asked, Some(Asked::Token));
    let mut auth = "not looked at";
    let mut answer = match (fault.as_ref().and_then(Answer::of_fault), body) {
        (Some(answer), _) if of_token && matches!(answer.status, 400 | 401) => {
            Answer::oauth_error(answer.status, "invalid_client", "Client authentication failed.")
        }
        (Some(answer), _) => answer,
        (None, Err(_)) => Answer::error(413, "The body is too large."),
        (None, Ok(body)) if of_token => {
            let given = oauth::token(&shared, &parts.method, &parts.headers, body, received_ms);
            let (answer, outcome) = given.await;
            auth = outcome;
            answer
        }
        (None, Ok(body)) => {
            let claim = Claim {
                method: parts.method.as_str(),
                path,
                query,
                headers: &parts.headers,
                body: &body,
            };
            let (schemes, key, secret) = (shared.schemes, &shared.access_key, &shared.secret);
            let checked = {
                let tokens = locked(&shared.tokens);
                auth::check(&claim, schemes, key, secret, received_ms, &tokens)
            };
            match checked {
                Err(refusal) => {
                    auth = refusal.name();
                    Answer::error(401, UNAUTHORIZED)
                }
                Ok(scheme) => {
                    auth = scheme;
                    answer(&shared, asked, &parts.method, &parts.uri, fault.as_ref(), number)
                }
            }
        }
    };
    let served = Served {
        request: number,
        received_ms,
        answered_ms: shared.clock.now_ms(),
        method: parts.method.to_string(),
        path: path.to_owned(),
        // Whoever puts a secret into the query of a token request shall not find it in the log.
        query: if of_token { String::new() } else { query.to_owned() },
        status: answer.status,
        auth,
        fault: fault.as_ref().map(|fault| fault.fault.name()),
        token: answer.token.clone(),
        next_token: answer.next_token.clone(),
        items: answer.items.take(),
    };
    locked(&shared.log).push(&route, served);
    answer.into_response(number, fault.as_ref(), &shared.stop)
}

fn answer(
    shared: &Shared,
    asked: Option<Asked<'_>>,
    method: &Method,
    uri: &Uri,
    fault: Option<&Fault>,
    number: u64,
) -> Answer {
    let Some(asked) = asked else { return Answer::error(404, "Not found.") };
    if method != Method::GET {
        return Answer::error(405, "Method not allowed.");
    }
    let (route, id, owner_id) = match asked {
        Asked::List(route, owner_id) => (route, None, owner_id),
        Asked::One(route, id) => (route, Some(id), None),
        Asked::Token => return Answer::error(404, "Not found."),
    };
    if let Some(status) = locked(&shared.offered).status(route) {
        return Answer::error(status, "The route is not offered.");
    }
    let twist = match fault.map(|fault| (fault.fault, fault.lag)) {
        Some((FaultKind::RepeatToken, _)) => Twist::RepeatToken,
        Some((FaultKind::DuplicatePage, _)) => Twist::DuplicatePage(number + 1),
        Some((FaultKind::ItemsMissing, _)) => Twist::ItemsMissing,
        Some((FaultKind::ItemsNotList, _)) => Twist::ItemsNotList,
        Some((FaultKind::Stale, lag)) => Twist::Stale(lag),
        _ => Twist::None,
    };
    let bank = read(&shared.bank);
    match id {
        None => list::list(&bank, route, owner_id, uri, twist),
        Some(id) => list::one(&bank, route, id, twist),
    }
}
