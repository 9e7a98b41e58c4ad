//! A client of a Confluent-compatible schema registry.
//!
//! Reading a schema by id is `schema_registry_converter`'s; registering and looking up with
//! `normalize=true` and setting a subject's compatibility are calls it does not have. Several base
//! URLs are tried in order; a base URL may have a path (`/apis/ccompat/v7`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apache_avro::Schema;
use reqwest::{Method, StatusCode};
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::schema::parse;

/// The compatibility every subject gets: producers and consumers may upgrade in any order, and
/// readers that start at offset 0 stay safe.
pub const COMPATIBILITY: &str = "FULL_TRANSITIVE";

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const SUBJECT_NOT_FOUND: i64 = 40401;
const SCHEMA_NOT_FOUND: i64 = 40403;

/// Where the registry is.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Base URLs, tried in order. At least one.
    pub urls: Vec<String>,
    /// For basic authentication.
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// Of one call.
    pub timeout: Duration,
}

/// Why a call failed. Never holds credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer, or one that says "later". Worth a retry.
    #[error("the schema registry at {url} cannot be reached: {detail}")]
    Unreachable { url: String, detail: String },
    /// An answer that a retry will not change.
    #[error("the schema registry at {url} refused the call with status {status}: {message}")]
    Refused { url: String, status: u16, message: String },
    /// The schema breaks the subject's compatibility.
    #[error("the schema for {subject} is incompatible with a registered version: {message}")]
    Incompatible { subject: String, message: String },
    #[error("the schema registry has no schema with id {id}")]
    NotFound { id: u32 },
    /// The answer is not a registry's.
    #[error("the answer of {url} is not a schema registry's: {detail}")]
    NotRegistry { url: String, detail: String },
}

impl Error {
    /// True where waiting may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Unreachable { .. })
    }

    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => {
                "start the schema registry, or set registry.url to where it listens"
            }
            Error::Refused { status: 401 | 403, .. } => {
                "check registry.username and registry.password"
            }
            Error::Refused { .. } => {
                "check that registry.url is a Confluent-compatible API, \
                 for Apicurio it ends in /apis/ccompat/v7"
            }
            Error::Incompatible { .. } => {
                "another version of this program owns the subject: \
                 use a topic prefix of its own, or the version that registered it"
            }
            Error::NotFound { .. } => {
                "the topic was written with another registry: set registry.url to that one"
            }
            Error::NotRegistry { .. } => {
                "registry.url points at something else: set it to the base URL of the \
                 Confluent-compatible API"
            }
        }
    }
}

/// A client. Cheap to share behind an `Arc`.
pub struct Client {
    endpoint: Endpoint,
    http: reqwest::Client,
    reading: SrSettings,
    schemas: Mutex<HashMap<u32, Arc<Schema>>>,
}

impl Client {
    /// A client of `endpoint` that sends through `http`, which must have a time-out.
    pub fn new(mut endpoint: Endpoint, http: reqwest::Client) -> Result<Client, Error> {
        for url in &mut endpoint.urls {
            *url = url.trim_end_matches('/').to_owned();
        }
        let first = endpoint.urls.first().cloned().unwrap_or_default();
        let unusable =
            |detail: String| Error::NotRegistry { url: without_user_info(&first), detail };
        if endpoint.urls.is_empty() {
            return Err(unusable("no URL is configured".to_owned()));
        }
        // The converter builds its own HTTP client, which needs a TLS provider even for http://.
        // An error says that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut settings = SrSettings::new_builder(first.clone());
        for url in endpoint.urls.iter().skip(1) {
            settings.add_url(url.clone());
        }
        if let Some(username) = &endpoint.username {
            let password = endpoint.password.as_ref().map(ExposeSecret::expose_secret);
            settings.set_basic_authorization(username, password);
        }
        settings.set_timeout(endpoint.timeout);
        let reading = settings.build().map_err(|error| unusable(error.error))?;
        Ok(Client { endpoint, http, reading, schemas: Mutex::default() })
    }

    /// Registers `text` as the newest version of `subject` and returns the schema's id. A schema
    /// that is registered already keeps its id.
    pub async fn register(&self, subject: &str, text: &str) -> Result<u32, Error> {
        let path = format!("/subjects/{}/versions?normalize=true", escape(subject));
        let answer = self.call(Method::POST, &path, &json!({ "schema": text })).await?;
        match answer.status {
            StatusCode::CONFLICT => {
                Err(Error::Incompatible { subject: subject.to_owned(), message: answer.message() })
            }
            _ => answer.id(),
        }
    }

