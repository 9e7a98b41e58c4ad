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
    /// What this version cannot do, as a verb.
    feature: &'static str,
}

const fn all(path: &'static str, feature: &'static str) -> NotYet {
    NotYet { path, values: &[], feature }
}

/// The one list. A feature that arrives takes its line away.
const NOT_YET: &[NotYet] = &[
    NotYet { path: "kafka.keyFormat", values: &["avro"], feature: "write Avro keys" },
    NotYet {
        path: "kafka.security.mechanism",
        values: &["OAUTHBEARER"],
        feature: "authenticate by tokens",
    },
    all("sweep.*", "stop a listing early"),
    // `deletes.enabled = false` is what happens anyway as long as this version deletes nothing.
    all("deletes.listings", "publish deletes"),
    all("deletes.minAge", "publish deletes"),
    all("deletes.maxCount", "publish deletes"),
    all("deletes.maxShare", "publish deletes"),
    all("streams.<stream>.deletes.*", "publish deletes"),
    all("events.latestTopics", "write compacted topics"),
    all("events.allowNullBefore", "publish `before`"),
    all("webhook.*", "receive webhooks"),
];

fn entry_of(key: &Key) -> Option<&'static NotYet> {
    NOT_YET.iter().find(|entry| match entry.path.strip_suffix('*') {
        Some(beginning) => key.path.starts_with(beginning),
        None => key.path == entry.path,
    })
}

/// What the documentation of a key says about it.
pub(crate) fn note(key: &Key) -> Option<String> {
    let entry = entry_of(key)?;
    Some(match entry.values {
        [] => "Not available yet: only the default is accepted.".to_owned(),
        values => format!("Not available yet: {}.", values.join(", ")),
    })
}

/// Why this value cannot be had, if it cannot.
pub(crate) fn refusal(key: &Key, value: &Value) -> Option<String> {
    let text = value.to_string();
    if key.default == Some(text.as_str()) {
        return None;
    }
    let entry = entry_of(key)?;
    let refused = entry.values.is_empty() || entry.values.contains(&text.as_str());
    refused.then(|| format!("this version cannot {} yet", entry.feature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Raw;
    use crate::config::keys::{self, KEYS};

    fn refused(path: &str, text: &str) -> bool {
        let key = keys::find(path).unwrap_or_else(|| panic!("no key {path}"));
        let value = key.kind.parse(&Raw::Loose(text.to_owned())).unwrap();
        refusal(key, &value).is_some()
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
        assert!(!refused("auth", "oauth2") && !refused("auth", "basic"));
        assert!(!refused("apiVersion", "v2") && !refused("apiVersion", "v1"));
        assert!(refused("deletes.listings", "4") && !refused("deletes.listings", "3"));
        assert!(!refused("deletes.enabled", "false") && !refused("deletes.enabled", "true"));
        assert!(refused("webhook.listen", "127.0.0.1:1"));
        assert!(refused("workspaces.b.webhook.listen", "127.0.0.1:1"));
        assert!(refused("streams.payments.deletes.minAge", "1m"));
        assert!(!refused("streams.payments.pollingPeriod", "1m"));
        assert!(!refused("externalPayments.source", "off"));
    }
}
