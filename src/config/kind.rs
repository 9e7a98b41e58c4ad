//! What a key can hold: reads a value as it was written, and says in one line what was expected.

use super::document::Raw;
use crate::secret::Secret;
use jiff::SignedDuration;
use reqwest::Url;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// A list of texts.
    Texts,
    /// A text that is never shown.
    Secret,
    /// A list of texts that are never shown.
    Secrets,
    /// The path of a file that holds a secret.
    SecretFile,
    /// A path.
    File,
    /// An http or https address without user, query and fragment.
    Url,
    /// One or more of them.
    Urls,
    /// One or more `host:port`.
    Servers,
    /// A whole number within bounds, both included.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number from 0 to 1.
    Share,
    /// true or false.
    Boolean,
    /// A duration within bounds in seconds, both included.
    Duration {
        /// The shortest.
        min: u64,
        /// The longest.
        max: u64,
    },
    /// A calendar date.
    Date,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// The beginning of topic names.
    Prefix,
    /// An IP address and port to listen on.
    Address,
    /// A property for librdkafka: text, number or boolean.
    Property,
    /// Not looked at yet.
    Opaque,
}

/// A value that fits its key.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text, word, prefix or property.
    Text(String),
    /// List of texts or servers.
    Texts(Vec<String>),
    /// Secret.
    Secret(Secret),
    /// Path.
    Path(PathBuf),
    /// Address.
    Url(Url),
    /// Addresses.
    Urls(Vec<Url>),
    /// Whole number.
    Integer(i64),
    /// Number from 0 to 1.
    Share(f64),
    /// Truth value.
    Boolean(bool),
    /// Duration.
    Duration(Duration),
    /// Date.
    Date(jiff::civil::Date),
    /// Address to listen on.
    Address(SocketAddr),
    /// Something that nobody looks at yet.
    Opaque,
}

/// Why a value does not fit, and what would.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// What was expected and what was found.
    pub message: String,
    /// What to write instead, where that can be said.
    pub advice: Option<String>,
}

impl Kind {
    /// Reads a value. Texts from environment and flags are read leniently, since they have no
    /// other type; a file must use the type that the key has.
    pub(crate) fn parse(&self, raw: &Raw) -> Result<Value, Problem> {
        self.read(raw).ok_or_else(|| self.problem(raw))
    }

    fn read(&self, raw: &Raw) -> Option<Value> {
        let value = match *self {
            Kind::Text => Value::Text(nonempty(raw.text()?)?.to_owned()),
            Kind::Prefix => Value::Text(prefix(raw.text()?)?.to_owned()),
            Kind::Choice(words) => Value::Text((*words.iter().find(|w| raw.is(w))?).to_owned()),
            Kind::Secret => Value::Secret(Secret::new(nonempty(raw.text()?)?)),
            // Checked but not kept: no feature takes them yet.
            Kind::Secrets => raw.texts().map(|_| Value::Opaque)?,
            Kind::SecretFile | Kind::File => Value::Path(nonempty(raw.text()?)?.into()),
            Kind::Url => Value::Url(url(raw.text()?)?),
            Kind::Urls => Value::Urls(raw.texts()?.iter().map(|t| url(t)).collect::<Option<_>>()?),
            Kind::Servers => {
                let servers = raw.texts()?;
                servers.iter().all(|server| is_server(server)).then_some(Value::Texts(servers))?
            }
            Kind::Texts => Value::Texts(raw.texts()?),
            Kind::Integer { min, max } => {
                Value::Integer(raw.integer().filter(|n| (min..=max).contains(n))?)
            }
            Kind::Share => Value::Share(raw.number().filter(|n| (0.0..=1.0).contains(n))?),
            Kind::Boolean => Value::Boolean(raw.boolean()?),
            Kind::Duration { min, max } => {
                let bounds = Duration::from_secs(min)..=Duration::from_secs(max);
                Value::Duration(duration(raw.text()?).filter(|d| bounds.contains(d))?)
            }
            Kind::Date => Value::Date(raw.date()?.parse().ok()?),
            Kind::Address => Value::Address(address(raw.text()?)?),
            Kind::Property => Value::Text(raw.property()?),
            Kind::Opaque => Value::Opaque,
        };
        Some(value)
    }

    fn problem(&self, raw: &Raw) -> Problem {
        // A secret of the wrong type is still a secret, and so is the user in an address.
        let hidden = match self {
            Kind::Secret | Kind::Secrets => true,
            Kind::Url | Kind::Urls => raw.texts().iter().flatten().any(|text| text.contains('@')),
            _ => false,
        };
        let got = if hidden { raw.type_name().to_owned() } else { raw.describe() };
        let message = format!("expected {self}, got {got}");
        Problem { message, advice: self.advice(raw, hidden) }
    }

