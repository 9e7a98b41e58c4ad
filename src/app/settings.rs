//! From the configuration to what each part takes.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::atlar::{self, Observer};
use crate::avro::registry::{self, Endpoint};
use crate::clock::Clock;
use crate::config::{self, Config, ExternalPaymentsSource, SecurityOptions};
use crate::domain::Generation;
use crate::entropy;
use crate::failure::Failure;
use crate::kafka;
use crate::kafka::group::Members;
use crate::poll::tree::{self, Narrowing};
use crate::publish::{Names, Writer};
use crate::recover::Pinned;
use crate::secret::SharedCredentials;
use crate::state::control::Session;

pub use crate::poll::driver::SourceChoice;

/// For one call to the registry. Registries answer in milliseconds; a slow one is a sick one.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// How Atlar is read.
#[derive(Clone)]
pub struct Reading {
    pub base_url: String,
    pub credentials: SharedCredentials,
    /// Where the credentials come from, if files are among it: read again while running.
    pub credential_files: Option<config::Credentials>,
    pub auth: atlar::Auth,
    pub timeout: Duration,
    pub page_size: u32,
    pub per_second: NonZeroU32,
    pub max_in_flight: NonZeroU32,
    pub allow_plain_http: bool,
    /// By name of branch.
    pub periods: BTreeMap<&'static str, Duration>,
    /// The generation of the API to read in; none: the one that is served.
    pub generation: Option<Generation>,
    /// The list that external payments are read from.
    pub source: SourceChoice,
    /// What is left out.
    pub narrowing: Narrowing,
}

/// What one workspace is run with.
#[derive(Clone)]
pub struct Settings {
    pub kafka: kafka::Options,
    pub names: Names,
    pub pinned: Pinned,
    pub replication: Option<i32>,
    pub registry: Endpoint,
    pub include_raw: bool,
    pub store: Option<PathBuf>,
    /// The broker is the embedded one, which answers no administrative request.
    pub embedded_broker: bool,
    /// The groups that the process belongs to.
    pub members: Members,
    pub clock: Clock,
}

impl Settings {
    /// What Kafka and the registry need; nothing of Atlar but its host.
    pub fn of(config: &Config, clock: Clock) -> Result<Settings, Failure> {
        let kafka = &config.kafka;
        let mut properties = kafka.properties.clone();
        secure(&kafka.security, &mut properties)?;
        let password = config.registry.password.as_ref().map(config::SecretSource::read);
        let registry = Endpoint {
            urls: config.registry.urls.iter().map(ToString::to_string).collect(),
            username: config.registry.username.clone(),
            password: password.transpose()?.map(|secret| secret.expose_secret().into()),
            timeout: REGISTRY_TIMEOUT,
        };
        Ok(Settings {
            kafka: kafka::Options {
                bootstrap_servers: kafka.bootstrap_servers.clone(),
                properties,
            },
            names: Names::new(&kafka.topic_prefix),
            pinned: Pinned {
                group_id: kafka.group_id.clone(),
                base_url_host: config.atlar.base_url.host_str().unwrap_or_default().to_owned(),
                partitions: kafka.partitions,
            },
            replication: kafka.replication,
            registry,
            include_raw: config.events.include_raw,
            store: Some(config.store.path.clone()),
            embedded_broker: false,
            members: Members::default(),
            clock,
        })
    }

    /// A writer of the workspace, which is not acquired yet.
    pub fn writer(&self) -> Result<Writer, Failure> {
        let (kafka, group_id) = (self.kafka.clone(), self.pinned.group_id.clone());
        Writer::new(kafka, group_id, self.names.clone())
            .map_err(|error| Failure::unexpected("cannot start a thread").because(error))
    }

