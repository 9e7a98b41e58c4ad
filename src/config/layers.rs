//! The layers of the configuration as flat lists of settings: file, environment, flags. Finds every
//! name that is not a key, and every value that does not fit its key.

use super::document::{Entry, Node, Raw};
use super::environment::{self, Environment};
use super::fault::{Fault, Place};
use super::keys::{self, Key, PROPERTIES, WORKSPACES};
use super::kind::Value;
use super::nearest::nearest;
use super::source::Source;
use super::workspaces::{self, local};
use super::{Override, not_yet, properties};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A key's path with a value that fits it.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub path: String,
    pub value: Value,
    pub place: Place,
}

/// Which keys may be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All: it is the configuration of the process.
    #[default]
    Process,
    /// Those of an install call.
    Install,
}

/// What was found in the layers read so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub scope: Scope,
    /// In order of precedence, the lowest first.
    pub settings: Vec<Setting>,
    pub faults: Vec<Fault>,
    /// Keys that are set to something, fitting or not.
    pub mentioned: std::collections::BTreeSet<String>,
    /// Names of workspaces, each with the place where it was first found.
    pub workspaces: BTreeMap<String, Place>,
}

impl Found {
    /// Reads a file that is valid TOML or JSON.
    pub(crate) fn read_file(&mut self, source: &Arc<Source>, root: Node) {
        if let Raw::Table(entries) = root.raw {
            self.read_table(source, "", entries);
        }
    }

    fn read_table(&mut self, source: &Arc<Source>, above: &str, entries: Vec<Entry>) {
        for entry in entries {
            let path = join(above, &entry.name);
            let place = Place::File(source.clone(), entry.node.span.clone());
            match entry.node.raw {
                Raw::Null => {}
                // TOML reads `linger.ms = 5` as a table, which it is not for librdkafka.
                Raw::Table(inner) if is_below_properties(local(&path)) || is_table(&path) => {
                    if let Some(name) = workspaces::named(&path) {
                        self.add_workspace(name, &Place::File(source.clone(), entry.span));
                    }
                    self.read_table(source, &path, inner);
                }
                raw if is_table(&path) => {
                    let message = format!("expected a table, got {}", raw.type_name());
                    self.faults.push(Fault::of_value(&place, &path, message));
                }
                raw if keys::find(&path).is_some() => self.set(&path, &raw, place),
                _ => {
                    let name = Place::File(source.clone(), entry.span);
                    let fault = Fault::new(&name, format!("unknown key `{}`", printable(&path)));
                    self.faults.push(with_nearest_key(fault, &path));
                }
            }
        }
    }

    /// Reads the variables that begin with our prefix.
    pub(crate) fn read_environment(&mut self, environment: &Environment) {
        let known: BTreeMap<String, String> = keys::concrete_paths()
            .filter(|path| !path.ends_with('*'))
            .map(|path| (environment::variable_of(&path), path))
            .collect();
        let properties = format!("{}__", environment::variable_of(PROPERTIES));
        let path_of = |name: &str| match name.strip_prefix(&properties) {
            Some(property) => {
                let property = property.to_ascii_lowercase().replace('_', ".");
                Some(format!("{PROPERTIES}.{property}"))
            }
            None => known.get(name).cloned(),
        };
        for (name, text) in environment.of_keys() {
            let place = Place::Variable(name.to_owned());
            let (above, local) = variable_of_workspace(name)
                .map_or((String::new(), name.to_owned()), |(workspace, local)| {
                    (format!("{WORKSPACES}.{workspace}."), local)
                });
            if let Some(path) = path_of(&local) {
                self.set(&format!("{above}{path}"), &Raw::Loose(text.to_owned()), place);
            } else {
                let mut fault = Fault::new(&place, "no key has this name");
                if let Some(near) = nearest(&local, known.keys().map(String::as_str)) {
                    let rest = near.trim_start_matches(environment::PREFIX);
                    let beginning =
                        name.strip_suffix(local.trim_start_matches(environment::PREFIX));
                    let beginning = beginning.unwrap_or(environment::PREFIX);
                    fault = fault.advise(format!("did you mean {beginning}{rest}?"));
                }
                self.faults.push(fault);
            }
        }
    }

    /// Reads the flags `--set key=value`, the last of which counts.
    pub(crate) fn read_overrides(&mut self, overrides: &[Override]) {
        for flag in overrides {
            let place = Place::Flag(flag.path.clone());
            match keys::find(&flag.path) {
                None => {
                    let fault = Fault::new(&place, "unknown key");
                    self.faults.push(with_nearest_key(fault, &flag.path));
                }
                Some(key) if key.is_secret() => {
                    let (variable, file) =
                        (environment::variable_of(&flag.path), format!("{}File", flag.path));
                    let message = "a secret on the command line can be seen by everybody";
                    self.mentioned.insert(flag.path.clone());
                    self.faults
                        .push(Fault::new(&place, message).advise(format!(
                            "use {variable}, or `{file}` with the path of a file"
                        )));
                }
                Some(_) => self.set(&flag.path, &Raw::Loose(flag.text.clone()), place),
            }
        }
    }

    fn add_workspace(&mut self, name: &str, place: &Place) {
        if self.workspaces.contains_key(name) {
            return;
        }
        if !workspaces::is_name(name) {
            let fault = Fault::new(place, format!("`{}` cannot be a name", printable(name)));
            self.faults.push(fault.advise(workspaces::name_rule()));
        }
        self.workspaces.insert(name.to_owned(), place.clone());
    }

