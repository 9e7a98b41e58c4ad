//! The table of keys: the one place that says which keys exist, what they hold, what they are when
//! nobody sets them, and what they do. Parsing, validation, environment names, `config print`,
//! `config.default.toml` and the documentation are driven by it.

use super::choice::{
    ApiVersion, Auth, ExternalPaymentsSource, KeyFormat, LogFormat, LogLevel, Mechanism, Protocol,
};
use super::kind::Kind;

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Path with dots between levels; `<stream>` stands for the name of a stream, a final `*` for
    /// any name.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its value when nobody sets it, spelled as in the environment; `None` = not set.
    pub default: Option<&'static str>,
    /// What it does, with its unit and what "not set" means.
    pub doc: &'static str,
}

impl Key {
    /// True for a key whose value is never shown and never taken from the command line.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Secrets)
    }
}

/// The streams that have keys of their own under `streams.<stream>`.
pub const STREAMS: &[&str] =
    &["accounts", "payments", "counterparties", "external-payments", "balances", "third-parties"];

/// Stands for the name of a stream in a path of the table.
pub const STREAM: &str = "<stream>";

/// Where the properties for librdkafka live; their names have dots of their own.
pub const PROPERTIES: &str = "kafka.properties";

/// Where the tables of further workspaces live.
pub const WORKSPACES: &str = "workspaces";

const fn key(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { path, kind, default: Some(default), doc }
}

const fn unset(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { path, kind, default: None, doc }
}