    /// The session of a command that acquires the workspace for a moment.
    pub fn session(&self) -> Session {
        Session {
            id: entropy::identity(),
            instance: instance(),
            started_ms: self.clock.now_ms(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// A client of the registry.
    pub fn registry(&self) -> Result<registry::Client, Failure> {
        // An error says that a provider is installed already: equally good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(self.registry.timeout).build();
        let http = http.map_err(|error| {
            Failure::unexpected("cannot make a client for the schema registry").because(error)
        })?;
        registry::Client::new(self.registry.clone(), http)
            .map_err(|error| Failure::configuration(error.to_string(), error.hint()))
    }

    /// Where schemas are found, for `ce_dataschema`: without user name and password.
    pub fn public_registry_url(&self) -> String {
        let first = self.registry.urls.first().map(String::as_str).unwrap_or_default();
        match reqwest::Url::parse(first) {
            Ok(mut url) => {
                // Both fail only for URLs that cannot have a user.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.as_str().trim_end_matches('/').to_owned()
            }
            Err(_) => String::new(),
        }
    }
}

impl Reading {
    pub fn of(config: &Config) -> Result<Reading, Failure> {
        let atlar = &config.atlar;
        let source = atlar.credentials()?;
        let from_files = source.access_key.file.is_some() || source.secret.file.is_some();
        let auth = match atlar.auth {
            config::Auth::Auto => atlar::Auth::Auto,
            config::Auth::Hmac => atlar::Auth::Hmac,
            config::Auth::Basic => atlar::Auth::Basic,
            config::Auth::OAuth2 => atlar::Auth::OAuth2,
        };
        let positive = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let in_flight = u32::try_from(atlar.requests.max_in_flight).unwrap_or(u32::MAX);
        Ok(Reading {
            base_url: atlar.base_url.to_string(),
            credentials: SharedCredentials::new(source.read()?),
            credential_files: from_files.then(|| source.clone()),
            auth,
            timeout: atlar.requests.timeout,
            page_size: atlar.page_size,
            per_second: positive(atlar.requests.per_second),
            max_in_flight: positive(in_flight),
            allow_plain_http: atlar.allow_plain_http,
            periods: tree::TREE
                .iter()
                .map(|branch| (branch.name, atlar.polling_period_of(branch.name)))
                .collect(),
            generation: match atlar.api_version {
                config::ApiVersion::Auto => None,
                config::ApiVersion::V1 => Some(Generation::V1),
                config::ApiVersion::V2 => Some(Generation::V2),
            },
            source: match config.external_payments_source {
                ExternalPaymentsSource::Auto => SourceChoice::Auto,
                ExternalPaymentsSource::Off => SourceChoice::Off,
                named => tree::source(named.name()).map_or(SourceChoice::Off, SourceChoice::Fixed),
            },
            narrowing: Narrowing {
                payments_since: config.narrowing.payments_since.clone(),
                include: config.narrowing.include.clone(),
                exclude: config.narrowing.exclude.clone(),
            },
        })
    }

    /// A client of the workspace.
    pub fn client(
        &self,
        clock: Clock,
        observer: Arc<dyn Observer>,
        retry: crate::retry::Schedule,
    ) -> Result<atlar::Client, Failure> {
        let options = atlar::Options {
            base_url: self.base_url.clone(),
            credentials: self.credentials.clone(),
            auth: self.auth,
            timeout: self.timeout,
            page_size: self.page_size,
            per_second: self.per_second,
            max_in_flight: self.max_in_flight,
            user_agent: format!("atlar-ingestor/{}", env!("CARGO_PKG_VERSION")),
            allow_plain_http: self.allow_plain_http,
            retry,
            clock,
            observer,
        };
        atlar::Client::new(options).map_err(|error| {
            let hint = error.hint();
            Failure::configuration(error.to_string(), hint).because(error)
        })
    }
}

/// This process, for session records.
pub fn instance() -> String {
    format!("process {}", std::process::id())
}

/// TLS and SASL as librdkafka spells them.
fn secure(
    security: &SecurityOptions,
    properties: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    let mut set = |name: &str, value: &str| {
        properties.insert(name.to_owned(), value.to_owned());
    };
    set("security.protocol", security.protocol.name());
    if let Some(mechanism) = security.mechanism {
        set("sasl.mechanism", mechanism.name());
    }
    if let Some(username) = &security.username {
        set("sasl.username", username);
    }
    if let Some(password) = &security.password {
        set("sasl.password", password.read()?.expose_secret());
    }
    let files = [
        ("ssl.ca.location", &security.ca_file),
        ("ssl.certificate.location", &security.certificate_file),
        ("ssl.key.location", &security.key_file),
    ];
    for (name, path) in files {
        if let Some(path) = path {
            set(name, &path.to_string_lossy());
        }
    }
    if let Some(password) = &security.key_password {
        set("ssl.key.password", password.read()?.expose_secret());
    }
    if security.protocol.uses_tls() {
        let check = if security.verify_hostname { "https" } else { "none" };
        set("ssl.endpoint.identification.algorithm", check);
    }
    Ok(())
}