    /// Why a key cannot be set where it was.
    fn misplaced(&self, path: &str, key: &Key) -> Option<(&'static str, &'static str)> {
        if workspaces::named(path).is_some() {
            return Some(("this is a table", "set one of the keys in it"));
        }
        let within = workspaces::split(path).is_some();
        if within && workspaces::is_of_process(key) {
            let advice = "set it at the top level";
            return Some(("this key is for the whole process, not for one workspace", advice));
        }
        if self.scope == Scope::Install && (within || !workspaces::is_installable(key)) {
            let advice = "set it in the configuration of the process";
            return Some(("an install call cannot set this key", advice));
        }
        None
    }

    fn set(&mut self, path: &str, raw: &Raw, place: Place) {
        let Some(key) = keys::find(path) else { return };
        if let Some((name, _)) = workspaces::split(path) {
            self.add_workspace(name, &place);
        }
        self.mentioned.insert(path.to_owned());
        if let Some((message, advice)) = self.misplaced(path, key) {
            return self.faults.push(Fault::of_value(&place, path, message).advise(advice));
        }
        let property = local(path).strip_prefix(PROPERTIES).and_then(|rest| rest.strip_prefix('.'));
        if let Some(refusal) = property.and_then(properties::refusal) {
            let fault = Fault::of_value(&place, path, refusal.message);
            return self.faults.push(fault.advise(refusal.advice));
        }
        match key.kind.parse(raw) {
            Err(problem) => {
                let mut fault = Fault::of_value(&place, path, problem.message);
                fault.advice = problem.advice;
                self.faults.push(fault);
            }
            Ok(value) => {
                if let Some(message) = not_yet::refusal(key, &value) {
                    let fault = Fault::of_value(&place, path, message);
                    self.faults.push(fault.advise("take it out"));
                }
                self.settings.push(Setting { path: path.to_owned(), value, place });
            }
        }
    }
}

/// The parts of a file that are not shown: all values but those of keys that are no secrets.
pub(crate) fn masked(root: &Node) -> Vec<Range<usize>> {
    fn walk(above: &str, node: &Node, masked: &mut Vec<Range<usize>>) {
        match &node.raw {
            Raw::Table(entries) => {
                entries
                    .iter()
                    .for_each(|entry| walk(&join(above, &entry.name), &entry.node, masked));
            }
            Raw::List(nodes) => nodes.iter().for_each(|node| walk(above, node, masked)),
            _ if is_shown(above, &node.raw) => {}
            _ => masked.push(node.span.clone()),
        }
    }
    let mut spans = Vec::new();
    walk("", root, &mut spans);
    spans
}

fn is_shown(path: &str, raw: &Raw) -> bool {
    let harmless = match keys::find(path) {
        None => false,
        Some(key) if key.path.starts_with(WORKSPACES) => false,
        Some(_) if local(path).starts_with(PROPERTIES) => !properties::may_be_secret(path),
        Some(key) => !key.is_secret(),
    };
    // An address may carry a password, which is refused but must not be shown either.
    harmless && !raw.text().is_some_and(|text| text.contains('@'))
}

/// Whether a table belongs there.
fn is_table(path: &str) -> bool {
    let of_workspace = workspaces::named(path).is_some();
    let of_properties = local(path) == PROPERTIES;
    of_workspace || of_properties || path == WORKSPACES || keys::is_table(local(path))
}

/// `ATLAR_INGESTOR_WORKSPACES__SECOND_BANK__PAGE_SIZE` is `second-bank` and the variable of
/// `pageSize`.
fn variable_of_workspace(name: &str) -> Option<(String, String)> {
    let beginning = environment::variable_of(WORKSPACES);
    let (workspace, key) = name.strip_prefix(&beginning)?.strip_prefix("__")?.split_once("__")?;
    let workspace = workspace.to_ascii_lowercase().replace('_', "-");
    Some((workspace, format!("{}{key}", environment::PREFIX)))
}

fn is_below_properties(path: &str) -> bool {
    path.strip_prefix(PROPERTIES).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

fn printable(path: &str) -> String {
    path.chars().take(100).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Among the keys of the same table first, then among the last words of all keys.
fn with_nearest_key(fault: Fault, whole_path: &str) -> Fault {
    let path = local(whole_path);
    let above = whole_path.strip_suffix(path).unwrap_or_default();
    let paths: Vec<String> = keys::concrete_paths().collect();
    let tables = paths
        .iter()
        .flat_map(|path| path.match_indices('.').filter_map(|(dot, _)| path.get(..dot)));
    let whole = nearest(path, paths.iter().map(String::as_str).chain(tables));
    let elsewhere = || {
        let last = path.rsplit('.').next().unwrap_or(path);
        let lasts = paths.iter().filter_map(|path| path.rsplit('.').next());
        let near = nearest(last, lasts)?;
        paths.iter().find(|path| path.rsplit('.').next() == Some(near)).map(String::as_str)
    };
    match whole.or_else(elsewhere) {
        Some(near) => {
            fault.advise(format!("did you mean `{above}{}`?", near.trim_end_matches(".*")))
        }
        None => fault,
    }
}
