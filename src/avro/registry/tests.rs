//! The client against the embedded registry, and against answers that are no registry's.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::avro::{Subject, embedded, schema_text};
use crate::domain::Entity;

const PAYMENT: Subject = Subject::Entity(Entity::Payment);

fn endpoint(urls: &[&str]) -> Endpoint {
    Endpoint {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        username: None,
        password: None,
        timeout: Duration::from_secs(5),
    }
}

fn client(endpoint: Endpoint) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    Client::new(endpoint, http).unwrap()
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Serves `router` while `talk` runs.
async fn against<T>(router: Router, talk: impl AsyncFnOnce(String) -> T) -> T {
    let (listener, url) = listener().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let stopped = stop.clone().cancelled_owned();
    tasks.spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
    });
    let result = talk(url).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    result
}

#[tokio::test]
async fn registers_once_and_looks_up() {
    let (listener, url) = listener().await;
    let registry = embedded::start(listener);
    let client = client(endpoint(&[&format!("{url}/")]));

    let (name, text) = (PAYMENT.name("atlar"), schema_text(PAYMENT));
    assert_eq!(client.lookup(&name, text).await, Ok(None));
    client.set_compatibility(&name, COMPATIBILITY).await.unwrap();
    assert_eq!(client.lookup(&name, text).await, Ok(None));
    let id = client.register(&name, text).await.unwrap();
    assert_eq!(client.register(&name, text).await, Ok(id));
    assert_eq!(client.lookup(&name, text).await, Ok(Some(id)));
    // White space and the order of members do not make another schema.
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(client.lookup(&name, &value.to_string()).await, Ok(Some(id)));
    // The same schema under another subject has the same id; another schema has not.
    assert_eq!(client.register("other-value", text).await, Ok(id));
    let scan = client.register("atlar.scan-value", schema_text(Subject::Scan)).await.unwrap();
    assert_ne!(scan, id);
    assert_eq!(client.lookup(&name, schema_text(Subject::Scan)).await, Ok(None));

    registry.stop().await;
    // schema_by_id has not been asked yet: the registry is gone.
    let error = client.schema_by_id(id).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_schema_is_read_by_id_once() {
    let (listener, url) = listener().await;
    let registry = embedded::start(listener);
    let client = client(endpoint(&[&url]));
    let id = client.register("atlar.payment-value", schema_text(PAYMENT)).await.unwrap();
    let schema = client.schema_by_id(id).await.unwrap();
    assert_eq!(&*schema, crate::avro::schema(PAYMENT).unwrap());
    assert_eq!(client.schema_by_id(id + 1).await, Err(Error::NotFound { id: id + 1 }));
    registry.stop().await;
    assert_eq!(client.schema_by_id(id).await.unwrap(), schema);
}

#[tokio::test]
async fn an_incompatible_schema_is_refused() {
    let (listener, url) = listener().await;
    let registry = embedded::start(listener);
    let client = client(endpoint(&[&url]));
    let text = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let old = text(r#"{"name":"a","type":"string"}"#);
    let optional =
        text(r#"{"name":"a","type":"string"},{"name":"b","type":["null","long"],"default":null}"#);
    let required = text(r#"{"name":"a","type":"string"},{"name":"c","type":"long"}"#);

    client.set_compatibility("r", COMPATIBILITY).await.unwrap();
    let first = client.register("r", &old).await.unwrap();
    let second = client.register("r", &optional).await.unwrap();
    assert_ne!(first, second);
    let error = client.register("r", &required).await.unwrap_err();
    assert!(matches!(&error, Error::Incompatible { subject, .. } if subject == "r"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(client.lookup("r", &required).await, Ok(None));
    // A level that checks nothing lets it pass.
    client.set_compatibility("r", "NONE").await.unwrap();
    client.register("r", &required).await.unwrap();
    let refused = client.set_compatibility("r", "SOMETIMES").await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 422, .. }), "{refused}");
    let refused = client.register("r", "{}").await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 422, .. }), "{refused}");
    registry.stop().await;
}

#[tokio::test]
async fn the_next_url_is_tried_where_one_does_not_answer() {
    let (gone, dead) = listener().await;
    drop(gone);
    let busy = any(async || StatusCode::SERVICE_UNAVAILABLE);
    against(Router::new().fallback(busy), async |busy: String| {
        let (listener, url) = listener().await;
        let registry = embedded::start(listener);
        let three = client(endpoint(&[&dead, &busy, &url]));
        let id = three.register("s", r#""string""#).await.unwrap();
        assert_eq!(*three.schema_by_id(id).await.unwrap(), Schema::String);

        let two = client(endpoint(&[&dead, &busy]));
        let error = two.lookup("s", r#""string""#).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        registry.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_path_and_credentials_are_used_and_never_shown() {
    let (name, text) = ("s", r#""string""#);
    let guarded = Router::new().nest("/apis/ccompat/v7", embedded::router()).layer(
        axum::middleware::from_fn(
            async |request: axum::extract::Request, next: axum::middleware::Next| {
                let sent = request.headers().get("authorization").cloned();
                // user:secret
                if sent.is_some_and(|sent| sent == "Basic dXNlcjpzZWNyZXQ=") {
                    next.run(request).await
                } else {
                    axum::response::IntoResponse::into_response(StatusCode::UNAUTHORIZED)
                }
            },
        ),
    );
    against(guarded, async |url: String| {
        let base = format!("{url}/apis/ccompat/v7");
        let known = Endpoint {
            username: Some("user".to_owned()),
            password: Some("secret".into()),
            ..endpoint(&[&base])
        };
        let known = client(known);
        let id = known.register(name, text).await.unwrap();
        assert_eq!(*known.schema_by_id(id).await.unwrap(), Schema::String);
        assert!(!format!("{known:?}").contains("secret"));

        let stranger = client(endpoint(&[&base.replace("http://", "http://user:hidden@")]));
        let error = stranger.register(name, text).await.unwrap_err();
        assert!(matches!(error, Error::Refused { status: 401, .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
        assert!(error.hint().contains("registry.password"));
    })
    .await;
}

#[tokio::test]
async fn other_servers_are_told_apart() {
    let page = any(async || "<html>hello</html>");
    against(Router::new().fallback(page), async |url: String| {
        let client = client(endpoint(&[&url]));
        let error = client.register("s", r#""string""#).await.unwrap_err();
        assert!(matches!(error, Error::NotRegistry { .. }), "{error}");
        let error = client.schema_by_id(1).await.unwrap_err();
        assert!(matches!(error, Error::NotRegistry { .. }), "{error}");
    })
    .await;
    against(Router::new(), async |url: String| {
        let client = client(endpoint(&[&url]));
        let error = client.lookup("s", r#""string""#).await.unwrap_err();
        assert!(matches!(error, Error::Refused { status: 404, .. }), "{error}");
        assert!(error.hint().contains("/apis/ccompat/v7"));
    })
    .await;
}

#[test]
fn urls_in_messages_hold_no_credentials() {
    let check = |url: &str, want: &str| assert_eq!(without_user_info(url), want);
    check("http://u:p@host:8081/apis/ccompat/v7", "http://host:8081/apis/ccompat/v7");
    check("https://host", "https://host");
    check("http://u:p@ss@host/a@b", "http://host/a@b");
}

#[test]
fn subjects_are_escaped() {
    assert_eq!(escape("atlar.external-payment-value"), "atlar.external-payment-value");
    assert_eq!(escape("a/b c?"), "a%2Fb%20c%3F");
}
