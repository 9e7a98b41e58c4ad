//! The layers of the configuration as flat lists of settings: file, environment, flags. Finds every
//! name that is not a key, and every value that does not fit its key.

use super::document::{Entry, Node, Raw};
use super::environment::{self, Environment};
use super::fault::{Fault, Place};
use super::keys::{self, PROPERTIES, WORKSPACES};
use super::kind::Value;
use super::nearest::nearest;
use super::source::Source;
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

/// What was found in the layers read so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In order of precedence, the lowest first.
    pub settings: Vec<Setting>,
    pub faults: Vec<Fault>,
    /// Keys that are set to something, fitting or not.
    pub mentioned: std::collections::BTreeSet<String>,
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
            let within = path == WORKSPACES || path == PROPERTIES;
            match entry.node.raw {
                Raw::Null => {}
                raw if path == WORKSPACES => {
                    let name = Place::File(source.clone(), entry.span);
                    if !matches!(&raw, Raw::Table(entries) if entries.is_empty()) {
                        self.set(&format!("{path}.*"), &Raw::Null, name);
                    }
                }
                // TOML reads `linger.ms = 5` as a table, which it is not for librdkafka.
                Raw::Table(inner) if is_below_properties(&path) || keys::is_table(&path) => {
                    self.read_table(source, &path, inner);
                }
                raw if keys::find(&path).is_some() => self.set(&path, &raw, place),
                raw if within || keys::is_table(&path) => {
                    let message = format!("expected a table, got {}", raw.type_name());
                    self.faults.push(Fault::of_value(&place, &path, message));
                }
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
        let workspaces = format!("{}__", environment::variable_of(WORKSPACES));
        for (name, text) in environment.of_keys() {
            let place = Place::Variable(name.to_owned());
            let raw = Raw::Loose(text.to_owned());
            if let Some(path) = known.get(name) {
                self.set(path, &raw, place);
            } else if let Some(property) = name.strip_prefix(&properties) {
                let property = property.to_ascii_lowercase().replace('_', ".");
                self.set(&format!("{PROPERTIES}.{property}"), &raw, place);
            } else if name.starts_with(&workspaces) {
                self.set(&format!("{WORKSPACES}.*"), &raw, place);
            } else {
                let mut fault = Fault::new(&place, "no key has this name");
                if let Some(near) = nearest(name, known.keys().map(String::as_str)) {
                    fault = fault.advise(format!("did you mean {near}?"));
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

    fn set(&mut self, path: &str, raw: &Raw, place: Place) {
        let Some(key) = keys::find(path) else { return };
        self.mentioned.insert(path.to_owned());
        let property = path.strip_prefix(PROPERTIES).and_then(|rest| rest.strip_prefix('.'));
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
                    let shown = path.trim_end_matches(".*");
                    let fault = Fault::of_value(&place, shown, message);
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
        Some(_) if path.starts_with(PROPERTIES) => !properties::may_be_secret(path),
        Some(key) => !key.is_secret(),
    };
    // An address may carry a password, which is refused but must not be shown either.
    harmless && !raw.text().is_some_and(|text| text.contains('@'))
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
fn with_nearest_key(fault: Fault, path: &str) -> Fault {
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
        Some(near) => fault.advise(format!("did you mean `{}`?", near.trim_end_matches(".*"))),
        None => fault,
    }
}