const fn whole(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

const SECOND: u64 = 1;
const HOUR: u64 = 3600;
const YEAR: u64 = 366 * 24 * HOUR;

const fn seconds(min: u64, max: u64) -> Kind {
    Kind::Duration { min, max }
}

/// Every key there is, in the order of the documentation: keys without a table first.
pub const KEYS: &[Key] = &[
    unset("accessKey", Kind::Secret, "The access key of Atlar's API key. Required to read Atlar."),
    unset(
        "accessKeyFile",
        Kind::SecretFile,
        "A file with the access key, re-read when it changes.",
    ),
    unset("secret", Kind::Secret, "The secret of Atlar's API key. Required to read Atlar."),
    unset("secretFile", Kind::SecretFile, "A file with the secret, re-read when it changes."),
    key(
        "baseUrl",
        Kind::Url,
        "https://api.atlar.com",
        "Address of Atlar's API. Plain http only to loopback, unless `allowPlainHttp`.",
    ),
    key(
        "allowPlainHttp",
        Kind::Boolean,
        "false",
        "Lets `baseUrl` be plain http to any host: everybody on the way can read the bank data.",
    ),
    key("pageSize", whole(1, 500), "25", "Records asked for per page, 1 to 500."),
    key(
        "pollingPeriod",
        seconds(SECOND, YEAR),
        "30m",
        "Time between two listings of a stream, at least 1s; jittered by 10 % either way.",
    ),
    key(
        "auth",
        Kind::Choice(Auth::NAMES),
        "auto",
        "How requests are authenticated: hmac, basic, oauth2, or auto: hmac, and basic if that is \
         refused (https or loopback only).",
    ),
    key(
        "apiVersion",
        Kind::Choice(ApiVersion::NAMES),
        "auto",
        "Generation of Atlar's API: v1, v2, or auto.",
    ),
    key(
        "connectorFile",
        Kind::File,
        "./connector.json",
        "Where the configurations of installed connectors are kept, with their secrets.",
    ),
    key(
        "externalPayments.source",
        Kind::Choice(ExternalPaymentsSource::NAMES),
        "auto",
        "The list that external payments come from: external-payments, expected-transactions, \
         direct-debits, pending-transactions, off, or auto: the first of external-payments and \
         expected-transactions that is served, else off.",
    ),
    unset("payments.since", Kind::Date, "Leaves out payments booked before this date."),
    unset("accounts.include", Kind::Texts, "Ids of the only accounts to read; not set: all."),
    unset("accounts.exclude", Kind::Texts, "Ids of accounts to leave out."),
    key("requests.perSecond", whole(1, 1000), "20", "Requests per second to Atlar, 1 to 1000."),
    key("requests.maxInFlight", whole(1, 100), "4", "Requests to Atlar at a time, 1 to 100."),
    key(
        "requests.timeout",
        seconds(SECOND, HOUR),
        "30s",
        "Time for one request to Atlar, from sending it to the last byte of the answer.",
    ),
    unset(
        "sweep.lookback",
        seconds(SECOND, YEAR),
        "Transactions of v1: stop at the first page that is unchanged and older than this; not \
         set: each cycle reads everything.",
    ),
    unset(
        "sweep.fullEvery",
        seconds(SECOND, YEAR),
        "With `sweep.lookback`: time between two complete listings.",
    ),
    key("deletes.enabled", Kind::Boolean, "true", "Publishes deletes of records gone from Atlar."),
    key(
        "deletes.listings",
        whole(1, 1000),
        "3",
        "Complete listings in a row that must lack a record before it can be deleted.",
    ),
    key(
        "deletes.minAge",
        seconds(0, YEAR),
        "15m",
        "Time that a record must be absent before it can be deleted.",
    ),
    key(
        "deletes.maxCount",
        whole(0, 1_000_000),
        "50",
        "Deletes at once above which they are held for an operator.",
    ),
    key(
        "deletes.maxShare",
        Kind::Share,
        "0.01",
        "Share of a stream's records, 0 to 1, above which deletes are held; the larger of this \
         and `deletes.maxCount` counts.",
    ),
    key(
        "kafka.bootstrapServers",
        Kind::Servers,
        "localhost:9092",
        "Kafka brokers to ask first, host:port, with commas between them.",
    ),
    key(
        "kafka.topicPrefix",
        Kind::Prefix,
        "atlar",
        "What the names of all topics begin with, [a-z0-9.-]; one prefix per workspace.",
    ),
    key(
        "kafka.groupId",
        Kind::Text,
        "atlar-ingestor",
        "Consumer group shared by all instances of a deployment.",
    ),
    key(
        "kafka.partitions",
        whole(1, 1000),
        "6",
        "Partitions of each event topic, 1 to 1000; fixed once the topics exist.",
    ),
    unset(
        "kafka.replication",
        whole(1, 16),
        "Replicas of each topic, 1 to 16; not set: 3, or the number of brokers if that is less.",
    ),
    key(
        "kafka.keyFormat",
        Kind::Choice(KeyFormat::NAMES),
        "string",
        "Keys of events: string, or avro: a record `Key{id}` for tools that want one.",
    ),
    unset(
        "kafka.properties.*",
        Kind::Property,
        "Passed to librdkafka as it is, for example \"statistics.interval.ms\"; properties that \
         the protocol depends on are refused.",
    ),
    key(
        "kafka.security.protocol",
        Kind::Choice(Protocol::NAMES),
        "plaintext",
        "plaintext, ssl, sasl_plaintext or sasl_ssl.",
    ),
    unset(
        "kafka.security.mechanism",
        Kind::Choice(Mechanism::NAMES),
        "SASL mechanism: SCRAM-SHA-256, SCRAM-SHA-512, PLAIN or OAUTHBEARER.",
    ),
    unset("kafka.security.username", Kind::Text, "SASL user."),
    unset("kafka.security.password", Kind::Secret, "SASL password."),
    unset(
        "kafka.security.passwordFile",
        Kind::SecretFile,
        "A file with the SASL password, re-read when it changes.",
    ),
    unset(
        "kafka.security.caFile",
        Kind::File,
        "Certificates that sign the brokers' (PEM); not set: those of the system.",
    ),
    unset(
        "kafka.security.certificateFile",
        Kind::File,
        "Our own certificate for mutual TLS (PEM).",
    ),
    unset("kafka.security.keyFile", Kind::File, "The private key of our certificate (PEM)."),
    unset("kafka.security.keyPassword", Kind::Secret, "Password of the private key."),
    unset(
        "kafka.security.keyPasswordFile",
        Kind::SecretFile,
        "A file with the password of the private key, re-read when it changes.",
    ),
    key(
        "kafka.security.verifyHostname",
        Kind::Boolean,
        "true",
        "Checks that the brokers' certificates carry the names they are reached by.",
    ),
    key(
        "registry.url",
        Kind::Urls,
        "http://localhost:8081",
        "Schema registry with Confluent's API; a path is allowed; several with commas between \
         them are tried in turn.",
    ),
    unset("registry.username", Kind::Text, "User for the schema registry."),
    unset("registry.password", Kind::Secret, "Password for the schema registry."),
    unset(
        "registry.passwordFile",
        Kind::SecretFile,
        "A file with the registry's password, re-read when it changes.",
    ),
    key(
        "events.includeRaw",
        Kind::Boolean,
        "true",
        "Puts each record's JSON as received into the field `raw`.",
    ),
    key(
        "events.latestTopics",
        Kind::Boolean,
        "false",
        "Also writes compacted topics `<prefix>.<entity>.latest` with the newest state.",
    ),
    key(
        "events.allowNullBefore",
        Kind::Boolean,
        "false",
        "Lets an update be published without `before` when the event it replaces is gone.",
    ),
    key(
        "store.path",
        Kind::File,
        "./data",
        "Folder of the local store; a cache that may be deleted at any time.",
    ),
    key(
        "http.listen",
        Kind::Address,
        "127.0.0.1:8080",
        "Address of status page, metrics and API; beyond loopback only with `http.adminToken`.",
    ),
    unset(
        "http.adminToken",
        Kind::Secret,
        "Token that everything but /livez and /readyz asks for.",
    ),
    unset(
        "http.adminTokenFile",
        Kind::SecretFile,
        "A file with the admin token, re-read when it changes.",
    ),
    unset("webhook.listen", Kind::Address, "Address of the webhook receiver; not set: none."),
    unset("webhook.signingKeys", Kind::Secrets, "Keys that sign Atlar's webhooks."),
    unset(
        "webhook.signingKeysFile",
        Kind::SecretFile,
        "A file with the signing keys, one a line, re-read when it changes.",
    ),
    key(
        "log.format",
        Kind::Choice(LogFormat::NAMES),
        "auto",
        "text, json, or auto: text on a terminal, else json.",
    ),
    key("log.level", Kind::Choice(LogLevel::NAMES), "info", "error, warn, info, debug or trace."),
    unset(
        "streams.<stream>.pollingPeriod",
        seconds(SECOND, YEAR),
        "`pollingPeriod` of one stream.",
    ),
    unset("streams.<stream>.deletes.enabled", Kind::Boolean, "`deletes.enabled` of one stream."),
    unset("streams.<stream>.deletes.listings", whole(1, 1000), "`deletes.listings` of one stream."),
    unset("streams.<stream>.deletes.minAge", seconds(0, YEAR), "`deletes.minAge` of one stream."),
    unset(
        "streams.<stream>.deletes.maxCount",
        whole(0, 1_000_000),
        "`deletes.maxCount` of one stream.",
    ),
    unset("streams.<stream>.deletes.maxShare", Kind::Share, "`deletes.maxShare` of one stream."),
    unset(
        "workspaces.*",
        Kind::Opaque,
        "Further workspaces in the same process: a table by name with the keys above, but for \
         `connectorFile`, `http`, `webhook` and `log`. What it does not set is as at the top level, \
         except the credentials; `kafka.topicPrefix` is `<prefix>.<name>` unless it is set, and \
         `store.path` is `<path>/workspaces/<name>`.",
    ),
];

/// The key that a path names, at the top level or in the table of a workspace.
pub fn find(path: &str) -> Option<&'static Key> {
    let path = super::workspaces::local(path);
    KEYS.iter().find(|key| matches(key.path, path))
}

