//! Workspaces beside the one of the top-level keys: the tables `workspaces.<name>`, and connectors
//! that are installed while the process runs.
//!
//! Each is a resolution of its own, as if its keys stood at the top level: what it does not set is
//! as there, except the credentials. Prefix and store folder are derived from the name, so that two
//! never share them by accident; where two do on purpose, that is a fault.

use super::check;
use super::document::Raw;
use super::fault::{Fault, Place};
use super::keys::{Key, WORKSPACES};
use super::kind::{Kind, Value};
use super::layers::Setting;
use super::resolution::Resolution;
use std::path::{Component, Path, PathBuf};

/// The longest name of a workspace.
const NAME_MAX: usize = 40;

/// What no workspace takes from the top level.
const OWN: [&str; 6] = [
    "accessKey",
    "accessKeyFile",
    "secret",
    "secretFile",
    // Ids of another company's accounts would leave out everything.
    "accounts.include",
    "accounts.exclude",
];

/// Which of them make a workspace.
const CREDENTIALS: [&str; 4] = ["accessKey", "accessKeyFile", "secret", "secretFile"];

/// Keys that are for the whole process, as beginnings.
const OF_PROCESS: [&str; 5] = ["connectorFile", "http.", "webhook.", "log.", "workspaces."];

/// Of the keys of a workspace, those that an install call may not set: they say where events go,
/// which is for whoever runs the process to say.
const NOT_INSTALLED: [&str; 5] =
    ["kafka.bootstrapServers", "kafka.properties.", "kafka.security.", "registry.", "store."];

/// `workspaces.second.pageSize` is `second` and `pageSize`.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix(WORKSPACES)?.strip_prefix('.')?.split_once('.')
}

/// A path as it is called at the top level.
pub(crate) fn local(path: &str) -> &str {
    split(path).map_or(path, |(_, rest)| rest)
}

/// The name, where the path is that of a workspace's table.
pub(crate) fn named(path: &str) -> Option<&str> {
    let name = path.strip_prefix(WORKSPACES)?.strip_prefix('.')?;
    (!name.contains('.')).then_some(name)
}

/// Whether a key cannot be set for one workspace.
pub(crate) fn is_of_process(key: &Key) -> bool {
    OF_PROCESS.iter().any(|beginning| key.path.starts_with(beginning))
}

/// Whether an install call may set a key. Files of this machine are not for it to name: their
/// content would be sent to wherever it says.
pub(crate) fn is_installable(key: &Key) -> bool {
    let elsewhere = NOT_INSTALLED.iter().any(|beginning| key.path.starts_with(beginning));
    !is_of_process(key) && !elsewhere && !matches!(key.kind, Kind::File | Kind::SecretFile)
}

/// Whether a workspace may be called so: the name becomes a part of topics and folders.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=NAME_MAX).contains(&name.len())
        && name.chars().all(|c| plain(c) || c == '-')
        && name.starts_with(plain)
        && name.ends_with(plain)
}

/// What a name must be like.
pub(crate) fn name_rule() -> String {
    format!(
        "a name is 1 to {NAME_MAX} characters of [a-z0-9-] that begin and end with a letter \
             or digit"
    )
}

impl Resolution {
    /// A workspace that sets `own`, and has the rest from the top level. `place` is where its name
    /// was written; `above` is what its keys are called by in faults, with a dot at its end.
    pub(crate) fn derived(
        &self,
        name: Option<&str>,
        above: &str,
        place: &Place,
        own: Vec<Setting>,
    ) -> Resolution {
        let mut derived = Resolution { settings: self.settings.clone(), ..Resolution::default() };
        for path in OWN {
            derived.settings.remove(path);
        }
        if let Some(name) = name {
            derived.derive_prefix(name, above);
            derived.derive_store(name, above);
        }
        for setting in own {
            derived.settings.insert(local(&setting.path).to_owned(), setting);
        }
        let prefix = derived.setting("kafka.topicPrefix").map(|setting| setting.value.to_string());
        let fits = Kind::Prefix.parse(&Raw::Text(prefix.unwrap_or_default())).is_ok();
        if !fits && name.is_none_or(is_name) {
            let fault = Fault::new(place, "with this name the beginning of topics is too long");
            derived.faults.push(fault.advise(format!("set `{above}kafka.topicPrefix`")));
        }
        derived.read_secrets();
        let together = check::together(&derived);
        derived.faults.extend(together);
        derived
    }

