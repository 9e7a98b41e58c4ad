//! All layers merged: one value per key, with where it came from, and every fault.

use super::document::{self, Format, Raw};
use super::environment;
use super::fault::{Fault, Place};
use super::keys::{self, Key, WORKSPACES};
use super::kind::Value;
use super::layers::{Found, Setting, masked};
use super::secret_source::{self, SecretSource};
use super::source::{Source, mask_unparsed};
use super::{Needs, Sources, check, workspaces};
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The merged configuration, typed by key but not yet by structure.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    pub(super) settings: BTreeMap<String, Setting>,
    pub(super) secrets: BTreeMap<String, SecretSource>,
    pub(super) faults: Vec<Fault>,
    /// The tables of workspaces, each as if it were the top level.
    pub(super) workspaces: BTreeMap<String, Resolution>,
}

/// One line of `config print`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The key.
    pub key: String,
    /// Its value as it would be written in the environment, `***` for a secret, nothing if unset.
    pub value: Option<String>,
    /// `default`, file and line, variable, or flag.
    pub origin: String,
}

impl Resolution {
    /// Reads and merges all layers and checks what they say together.
    pub fn of(sources: &Sources, needs: Needs) -> Resolution {
        let mut found = Found::default();
        let file = sources.file.as_deref().and_then(|path| read_file(path, &mut found));
        found.read_environment(&sources.environment);
        found.read_overrides(&sources.overrides);

        let mut settings = defaults();
        let mut own: BTreeMap<String, Vec<Setting>> = BTreeMap::new();
        for setting in found.settings {
            match workspaces::split(&setting.path) {
                Some((name, _)) => own.entry(name.to_owned()).or_default().push(setting),
                None => drop(settings.insert(setting.path.clone(), setting)),
            }
        }
        let mut resolution = Resolution { settings, faults: found.faults, ..Resolution::default() };
        resolution.read_secrets();
        let faults = check::together(&resolution);
        resolution.faults.extend(faults);
        let unreadable = sources.file.is_some() && file.is_none();
        let mentioned = |path: &str| found.mentioned.contains(path);
        for (name, place) in &found.workspaces {
            let above = format!("{WORKSPACES}.{name}.");
            if needs != Needs::Nothing {
                resolution.faults.extend(check::missing_credentials(mentioned, &above, place));
            }
            let own = own.remove(name).unwrap_or_default();
            let derived = resolution.derived(Some(name), &above, place, own);
            resolution.add(name, derived);
        }
        if !unreadable && resolution.needs_credentials(needs, mentioned) {
            let place = file.map_or(Place::Default, Place::Whole);
            resolution.faults.extend(check::missing_credentials(mentioned, "", &place));
        }
        let faults = resolution.shared();
        resolution.faults.extend(faults);
        resolution.faults.sort_by_key(Fault::order);
        resolution
    }

    /// Adds a workspace, and its faults that are not those of the top level.
    fn add(&mut self, name: &str, mut derived: Resolution) {
        let known: Vec<String> = self.faults.iter().map(Fault::to_string).collect();
        let faults = std::mem::take(&mut derived.faults).into_iter();
        self.faults.extend(faults.filter(|fault| !known.contains(&fault.to_string())));
        self.workspaces.insert(name.to_owned(), derived);
    }

    /// Whether credentials are missed at the top level: half a pair always is.
    fn needs_credentials(&self, needs: Needs, mentioned: impl Fn(&str) -> bool) -> bool {
        let any = ["accessKey", "accessKeyFile", "secret", "secretFile"].into_iter().any(mentioned);
        let others = || !self.workspaces.is_empty() || self.has_connectors();
        match needs {
            Needs::Nothing => false,
            Needs::Install => any,
            Needs::Credentials => any || !others(),
        }
    }

    /// Whether connectors were installed, as far as one can see without reading the file.
    fn has_connectors(&self) -> bool {
        matches!(self.value("connectorFile"), Some(Value::Path(path)) if path.exists())
    }

    /// All faults as one failure, or nothing.
    pub fn failure(&self) -> Option<Failure> {
        let count = self.faults.len();
        let what = match count {
            0 => return None,
            1 => "the configuration has 1 fault".to_owned(),
            _ => format!("the configuration has {count} faults"),
        };
        let hint = "`config.default.toml` describes every key, `atlar-ingestor config print` shows \
                    what is in force";
        let details = self.faults.iter().map(Fault::to_string).collect();
        Some(Failure::configuration(what, hint).with_details(details))
    }

