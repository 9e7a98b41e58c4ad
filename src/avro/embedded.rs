//! A schema registry in memory, for the demo and for tests that need no real one.
//!
//! It speaks the part of the Confluent API that producers and consumers use, checks compatibility
//! like the real one, and forgets everything when it stops.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A running registry. Dropping it does not stop it: call [`Registry::stop`].
#[derive(Debug)]
pub struct Registry {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// Serves on `listener` until stopped.
pub fn start(listener: TcpListener) -> Registry {
    let registry = Registry { tasks: TaskTracker::new(), stopping: CancellationToken::new() };
    let stopping = registry.stopping.clone();
    registry.tasks.spawn(async move {
        let serving = axum::serve(listener, router())
            .with_graceful_shutdown(stopping.cancelled_owned())
            .await;
        if let Err(error) = serving {
            tracing::error!(%error, "the embedded schema registry stopped");
        }
    });
    registry.tasks.close();
    registry
}

impl Registry {
    /// Stops serving and waits until it has.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.wait().await;
    }
}

/// The routes alone, with a state of their own.
pub fn router() -> Router {
    Router::new()
        .route("/", get(async || Json(json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(lookup))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/ids/{id}", get(by_id))
        .route("/config", get(default_config))
        .route("/config/{subject}", get(config).put(set_config))
        .with_state(Arc::new(Mutex::new(Schemas::default())))
}

type Shared = State<Arc<Mutex<Schemas>>>;

#[derive(Default)]
struct Schemas {
    /// Id − 1 → text. Equal schemas share an id whatever their subject.
    texts: Vec<String>,
    subjects: BTreeMap<String, Subject>,
}

#[derive(Default)]
struct Subject {
    /// Version − 1 → id.
    versions: Vec<u32>,
    compatibility: Option<String>,
}

impl Schemas {
    /// The id of a schema equal to `text` but for white space and the order of members.
    fn id_of(&self, text: &str) -> Option<u32> {
        let wanted: Value = serde_json::from_str(text).ok()?;
        let equal =
            |known: &String| serde_json::from_str::<Value>(known).ok().as_ref() == Some(&wanted);
        self.texts.iter().position(equal).and_then(|index| u32::try_from(index + 1).ok())
    }

    fn text(&self, id: u32) -> Option<&String> {
        self.texts.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }
}

async fn subjects(State(schemas): Shared) -> Response {
    let known: Vec<String> = lock(&schemas)
        .subjects
        .iter()
        .filter(|(_, subject)| !subject.versions.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    Json(known).into_response()
}

async fn register(
    State(schemas): Shared,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let Some((text, schema)) = schema_of(&body) else { return invalid() };
    let mut schemas = lock(&schemas);
    let id = schemas.id_of(&text);
    let subject = schemas.subjects.get(&name);
    let versions = subject.map(|subject| subject.versions.clone()).unwrap_or_default();
    if let Some(id) = id.filter(|id| versions.contains(id)) {
        return Json(json!({ "id": id })).into_response();
    }
    let level = subject.and_then(|subject| subject.compatibility.clone());
    let earlier: Vec<Schema> = versions
        .iter()
        .filter_map(|id| schemas.text(*id))
        .filter_map(|text| Schema::parse_str(text).ok())
        .collect();
    if let Err(message) = compatible(&schema, &earlier, level.as_deref().unwrap_or("BACKWARD")) {
        return failure(StatusCode::CONFLICT, 409, &message);
    }
    let id = id.unwrap_or_else(|| {
        schemas.texts.push(text);
        u32::try_from(schemas.texts.len()).unwrap_or(u32::MAX)
    });
    schemas.subjects.entry(name).or_default().versions.push(id);
    Json(json!({ "id": id })).into_response()
}

async fn lookup(
    State(schemas): Shared,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let Some((text, _)) = schema_of(&body) else { return invalid() };
    let schemas = lock(&schemas);
    let Some(subject) = schemas.subjects.get(&name).filter(|found| !found.versions.is_empty())
    else {
        return failure(StatusCode::NOT_FOUND, 40401, "Subject not found");
    };
    let id = schemas.id_of(&text);
    match subject.versions.iter().position(|known| Some(*known) == id) {
        Some(index) => described(&schemas, &name, index),
        None => failure(StatusCode::NOT_FOUND, 40403, "Schema not found"),
    }
}

async fn versions(State(schemas): Shared, Path(name): Path<String>) -> Response {
    match lock(&schemas).subjects.get(&name).map(|subject| subject.versions.len()) {
        Some(count) if count > 0 => Json((1..=count).collect::<Vec<_>>()).into_response(),
        _ => failure(StatusCode::NOT_FOUND, 40401, "Subject not found"),
    }
}

async fn version(
    State(schemas): Shared,
    Path((name, version)): Path<(String, String)>,
) -> Response {
    let schemas = lock(&schemas);
    let Some(subject) = schemas.subjects.get(&name) else {
        return failure(StatusCode::NOT_FOUND, 40401, "Subject not found");
    };
    let index = match version.as_str() {
        "latest" => subject.versions.len().checked_sub(1),
        number => number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)),
    };
    match index.filter(|index| *index < subject.versions.len()) {
        Some(index) => described(&schemas, &name, index),
        None => failure(StatusCode::NOT_FOUND, 40402, "Version not found"),
    }
}

async fn by_id(State(schemas): Shared, Path(id): Path<u32>) -> Response {
    match lock(&schemas).text(id) {
        Some(text) => Json(json!({ "schema": text })).into_response(),
        None => failure(StatusCode::NOT_FOUND, 40403, "Schema not found"),
    }
}

async fn default_config() -> Response {
    Json(json!({ "compatibilityLevel": "BACKWARD" })).into_response()
}

async fn config(State(schemas): Shared, Path(name): Path<String>) -> Response {
    let schemas = lock(&schemas);
    let level = schemas.subjects.get(&name).and_then(|subject| subject.compatibility.as_deref());
    match level {
        Some(level) => Json(json!({ "compatibilityLevel": level })).into_response(),
        None => failure(StatusCode::NOT_FOUND, 40408, "Subject has no compatibility of its own"),
    }
}

async fn set_config(
    State(schemas): Shared,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let level = body.get("compatibility").and_then(Value::as_str).unwrap_or_default();
    let base = level.strip_suffix("_TRANSITIVE").unwrap_or(level);
    if !["NONE", "BACKWARD", "FORWARD", "FULL"].contains(&base) {
        return failure(StatusCode::UNPROCESSABLE_ENTITY, 42203, "Invalid compatibility level");
    }
    lock(&schemas).subjects.entry(name).or_default().compatibility = Some(level.to_owned());
    Json(json!({ "compatibility": level })).into_response()
}

fn described(schemas: &Schemas, name: &str, index: usize) -> Response {
    let id = schemas.subjects.get(name).and_then(|subject| subject.versions.get(index).copied());
    let text = id.and_then(|id| schemas.text(id));
    Json(json!({ "subject": name, "id": id, "version": index + 1, "schema": text })).into_response()
}

/// Checks `new` against the last of `earlier`, or all of them at a transitive level.
fn compatible(new: &Schema, earlier: &[Schema], level: &str) -> Result<(), String> {
    let (level, transitive) = match level.strip_suffix("_TRANSITIVE") {
        Some(level) => (level, true),
        None => (level, false),
    };
    let full =
        |writer: &Schema, reader: &Schema| match SchemaCompatibility::can_read(writer, reader) {
            Ok(Compatibility::Full) => Ok(()),
            Ok(Compatibility::Partial) => Err("only partially compatible".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    let last = earlier.last().map(std::slice::from_ref).unwrap_or_default();
    let checked = if transitive { earlier } else { last };
    for old in checked {
        if matches!(level, "BACKWARD" | "FULL") {
            full(old, new)?;
        }
        if matches!(level, "FORWARD" | "FULL") {
            full(new, old)?;
        }
    }
    Ok(())
}

fn schema_of(body: &Value) -> Option<(String, Schema)> {
    let text = body.get("schema")?.as_str()?;
    Some((text.to_owned(), Schema::parse_str(text).ok()?))
}

fn invalid() -> Response {
    failure(StatusCode::UNPROCESSABLE_ENTITY, 42201, "Invalid Avro schema")
}

fn failure(status: StatusCode, code: u32, message: &str) -> Response {
    (status, Json(json!({ "error_code": code, "message": message }))).into_response()
}

fn lock(schemas: &Mutex<Schemas>) -> MutexGuard<'_, Schemas> {
    schemas.lock().unwrap_or_else(PoisonError::into_inner)
}