    fn derive_prefix(&mut self, name: &str, above: &str) {
        let key = "kafka.topicPrefix";
        if let Some(Value::Text(prefix)) = self.value(key) {
            let value = Value::Text(format!("{prefix}.{name}"));
            self.set_derived(key, above, value);
        }
    }

    /// Inside the top level's folder, which is what is kept where folders are lost by default.
    fn derive_store(&mut self, name: &str, above: &str) {
        let key = "store.path";
        if let Some(Value::Path(path)) = self.value(key) {
            let value = Value::Path(path.join(WORKSPACES).join(name));
            self.set_derived(key, above, value);
        }
    }

    fn set_derived(&mut self, key: &str, above: &str, value: Value) {
        let setting = Setting { path: format!("{above}{key}"), value, place: Place::Default };
        self.settings.insert(key.to_owned(), setting);
    }

    /// Whether the top-level keys are a workspace: they have credentials, or nobody else has any.
    pub(crate) fn is_workspace(&self) -> bool {
        self.workspaces.is_empty() || CREDENTIALS.iter().any(|path| self.setting(path).is_some())
    }

    /// Faults of workspaces that share what must be their own.
    pub(super) fn shared(&self) -> Vec<Fault> {
        let top = Some(("the top-level keys".to_owned(), self)).filter(|_| self.is_workspace());
        let named = self.workspaces.iter().map(|(name, own)| (format!("workspace `{name}`"), own));
        let all: Vec<(String, &Resolution)> = top.into_iter().chain(named).collect();
        let mut faults = Vec::new();
        for (at, one) in all.iter().enumerate() {
            for (key, what) in [("kafka.topicPrefix", "topics"), ("store.path", "store folder")] {
                let same = |other: &&(String, &Resolution)| same(other.1, one.1, key);
                if let Some(other) = all.iter().take(at).find(same) {
                    faults.extend(shared_by(other, one, key, what));
                }
            }
        }
        faults
    }
}

/// Blames the one that was written.
fn shared_by(
    earlier: &(String, &Resolution),
    later: &(String, &Resolution),
    key: &str,
    what: &str,
) -> Option<Fault> {
    let written = |of: &(String, &Resolution)| Some(of.1.setting(key)?.place.layer() > 0);
    let (blamed, other) = match written(later) {
        Some(true) => (later, earlier),
        _ => (earlier, later),
    };
    let setting = blamed.1.setting(key)?;
    let message = format!("the {what} of {}: each workspace needs its own", other.0);
    Some(Fault::of_value(&setting.place, &setting.path, message))
}

fn same(one: &Resolution, other: &Resolution, key: &str) -> bool {
    match (one.value(key), other.value(key)) {
        (Some(Value::Path(one)), Some(Value::Path(other))) => plain(one) == plain(other),
        (Some(one), Some(other)) => one.to_string() == other.to_string(),
        _ => false,
    }
}

/// Without the parts of a path that lead nowhere.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn paths_are_split_and_named() {
        assert_eq!(split("workspaces.b.kafka.groupId"), Some(("b", "kafka.groupId")));
        assert_eq!((split("workspaces.b"), split("kafka.groupId")), (None, None));
        assert_eq!((named("workspaces.b"), named("workspaces.b.c")), (Some("b"), None));
        assert_eq!(local("pageSize"), "pageSize");
    }

    #[test]
    fn names_become_parts_of_topics() {
        for name in ["a", "b-2", "0"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "A", "a_b", "a.b", "-a", "a-", "ä", &"a".repeat(41)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn what_an_install_call_may_set() {
        let may = |path: &str| is_installable(keys::find(path).unwrap());
        for path in ["accessKey", "secret", "pageSize", "kafka.topicPrefix", "kafka.partitions"] {
            assert!(may(path), "{path}");
        }
        for path in [
            "secretFile",
            "kafka.bootstrapServers",
            "kafka.properties.linger.ms",
            "kafka.security.caFile",
            "registry.url",
            "store.path",
            "http.listen",
            "connectorFile",
        ] {
            assert!(!may(path), "{path}");
        }
    }
}