    /// The id of `text` under `subject`; none if the subject or this schema is not registered.
    pub async fn lookup(&self, subject: &str, text: &str) -> Result<Option<u32>, Error> {
        let path = format!("/subjects/{}?normalize=true", escape(subject));
        let answer = self.call(Method::POST, &path, &json!({ "schema": text })).await?;
        let code = answer.body.get("error_code").and_then(Value::as_i64);
        match (answer.status, code) {
            (StatusCode::NOT_FOUND, Some(SUBJECT_NOT_FOUND | SCHEMA_NOT_FOUND)) => Ok(None),
            _ => answer.id().map(Some),
        }
    }

    /// Sets the compatibility that new versions of `subject` are checked against.
    pub async fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), Error> {
        let path = format!("/config/{}", escape(subject));
        let answer = self.call(Method::PUT, &path, &json!({ "compatibility": level })).await?;
        answer.success().map(drop)
    }

    /// The schema with `id`. Read once per id.
    pub async fn schema_by_id(&self, id: u32) -> Result<Arc<Schema>, Error> {
        let known = self.cache().get(&id).cloned();
        if let Some(schema) = known {
            return Ok(schema);
        }
        let registered = get_schema_by_id(id, &self.reading)
            .await
            .map_err(|error| self.reading_error(id, &error))?;
        let schema = parse(&registered.schema).map_err(|error| Error::NotRegistry {
            url: self.url(),
            detail: format!("schema {id}: {error}"),
        })?;
        Ok(self.cache().entry(id).or_insert_with(|| Arc::new(schema)).clone())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<Schema>>> {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends to the first base URL that answers.
    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Answer, Error> {
        let mut last = None;
        for base in &self.endpoint.urls {
            match self.send(method.clone(), base, path, body).await {
                Err(error) if error.is_retryable() => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| Error::Unreachable {
            url: self.url(),
            detail: "no URL is configured".to_owned(),
        }))
    }

    async fn send(
        &self,
        method: Method,
        base: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Error> {
        let url = without_user_info(base);
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            url: url.clone(),
            detail: root_cause(&error.without_url()),
        };
        let mut request = self
            .http
            .request(method, format!("{base}{path}"))
            .timeout(self.endpoint.timeout)
            .header("content-type", CONTENT_TYPE)
            .header("accept", CONTENT_TYPE)
            .body(body.to_string());
        if let Some(username) = &self.endpoint.username {
            let password = self.endpoint.password.as_ref().map(ExposeSecret::expose_secret);
            request = request.basic_auth(username, password);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        if status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
        {
            return Err(Error::Unreachable { url, detail: format!("status {status}") });
        }
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { url, status, body })
    }

    fn reading_error(&self, id: u32, error: &SRCError) -> Error {
        let answer = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
        match answer {
            _ if error.retriable => {
                Error::Unreachable { url: self.url(), detail: error.error.clone() }
            }
            Some(RawError { error_code: 40400..=40499, .. }) => Error::NotFound { id },
            Some(RawError { error_code: 50000..=59999, .. }) => {
                Error::Unreachable { url: self.url(), detail: error.error.clone() }
            }
            _ => Error::NotRegistry { url: self.url(), detail: error.error.clone() },
        }
    }

    fn url(&self) -> String {
        self.endpoint.urls.first().map(|url| without_user_info(url)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.url()).finish_non_exhaustive()
    }
}

struct Answer {
    url: String,
    status: StatusCode,
    body: Value,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

impl Answer {
    fn success(self) -> Result<Value, Error> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let message = self.message();
        Err(Error::Refused { url: self.url, status: self.status.as_u16(), message })
    }

    fn id(self) -> Result<u32, Error> {
        let url = self.url.clone();
        let body = self.success()?;
        serde_json::from_value(body)
            .map(|Registered { id }| id)
            .map_err(|_| Error::NotRegistry { url, detail: "it has no schema id".to_owned() })
    }

    fn message(&self) -> String {
        let message = self.body.get("message").and_then(Value::as_str);
        message.unwrap_or("no message").to_owned()
    }
}

/// A path segment: everything but unreserved characters escaped.
fn escape(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// The URL without `user:password@`.
fn without_user_info(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
