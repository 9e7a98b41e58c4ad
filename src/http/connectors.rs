//! The connector page's API: connectors are installed, listed, shown, reset and taken away.
//!
//! What they do is behind [`Connectors`]; here is how it is asked and answered.
//! `docs/connectors.md` describes the routes for people.
//!
//! A browser that knows the token, or reaches a port without one, must not be made to change
//! anything by a page of somebody else: requests that carry an `Origin` are refused, and the body
//! of an install call must say that it is JSON, which no form can.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer;

const BASE: &str = "/api/payments/v3/connectors";

/// The only provider there is.
const PROVIDER: &str = "atlar";

/// A configuration has some dozen keys.
const BODY_MAX: usize = 64 << 10;

/// What the connector page says that the connector can do.
const CAPABILITIES: [&str; 4] =
    ["FETCH_ACCOUNTS", "FETCH_EXTERNAL_ACCOUNTS", "FETCH_PAYMENTS", "FETCH_OTHERS"];

/// What the routes ask for.
pub trait Connectors: Send + Sync + 'static {
    /// Checks and keeps a configuration, and starts its workspace. Answers the connector's id.
    fn install(&self, config: String) -> BoxFuture<'_, Result<String, Refusal>>;
    /// Every workspace of the process.
    fn list(&self) -> Vec<Connector>;
    /// The configuration in force, secrets masked.
    fn config(&self, id: &str) -> Result<Value, Refusal>;
    /// Has every entity published once more.
    fn reset(&self, id: &str) -> BoxFuture<'_, Result<(), Refusal>>;
    /// Stops its workspace and forgets its configuration.
    fn uninstall(&self, id: &str) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// One connector as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    pub id: String,
    pub name: String,
    pub provider: &'static str,
    /// The topic prefix of its workspace.
    pub reference: String,
    /// RFC 3339. Of one from the configuration file: when the process began.
    pub created_at: String,
    /// The phase of its workspace: `starting`, `ready`, `waiting`, `failed` …
    pub status: String,
    /// Whether it was installed by this API; others are in the configuration file.
    pub installed: bool,
}

impl Connector {
    pub const PROVIDER: &'static str = PROVIDER;

    /// The word for a phase of a workspace.
    pub fn status_of(phase: &str) -> &'static str {
        super::view::Phase::of(phase).as_str()
    }
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The configuration has these faults.
    Validation(String),
    /// There is one already, or it is not one that can be taken away.
    Conflict(String),
    NotFound(String),
    /// What it needs does not work at this moment.
    Unavailable(String),
    /// Our fault, or the disk's.
    Internal(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, word, message) = match &self {
            Refusal::Validation(text) => (StatusCode::BAD_REQUEST, "VALIDATION", text),
            Refusal::Conflict(text) => (StatusCode::CONFLICT, "CONFLICT", text),
            Refusal::NotFound(text) => (StatusCode::NOT_FOUND, "NOT_FOUND", text),
            Refusal::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", text),
            Refusal::Internal(text) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", text),
        };
        answer::error(code, word, message)
    }
}

type Shared = Arc<dyn Connectors>;

/// The routes, for [`super::router`].
pub fn routes(connectors: Arc<dyn Connectors>) -> Router {
    let api = Router::new()
        .route("/", get(list))
        .route("/install/{provider}", post(install))
        .route("/capabilities", get(capabilities))
        .route("/{id}", axum::routing::delete(uninstall))
        .route("/{id}/config", get(config))
        .route("/{id}/reset", post(reset))
        .route("/{id}/capabilities", get(capabilities_of))
        .layer(middleware::from_fn(refuse_pages))
        .with_state(connectors);
    Router::new().nest(BASE, api)
}

async fn refuse_pages(request: Request, next: Next) -> Response {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if writes && request.headers().contains_key(header::ORIGIN) {
        let message = "this API is not for web pages: the request carries an Origin";
        return answer::error(StatusCode::FORBIDDEN, "FORBIDDEN", message);
    }
    next.run(request).await
}

async fn install(
    State(connectors): State<Shared>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !provider.eq_ignore_ascii_case(PROVIDER) {
        return Refusal::NotFound("the only provider is atlar".to_owned()).into_response();
    }
    if !is_json(&headers) {
        let message = "send the configuration with Content-Type: application/json";
        return answer::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            message,
        );
    }
    let Ok(bytes) = to_bytes(body, BODY_MAX).await else {
        let message = format!("a configuration has at most {BODY_MAX} bytes");
        return answer::error(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", &message);
    };
    let Ok(text) = String::from_utf8(bytes.to_vec()) else {
        return Refusal::Validation("the body is not UTF-8".to_owned()).into_response();
    };
    match connectors.install(text).await {
        Ok(id) => answer::json(StatusCode::ACCEPTED, &json!({ "data": id })),
        Err(refusal) => refusal.into_response(),
    }
}

/// Parameters such as a character set may follow.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

async fn list(State(connectors): State<Shared>) -> Response {
    let data = connectors.list();
    // There are never so many that they need pages.
    let cursor = json!({ "pageSize": data.len(), "hasMore": false, "data": data });
    answer::json(StatusCode::OK, &json!({ "cursor": cursor }))
}

async fn config(State(connectors): State<Shared>, Path(id): Path<String>) -> Response {
    match connectors.config(&id) {
        Ok(config) => answer::json(StatusCode::OK, &json!({ "data": config })),
        Err(refusal) => refusal.into_response(),
    }
}

async fn reset(State(connectors): State<Shared>, Path(id): Path<String>) -> Response {
    match connectors.reset(&id).await {
        Ok(()) => answer::json(StatusCode::ACCEPTED, &json!({ "data": id })),
        Err(refusal) => refusal.into_response(),
    }
}

async fn uninstall(State(connectors): State<Shared>, Path(id): Path<String>) -> Response {
    match connectors.uninstall(&id).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn capabilities() -> Response {
    answer::json(StatusCode::OK, &json!({ "data": CAPABILITIES }))
}

async fn capabilities_of(State(connectors): State<Shared>, Path(id): Path<String>) -> Response {
    match connectors.config(&id) {
        Ok(_) => capabilities().await,
        Err(refusal) => refusal.into_response(),
    }
}