    fn advice(&self, raw: &Raw, hidden: bool) -> Option<String> {
        match (self, raw) {
            (Kind::Integer { .. } | Kind::Share | Kind::Boolean, Raw::Text(text))
                if self.read(&Raw::Loose(text.clone())).is_some() =>
            {
                Some(format!("write {text} without quotes"))
            }
            (Kind::Duration { .. }, Raw::Integer(number)) => {
                Some(format!("write the unit: \"{number}s\" or \"{number}m\""))
            }
            (Kind::Duration { .. }, Raw::Loose(text)) if text.parse::<u64>().is_ok() => {
                Some(format!("write the unit: {text}s or {text}m"))
            }
            (Kind::Choice(words), Raw::Text(text) | Raw::Loose(text)) => {
                super::nearest::nearest(text, words.iter().copied())
                    .map(|word| format!("did you mean `{word}`?"))
            }
            (Kind::Url | Kind::Urls, _) if hidden => {
                Some("user and password have keys of their own".to_owned())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text | Kind::Secret => f.write_str("a text"),
            Kind::Texts | Kind::Secrets => f.write_str("a list of texts"),
            Kind::SecretFile | Kind::File => f.write_str("a path"),
            Kind::Url => f.write_str("an address like \"https://host\""),
            Kind::Urls => f.write_str("one or more addresses like \"http://host:8081\""),
            Kind::Servers => f.write_str("one or more \"host:port\""),
            Kind::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::Share => f.write_str("a number from 0 to 1"),
            Kind::Boolean => f.write_str("true or false"),
            Kind::Duration { min: 0, .. } => f.write_str("a duration like \"30s\" or \"2h 15m\""),
            Kind::Duration { min, max } => {
                let (min, max) = (spelled(Duration::from_secs(*min)), long(*max));
                write!(f, "a duration like \"30s\" or \"2h 15m\", from {min} to {max}")
            }
            Kind::Date => f.write_str("a date like \"2026-01-31\""),
            Kind::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Kind::Prefix => f.write_str(
                "up to 200 characters of [a-z0-9.-] that begin and end with a letter or digit",
            ),
            Kind::Address => f.write_str("an IP address and port like \"127.0.0.1:8080\""),
            Kind::Property => f.write_str("a text, number or boolean"),
            Kind::Opaque => f.write_str("anything"),
        }
    }
}

impl fmt::Display for Value {
    /// As it would be written in the environment; secrets are `***`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Texts(texts) => f.write_str(&texts.join(",")),
            Value::Secret(_) | Value::Opaque => f.write_str("***"),
            Value::Path(path) => write!(f, "{}", path.display()),
            Value::Url(url) => f.write_str(url_text(url)),
            Value::Urls(urls) => {
                f.write_str(&urls.iter().map(url_text).collect::<Vec<_>>().join(","))
            }
            Value::Integer(number) => write!(f, "{number}"),
            Value::Share(number) => write!(f, "{number}"),
            Value::Boolean(truth) => write!(f, "{truth}"),
            Value::Duration(duration) => f.write_str(&spelled(*duration)),
            Value::Date(date) => write!(f, "{date}"),
            Value::Address(address) => write!(f, "{address}"),
        }
    }
}

/// A duration as the configuration spells it: `2h 15m`.
pub fn spelled(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(|_| "forever".to_owned(), |d| format!("{d:#}"))
}

/// Reads `30s`, `2h 15m`, also ISO 8601 (`PT30S`); nothing negative.
pub fn duration(text: &str) -> Option<Duration> {
    text.trim().parse::<SignedDuration>().ok()?.try_into().ok()
}

/// Reads an address to listen on; `localhost` is 127.0.0.1.
pub fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

/// The host of an http or https address.
pub fn host(text: &str) -> Option<String> {
    url(text)?.host_str().map(str::to_owned)
}

fn long(seconds: u64) -> String {
    let days = seconds / 86_400;
    if days > 0 { format!("{days} days") } else { spelled(Duration::from_secs(seconds)) }
}

fn nonempty(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

/// The longest topic is `<prefix>.external-payment.latest`; Kafka allows 249 characters.
fn prefix(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=200).contains(&text.len())
        && text.chars().all(|c| plain(c) || c == '.' || c == '-')
        && text.starts_with(plain)
        && text.ends_with(plain);
    fits.then_some(text)
}

fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

/// Without the slash that the crate adds to an address without path.
fn url_text(url: &Url) -> &str {
    url.as_str().strip_suffix('/').unwrap_or(url.as_str())
}

fn is_server(text: &str) -> bool {
    // A listener's name may precede it, as in `SSL://host:9093`.
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    authority.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c == '/')
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
