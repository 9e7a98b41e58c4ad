//! The files of the status page. They are part of the program.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || html(include_str!("status.html"))))
        .route(
            "/status.css",
            get(async || file("text/css; charset=utf-8", include_str!("status.css"))),
        )
        .route(
            "/status.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("status.js"))),
        )
        .route("/icon.svg", get(async || file("image/svg+xml", include_str!("icon.svg"))))
}

fn html(text: &'static str) -> impl IntoResponse {
    file("text/html; charset=utf-8", text)
}

/// May be kept, but not used without asking: the next release has other files.
fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text)
}