    /// Every key with what is in force, in the order of the table, then what workspaces set for
    /// themselves.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = self.own_lines();
        for workspace in self.workspaces.values() {
            let own = |line: &Line| workspaces::split(&line.key).is_some();
            lines.extend(workspace.own_lines().into_iter().filter(own));
        }
        lines
    }

    fn own_lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for path in keys::concrete_paths() {
            match path.strip_suffix('*') {
                Some(beginning) => lines.extend(
                    self.settings
                        .range(beginning.to_owned()..)
                        .take_while(|(path, _)| path.starts_with(beginning))
                        .map(|(_, setting)| line(setting)),
                ),
                None => lines.push(match self.settings.get(&path) {
                    Some(setting) => line(setting),
                    None => Line { key: path, value: None, origin: Place::Default.to_string() },
                }),
            }
        }
        lines
    }

    pub(crate) fn setting(&self, path: &str) -> Option<&Setting> {
        self.settings.get(path)
    }

    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        self.settings.get(path).map(|setting| &setting.value)
    }

    /// The settings below a table, without the table's name.
    pub(crate) fn below<'a>(&'a self, table: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let beginning = format!("{table}.");
        self.settings.iter().filter_map(move |(path, setting)| {
            Some((path.strip_prefix(&beginning)?, &setting.value))
        })
    }

    pub(crate) fn secret(&self, path: &str) -> Option<&SecretSource> {
        self.secrets.get(path)
    }

    /// Decides for each secret between the value and the file: a workspace's own counts before what
    /// it has from the top level, then the higher layer.
    pub(super) fn read_secrets(&mut self) {
        for key in keys::KEYS.iter().filter(|key| key.is_secret()) {
            let file_path = format!("{}File", key.path);
            let value = self.settings.get(key.path);
            let file = self.settings.get(&file_path);
            let layer = |setting: Option<&Setting>| {
                setting.map(|s| (workspaces::split(&s.path).is_some(), s.place.layer()))
            };
            if value.is_some() && layer(value) == layer(file) {
                let Some((value, file)) = value.zip(file) else { continue };
                let message = format!("`{}` is set as well", value.path);
                let fault = Fault::of_value(&file.place, &file.path, message);
                self.faults.push(fault.advise("keep one of them"));
                continue;
            }
            let secret = match (value, file) {
                (value, Some(file)) if layer(value) < layer(Some(file)) => read_secret(file),
                (Some(Setting { value: Value::Secret(secret), .. }), _) => {
                    Ok(SecretSource::of_value(secret.clone()))
                }
                _ => continue,
            };
            match secret {
                Ok(source) => drop(self.secrets.insert(key.path.to_owned(), source)),
                Err(fault) => self.faults.push(fault),
            }
        }
    }
}

fn read_secret(file: &Setting) -> Result<SecretSource, Fault> {
    let Value::Path(path) = &file.value else {
        return Err(Fault::of_value(&file.place, &file.path, "expected a path"));
    };
    SecretSource::of_file(path).map_err(|error| {
        let (message, advice) = secret_source::explain(path, &error);
        Fault::of_value(&file.place, &file.path, message).advise(advice)
    })
}

fn line(setting: &Setting) -> Line {
    let value = if hidden(setting) { "***".to_owned() } else { setting.value.to_string() };
    Line { key: setting.path.clone(), value: Some(value), origin: setting.place.to_string() }
}

/// Whether a property of librdkafka is better not shown.
pub(super) fn hidden(setting: &Setting) -> bool {
    super::properties::may_be_secret(&setting.path)
        && workspaces::local(&setting.path).starts_with(keys::PROPERTIES)
}

fn defaults() -> BTreeMap<String, Setting> {
    let with_default = |key: &'static Key| {
        let value = key.kind.parse(&Raw::Loose(key.default?.to_owned())).ok()?;
        let path = key.path.to_owned();
        Some((path.clone(), Setting { path, value, place: Place::Default }))
    };
    keys::KEYS.iter().filter_map(with_default).collect()
}

/// Reads the file into `found`; nothing if it cannot be understood.
fn read_file(path: &Path, found: &mut Found) -> Option<Arc<Source>> {
    let name = path.display().to_string();
    let unread = |message: String, advice: &str| {
        let place = Place::Whole(Arc::new(Source::new(name.clone(), String::new(), Vec::new())));
        Fault::new(&place, message).advise(advice)
    };
    let Some(format) = Format::of(path) else {
        let advice = "name it with the ending .toml or .json";
        found.faults.push(unread("cannot tell how the file is spelled".to_owned(), advice));
        return None;
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let (message, advice) = unreadable(&error);
            found.faults.push(unread(message, advice));
            return None;
        }
    };
    // Editors on Windows put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned);
    match document::parse(&text, format) {
        Ok(root) => {
            let masked = masked(&root);
            let source = Arc::new(Source::new(name, text, masked));
            found.read_file(&source, root);
            Some(source)
        }
        Err(errors) => {
            let masked = mask_unparsed(&text);
            let source = Arc::new(Source::new(name, text, masked));
            found.faults.extend(errors.into_iter().map(|error| {
                let place = Place::File(source.clone(), error.span);
                Fault::new(&place, error.message)
            }));
            None
        }
    }
}

fn unreadable(error: &std::io::Error) -> (String, &'static str) {
    let advice = match error.kind() {
        std::io::ErrorKind::NotFound => "give the path of a .toml or .json file with --config",
        std::io::ErrorKind::PermissionDenied => "let the user of this process read it",
        std::io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "give the path of a readable .toml or .json file with --config",
    };
    (format!("cannot read the configuration file: {error}"), advice)
}

/// The file that `config` describes when none is named, if it is there.
pub const DEFAULT_FILE: &str = "./atlar-ingestor.toml";

/// The file to read: the one named by the flag, else by the variable, else the default one if it
/// exists.
pub fn file_to_read(
    named: Option<&Path>,
    environment: &environment::Environment,
) -> Option<PathBuf> {
    let variable = environment.get(environment::CONFIG_VARIABLE).map(PathBuf::from);
    let present = || Path::new(DEFAULT_FILE).exists().then(|| PathBuf::from(DEFAULT_FILE));
    named.map(Path::to_owned).or(variable).or_else(present)
}
