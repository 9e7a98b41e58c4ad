//! Keys that are part of the contract but whose feature this version does not have. Setting one
//! to something else than its default is refused, since ignoring it would be a lie.

use super::keys::Key;
use super::kind::Value;

/// Something that this version cannot do.
struct NotYet {
    /// A key of the table, or its beginning with `*` at the end.
    path: &'static str,
    /// The values that are refused; empty = every value but the default.
    values: &'static [&'static str],
    /// What is missing.
    feature: &'static str,
}

const fn all(path: &'static str, feature: &'static str) -> NotYet {
    NotYet { path, values: &[], feature }
}

/// The one list. A feature that arrives takes its line away.
const NOT_YET: &[NotYet] = &[
    NotYet { path: "auth", values: &["oauth2"], feature: "OAuth2" },
    NotYet { path: "apiVersion", values: &["v2"], feature: "version 2 of Atlar's API" },
    NotYet {
        path: "externalPayments.source",
        values: &["expected-transactions", "direct-debits", "pending-transactions"],
        feature: "external payments from this list",
    },
    NotYet { path: "kafka.keyFormat", values: &["avro"], feature: "Avro keys" },
    NotYet { path: "kafka.security.mechanism", values: &["OAUTHBEARER"], feature: "OAUTHBEARER" },
    all("connectorFile", "installing a connector"),
    all("payments.since", "narrowing"),
    all("accounts.*", "narrowing"),
    all("sweep.*", "partial listings"),
    // `deletes.enabled = false` is what happens anyway as long as this version deletes nothing.
    all("deletes.listings", "deletes"),
    all("deletes.minAge", "deletes"),
    all("deletes.maxCount", "deletes"),
    all("deletes.maxShare", "deletes"),
    all("streams.<stream>.deletes.*", "deletes"),
    all("events.latestTopics", "compacted topics with the newest state"),
    all("events.allowNullBefore", "`before`"),
    all("webhook.*", "webhooks"),
    all("workspaces.*", "several workspaces"),
];

/// Why this value cannot be had, if it cannot.
pub(crate) fn refusal(key: &Key, path: &str, value: &Value) -> Option<String> {
    let text = value.to_string();
    if key.default == Some(text.as_str()) {
        return None;
    }
    let entry = NOT_YET.iter().find(|entry| match entry.path.strip_suffix('*') {
        Some(beginning) => key.path.starts_with(beginning),
        None => key.path == entry.path,
    })?;
    let version = env!("CARGO_PKG_VERSION");
    let feature = entry.feature;
    if entry.values.is_empty() {
        let shown = path.trim_end_matches(".*");
        return Some(format!("version {version} does not have {feature} yet; take `{shown}` out"));
    }
    let refused = entry.values.contains(&text.as_str());
    refused.then(|| {
        format!("\"{text}\" is not available: version {version} does not have {feature} yet")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Raw;
    use crate::config::keys::{self, KEYS};

    fn refused(path: &str, text: &str) -> bool {
        let key = keys::find(path).unwrap_or_else(|| panic!("no key {path}"));
        let value = key.kind.parse(&Raw::Loose(text.to_owned())).unwrap();
        refusal(key, path, &value).is_some()
    }

    #[test]
    fn every_line_names_a_key() {
        for entry in NOT_YET {
            let beginning = entry.path.trim_end_matches('*');
            assert!(KEYS.iter().any(|key| key.path.starts_with(beginning)), "{}", entry.path);
        }
    }

    #[test]
    fn refuses_what_would_be_ignored_and_nothing_else() {
        assert!(refused("auth", "oauth2") && !refused("auth", "basic"));
        assert!(refused("apiVersion", "v2") && !refused("apiVersion", "v1"));
        assert!(refused("deletes.listings", "4") && !refused("deletes.listings", "3"));
        assert!(!refused("deletes.enabled", "false") && !refused("deletes.enabled", "true"));
        assert!(refused("webhook.listen", "127.0.0.1:1") && refused("workspaces.*", "x"));
        assert!(refused("streams.payments.deletes.minAge", "1m"));
        assert!(!refused("streams.payments.pollingPeriod", "1m"));
        assert!(!refused("externalPayments.source", "off"));
    }
}