/// True when keys lie below this path, so that a table belongs there.
pub fn is_table(path: &str) -> bool {
    let below = format!("{path}.");
    concrete_paths().any(|concrete| concrete.starts_with(&below))
}

/// Every path with the names of streams filled in; paths that end in `*` stay as they are.
pub fn concrete_paths() -> impl Iterator<Item = String> {
    KEYS.iter().flat_map(|key| {
        let names: &[&str] = if key.path.contains(STREAM) { STREAMS } else { &[""] };
        names.iter().map(|name| key.path.replace(STREAM, name))
    })
}

fn matches(pattern: &str, path: &str) -> bool {
    if let Some(table) = pattern.strip_suffix(".*") {
        let rest = path.strip_prefix(table).and_then(|rest| rest.strip_prefix('.'));
        return rest.is_some_and(|name| !name.is_empty());
    }
    match pattern.split_once(STREAM) {
        None => pattern == path,
        Some((before, after)) => path
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|name| STREAMS.contains(&name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Raw;

    #[test]
    fn paths_are_distinct_and_keys_precede_tables_of_their_level() {
        let mut seen = std::collections::BTreeSet::new();
        let mut tables_began = false;
        for key in KEYS {
            assert!(seen.insert(key.path), "{} twice", key.path);
            tables_began |= key.path.contains('.');
            assert_eq!(key.path.contains('.'), tables_began, "{} after tables", key.path);
            assert!(key.doc.ends_with('.'), "{}: {}", key.path, key.doc);
        }
    }

    #[test]
    fn defaults_are_valid_and_spelled_canonically() {
        for key in KEYS {
            let Some(text) = key.default else { continue };
            let value = key.kind.parse(&Raw::Loose(text.to_owned()));
            let value = value.unwrap_or_else(|problem| panic!("{}: {problem:?}", key.path));
            assert_eq!(value.to_string(), text, "{}", key.path);
        }
    }

    #[test]
    fn every_secret_has_a_file() {
        for key in KEYS.iter().filter(|key| key.is_secret()) {
            let twin = find(&format!("{}File", key.path));
            assert!(twin.is_some_and(|twin| twin.kind == Kind::SecretFile), "{}", key.path);
        }
    }

    #[test]
    fn finds_patterns() {
        let check = |path: &str, found: Option<&str>| {
            assert_eq!(find(path).map(|key| key.path), found, "{path}");
        };
        check("pageSize", Some("pageSize"));
        check("streams.payments.pollingPeriod", Some("streams.<stream>.pollingPeriod"));
        check("streams.nothing.pollingPeriod", None);
        check("kafka.properties.linger.ms", Some("kafka.properties.*"));
        check("kafka.properties.", None);
        check("kafka.properties", None);
        check("workspaces.b.secret", Some("secret"));
        check("workspaces.b.kafka.properties.linger.ms", Some("kafka.properties.*"));
        check("workspaces.b", Some("workspaces.*"));
        assert!(is_table("streams.payments") && is_table("kafka.properties"));
        assert!(!is_table("streams.nothing") && !is_table("pageSize"));
    }
}
