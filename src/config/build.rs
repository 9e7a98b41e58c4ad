//! From the flat list of values to the typed structure.

use super::choice::{
    ApiVersion, Auth, ExternalPaymentsSource, KeyFormat, LogFormat, LogLevel, Mechanism, Protocol,
};
use super::keys::{PROPERTIES, STREAMS};
use super::kind::Value;
use super::options::{
    AtlarOptions, Config, Credentials, DeleteOptions, EventOptions, HttpOptions, KafkaOptions,
    LogOptions, NarrowingOptions, RegistryOptions, RequestOptions, SecurityOptions, StoreOptions,
};
use super::resolution::Resolution;
use crate::failure::Failure;
use reqwest::Url;
use std::path::PathBuf;
use std::time::Duration;

/// Types a resolution without faults. An error means that table and structure disagree about the
/// type of a key, which a test would show.
pub(super) fn build(resolution: &Resolution) -> Result<Config, Failure> {
    let values = Values(resolution);
    Ok(Config {
        atlar: atlar(&values)?,
        external_payments_source: values
            .choice("externalPayments.source", ExternalPaymentsSource::from_name)?,
        narrowing: NarrowingOptions {
            payments_since: resolution.value("payments.since").map(Value::to_string),
            include: values.texts_if_set("accounts.include"),
            exclude: values.texts_if_set("accounts.exclude"),
        },
        deletes: DeleteOptions {
            enabled: values.boolean("deletes.enabled")?,
            listings: values.integer("deletes.listings")?,
            min_age: values.duration("deletes.minAge")?,
            max_count: values.integer("deletes.maxCount")?,
            max_share: values.share("deletes.maxShare")?,
        },
        kafka: kafka(&values)?,
        registry: RegistryOptions {
            urls: values.urls("registry.url")?,
            username: values.text_if_set("registry.username"),
            password: resolution.secret("registry.password").cloned(),
        },
        events: EventOptions { include_raw: values.boolean("events.includeRaw")? },
        store: StoreOptions {
            path: values.path_if_set("store.path").ok_or_else(|| mismatch("store.path"))?,
        },
        connector_file: values
            .path_if_set("connectorFile")
            .ok_or_else(|| mismatch("connectorFile"))?,
        http: HttpOptions {
            listen: match resolution.value("http.listen") {
                Some(Value::Address(address)) => *address,
                _ => return Err(mismatch("http.listen")),
            },
            admin_token: resolution.secret("http.adminToken").cloned(),
        },
        log: LogOptions {
            format: values.choice("log.format", LogFormat::from_name)?,
            level: values.choice("log.level", LogLevel::from_name)?,
        },
    })
}

fn atlar(values: &Values<'_>) -> Result<AtlarOptions, Failure> {
    let secret = |path: &str| values.0.secret(path).cloned();
    let credentials = secret("accessKey")
        .zip(secret("secret"))
        .map(|(access_key, secret)| Credentials { access_key, secret });
    let own_period =
        |stream: &&str| match values.0.value(&format!("streams.{stream}.pollingPeriod")) {
            Some(Value::Duration(period)) => Some(((*stream).to_owned(), *period)),
            _ => None,
        };
    Ok(AtlarOptions {
        credentials,
        base_url: match values.0.value("baseUrl") {
            Some(Value::Url(url)) => url.clone(),
            _ => return Err(mismatch("baseUrl")),
        },
        allow_plain_http: values.boolean("allowPlainHttp")?,
        page_size: values.integer("pageSize")?,
        polling_period: values.duration("pollingPeriod")?,
        polling_periods: STREAMS.iter().filter_map(own_period).collect(),
        auth: values.choice("auth", Auth::from_name)?,
        api_version: values.choice("apiVersion", ApiVersion::from_name)?,
        requests: RequestOptions {
            per_second: values.integer("requests.perSecond")?,
            max_in_flight: values.integer("requests.maxInFlight")?,
            timeout: values.duration("requests.timeout")?,
        },
    })
}

fn kafka(values: &Values<'_>) -> Result<KafkaOptions, Failure> {
    let properties = values.0.below(PROPERTIES);
    Ok(KafkaOptions {
        bootstrap_servers: match values.0.value("kafka.bootstrapServers") {
            Some(Value::Texts(servers)) => servers.join(","),
            _ => return Err(mismatch("kafka.bootstrapServers")),
        },
        topic_prefix: values.text("kafka.topicPrefix")?,
        group_id: values.text("kafka.groupId")?,
        partitions: values.integer("kafka.partitions")?,
        replication: match values.0.value("kafka.replication") {
            Some(_) => Some(values.integer("kafka.replication")?),
            None => None,
        },
        key_format: values.choice("kafka.keyFormat", KeyFormat::from_name)?,
        properties: properties.map(|(name, v)| (name.to_owned(), v.to_string())).collect(),
        security: SecurityOptions {
            protocol: values.choice("kafka.security.protocol", Protocol::from_name)?,
            mechanism: values
                .text_if_set("kafka.security.mechanism")
                .and_then(|word| Mechanism::from_name(&word)),
            username: values.text_if_set("kafka.security.username"),
            password: values.0.secret("kafka.security.password").cloned(),
            ca_file: values.path_if_set("kafka.security.caFile"),
            certificate_file: values.path_if_set("kafka.security.certificateFile"),
            key_file: values.path_if_set("kafka.security.keyFile"),
            key_password: values.0.secret("kafka.security.keyPassword").cloned(),
            verify_hostname: values.boolean("kafka.security.verifyHostname")?,
        },
    })
}

struct Values<'a>(&'a Resolution);

impl Values<'_> {
    fn text(&self, path: &str) -> Result<String, Failure> {
        self.text_if_set(path).ok_or_else(|| mismatch(path))
    }

    fn text_if_set(&self, path: &str) -> Option<String> {
        match self.0.value(path) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn texts_if_set(&self, path: &str) -> Vec<String> {
        match self.0.value(path) {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    fn path_if_set(&self, path: &str) -> Option<PathBuf> {
        match self.0.value(path) {
            Some(Value::Path(path)) => Some(path.clone()),
            _ => None,
        }
    }

    fn choice<C>(&self, path: &str, from_name: fn(&str) -> Option<C>) -> Result<C, Failure> {
        from_name(&self.text(path)?).ok_or_else(|| mismatch(path))
    }

    fn integer<N: TryFrom<i64>>(&self, path: &str) -> Result<N, Failure> {
        match self.0.value(path) {
            Some(Value::Integer(number)) => N::try_from(*number).map_err(|_| mismatch(path)),
            _ => Err(mismatch(path)),
        }
    }

    fn boolean(&self, path: &str) -> Result<bool, Failure> {
        match self.0.value(path) {
            Some(Value::Boolean(truth)) => Ok(*truth),
            _ => Err(mismatch(path)),
        }
    }

    fn share(&self, path: &str) -> Result<f64, Failure> {
        match self.0.value(path) {
            Some(Value::Share(share)) => Ok(*share),
            _ => Err(mismatch(path)),
        }
    }

    fn duration(&self, path: &str) -> Result<Duration, Failure> {
        match self.0.value(path) {
            Some(Value::Duration(duration)) => Ok(*duration),
            _ => Err(mismatch(path)),
        }
    }

    fn urls(&self, path: &str) -> Result<Vec<Url>, Failure> {
        match self.0.value(path) {
            Some(Value::Urls(urls)) => Ok(urls.clone()),
            _ => Err(mismatch(path)),
        }
    }
}

fn mismatch(path: &str) -> Failure {
    Failure::unexpected(format!("the key `{path}` has another type than its option"))
}
