//! What the process shows over HTTP: the status page, its JSON, the probes and the metrics.
//!
//! Every page is made from one look at the [`Board`], so that all of them tell the same. None asks
//! Kafka or Atlar, so none hangs or fails when they do. With an admin token everything but the
//! two probes asks for it. [`connectors`] holds the routes that change something.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the status page, kept up to date by `/status/stream` |
//! | `/status.json` | [`View`] |
//! | `/livez` | 200 while the process runs |
//! | `/readyz` | 200 and `ready` or `standby`, or 503 and why not |
//! | `/metrics` | OpenMetrics text; `docs/metrics.md` lists them |
//! | `/api/payments/v3/connectors` and below | `docs/connectors.md` |

mod answer;
mod assets;
pub mod connectors;
mod gate;
mod metrics;
mod updates;
mod view;

use std::fmt::Write as _;
use std::future::{Future, IntoFuture};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::secret::Secret;
use crate::status::Board;
use connectors::Connectors;
use gate::{Gate, Passed};

pub use view::{Level, Summary, View, WorkspaceView};

/// What connections may take to end after a stop. The page's streams end at once; this is for a
/// client that does not read its answer.
const DRAIN: Duration = Duration::from_secs(3);

/// What to show, and to whom.
#[derive(Clone)]
pub struct Options {
    /// What everything but `/livez` and `/readyz` asks for; none: anybody who can connect may look.
    pub admin_token: Option<Secret>,
    pub board: Board,
    /// Who answers the routes of connectors; none: there are no such routes.
    pub connectors: Option<Arc<dyn Connectors>>,
}

#[derive(Clone)]
struct Shared {
    board: Board,
    stop: CancellationToken,
}

/// Serves the pages on `listener` until `stop`. Then open event streams end, requests under way are
/// answered, and what is left after three seconds is dropped.
pub fn serve(
    listener: TcpListener,
    options: Options,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), io::Error>> {
    let app = router(options, Router::new(), &stop);
    serve_router(listener, app, stop)
}

/// The pages together with `more`: routes of others, behind the same gate and with the same headers
/// and error answers. `more` must not have a fallback of its own, nor routes of ours. `stop` ends
/// the event streams.
pub fn router(options: Options, more: Router, stop: &CancellationToken) -> Router {
    let gate = Gate::new(options.admin_token);
    let shared = Shared { board: options.board, stop: stop.clone() };
    let probes = Router::new().route("/livez", get(live)).route("/readyz", get(ready));
    let pages = Router::new()
        .merge(assets::routes())
        .route("/status.json", get(status))
        .route("/status/stream", get(stream))
        .route("/metrics", get(scrape))
        .merge(probes.with_state(shared.clone()))
        .with_state(shared);
    pages
        .merge(options.connectors.map(connectors::routes).unwrap_or_default())
        .merge(more)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(gate, gate::check))
        .layer(middleware::from_fn(answer::add_headers))
}

/// Serves any router the way [`serve`] does.
pub async fn serve_router(
    listener: TcpListener,
    app: Router,
    stop: CancellationToken,
) -> Result<(), io::Error> {
    let stopped = stop.clone().cancelled_owned();
    let serving = axum::serve(listener, app).with_graceful_shutdown(stopped).into_future();
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        () = stop.cancelled() => {}
    }
    match tokio::time::timeout(DRAIN, serving).await {
        Ok(served) => served,
        Err(_) => {
            tracing::warn!("http connections were still open when the drain time was over");
            Ok(())
        }
    }
}

async fn live() -> &'static str {
    "ok\n"
}

/// Who has not shown the token learns the kind of the reason only: the rest may hold addresses of
/// brokers and ids of accounts. Of several workspaces, those that are not ready are named.
async fn ready(State(shared): State<Shared>, Extension(passed): Extension<Passed>) -> Response {
    let overview = shared.board.look();
    let not_ready = overview.not_ready();
    if not_ready.is_empty() {
        return if overview.is_standby() { "standby\n" } else { "ready\n" }.into_response();
    }
    let several = overview.workspaces.len() > 1;
    let mut text = String::new();
    for (snapshot, reason) in not_ready {
        let reason = match passed {
            Passed::Yes => reason.as_str(),
            Passed::OnlyProbes => view::Phase::of(&snapshot.phase).reason(),
        };
        // Writing to a String cannot fail.
        let _ = match several {
            true => writeln!(text, "not ready: {}: {reason}", snapshot.topic_prefix),
            false => writeln!(text, "not ready: {reason}"),
        };
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn status(State(shared): State<Shared>) -> Response {
    answer::json(StatusCode::OK, &View::of(shared.board.look()))
}

async fn stream(State(shared): State<Shared>) -> Response {
    updates::stream(shared.board, shared.stop)
}

async fn scrape(State(shared): State<Shared>) -> Response {
    match metrics::text(shared.board.look()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => answer::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the metrics could not be written",
        ),
    }
}

async fn unknown_path(request: Request) -> Response {
    let message = format!("there is nothing at {}", request.uri().path());
    answer::error(StatusCode::NOT_FOUND, "NOT_FOUND", &message)
}

async fn unknown_method(method: Method, request: Request) -> Response {
    let message = format!("{method} is not possible at {}", request.uri().path());
    answer::error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &message)
}
