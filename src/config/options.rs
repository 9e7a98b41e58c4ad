//! The configuration as the rest of the program takes it: plain structs, everything decided.

use super::choice::{
    ApiVersion, Auth, ExternalPaymentsSource, KeyFormat, LogFormat, LogLevel, Mechanism, Protocol,
};
use super::secret_source::SecretSource;
use crate::failure::Failure;
use reqwest::Url;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything. Each field documents itself in `config::keys`.
#[derive(Clone, Debug)]
pub struct Config {
    /// How Atlar is read.
    pub atlar: AtlarOptions,
    /// The list that external payments come from.
    pub external_payments_source: ExternalPaymentsSource,
    /// What is left out on purpose.
    pub narrowing: NarrowingOptions,
    /// When records are deleted.
    pub deletes: DeleteOptions,
    /// Brokers and topics.
    pub kafka: KafkaOptions,
    /// Schema registry.
    pub registry: RegistryOptions,
    /// What is in events.
    pub events: EventOptions,
    /// Local store.
    pub store: StoreOptions,
    /// Where installed connectors are kept.
    pub connector_file: PathBuf,
    /// Status page, metrics, API.
    pub http: HttpOptions,
    /// Log lines.
    pub log: LogOptions,
}

/// How Atlar is read.
#[derive(Clone, Debug)]
pub struct AtlarOptions {
    /// None for commands that do not read Atlar; see [`AtlarOptions::credentials`].
    pub credentials: Option<Credentials>,
    /// Address of the API.
    pub base_url: Url,
    /// Whether `base_url` may be plain http beyond loopback.
    pub allow_plain_http: bool,
    /// Records asked for per page, 1 to 500.
    pub page_size: u32,
    /// Time between two listings of a stream without a period of its own.
    pub polling_period: Duration,
    /// Periods of streams that have their own, by name of the stream (`external-payments`).
    pub polling_periods: BTreeMap<String, Duration>,
    /// How requests are authenticated.
    pub auth: Auth,
    /// Generation of the API.
    pub api_version: ApiVersion,
    /// Limits of the requests to Atlar.
    pub requests: RequestOptions,
}

impl AtlarOptions {
    /// The time between two listings of a stream.
    pub fn polling_period_of(&self, stream: &str) -> Duration {
        self.polling_periods.get(stream).copied().unwrap_or(self.polling_period)
    }

    /// The credentials; exit code 3 without them.
    pub fn credentials(&self) -> Result<&Credentials, Failure> {
        self.credentials.as_ref().ok_or_else(|| {
            let hint = "set `accessKey` and `secret`, or `accessKeyFile` and `secretFile`";
            Failure::configuration("reading Atlar needs credentials", hint)
        })
    }
}

/// An API key of Atlar.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The public half; kept out of sight all the same.
    pub access_key: SecretSource,
    /// The secret half.
    pub secret: SecretSource,
}

impl Credentials {
    /// The pair as it is now: files are read again. Exit code 3 when one cannot be read.
    pub fn read(&self) -> Result<crate::secret::Credentials, Failure> {
        let access_key = self.access_key.read()?.expose_secret().to_owned();
        Ok(crate::secret::Credentials { access_key, secret: self.secret.read()? })
    }
}

/// Limits of the requests to Atlar, shared by all streams of the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// Requests per second, at least 1.
    pub per_second: u32,
    /// Requests at a time, at least 1.
    pub max_in_flight: usize,
    /// For one request, from sending it to the last byte of the answer.
    pub timeout: Duration,
}

/// What is left out on purpose: neither published nor deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NarrowingOptions {
    /// `yyyy-mm-dd`: payments booked earlier are left out.
    pub payments_since: Option<String>,
    /// The only accounts to read, if any are named.
    pub include: Vec<String>,
    /// Accounts to leave out.
    pub exclude: Vec<String>,
}

/// When a record that is gone from Atlar is published as deleted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeleteOptions {
    /// Whether at all.
    pub enabled: bool,
    /// Complete listings in a row that must lack the record.
    pub listings: u32,
    /// Time it must be absent.
    pub min_age: Duration,
    /// Deletes at once above which they are held.
    pub max_count: u32,
    /// Share of a stream's records above which they are held, 0 to 1.
    pub max_share: f64,
}

/// Brokers and topics.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// `host:port`, with commas between them, as librdkafka takes it.
    pub bootstrap_servers: String,
    /// What the names of all topics begin with.
    pub topic_prefix: String,
    /// Consumer group of the deployment.
    pub group_id: String,
    /// Partitions of each event topic.
    pub partitions: i32,
    /// Replicas of each topic; none = min(3, brokers).
    pub replication: Option<i32>,
    /// Keys of events.
    pub key_format: KeyFormat,
    /// For librdkafka as they are; none that the protocol depends on.
    pub properties: BTreeMap<String, String>,
    /// Encryption and authentication.
    pub security: SecurityOptions,
}

/// How brokers are spoken to. Consistent: user and password are there when SASL needs them,
/// certificate and key are there together or not at all.
#[derive(Clone, Debug)]
pub struct SecurityOptions {
    /// TLS or not, SASL or not.
    pub protocol: Protocol,
    /// With SASL.
    pub mechanism: Option<Mechanism>,
    /// With SASL.
    pub username: Option<String>,
    /// With SASL.
    pub password: Option<SecretSource>,
    /// Certificates that sign the brokers'; none = the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate.
    pub certificate_file: Option<PathBuf>,
    /// Its private key.
    pub key_file: Option<PathBuf>,
    /// Password of the private key.
    pub key_password: Option<SecretSource>,
    /// Whether brokers must carry the names they are reached by.
    pub verify_hostname: bool,
}

/// Schema registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// At least one; tried in turn.
    pub urls: Vec<Url>,
    /// With a password.
    pub username: Option<String>,
    /// With a user.
    pub password: Option<SecretSource>,
}

/// What is in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventOptions {
    /// Whether `raw` holds the JSON as received.
    pub include_raw: bool,
}

/// Local store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Folder, created when missing.
    pub path: PathBuf,
}

/// Status page, metrics, API.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where to listen; beyond loopback there is a token.
    pub listen: SocketAddr,
    /// What everything but `/livez` and `/readyz` asks for.
    pub admin_token: Option<SecretSource>,
}

/// Log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Shape.
    pub format: LogFormat,
    /// Least important event that is logged.
    pub level: LogLevel,
}
