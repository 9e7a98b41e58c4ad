//! The configuration of a connector: the body of an install call, and what is kept of it.

use super::check;
use super::deployment::Workspace;
use super::document::{self, Format, Node, Raw};
use super::fault::{Fault, Place};
use super::layers::{Found, Scope};
use super::resolution::Resolution;
use super::source::Source;
use super::workspaces::{is_name, name_rule};
use std::sync::Arc;

/// The key of the body that is not one of the configuration.
const NAME: &str = "name";

impl Resolution {
    /// Checks the configuration of a connector: JSON with the keys of the connector page, and those
    /// of ours that say how a workspace is read. Returns every fault in one line each, none of
    /// which shows a secret.
    pub fn connector(&self, text: &str) -> Result<Workspace, Vec<String>> {
        let mut root = document::parse(text, Format::Json).map_err(|errors| {
            let source = Source::new(String::new(), text.to_owned(), Vec::new());
            let place = |at: usize| source.position(at);
            let line = |error: document::SyntaxError| {
                let (line, column) = place(error.span.start);
                format!("line {line}, column {column}: {}", error.message)
            };
            errors.into_iter().map(line).collect::<Vec<_>>()
        })?;
        let mut found = Found { scope: Scope::Install, ..Found::default() };
        let name = take_name(&mut root, &mut found.faults);
        let source = Arc::new(Source::new(String::new(), String::new(), Vec::new()));
        found.read_file(&source, root);
        let place = Place::Default;
        let mentioned = |path: &str| found.mentioned.contains(path);
        let missing = ["accessKey", "secret"].into_iter().filter(|path| !mentioned(path));
        let missing = missing.map(|path| Fault::new(&place, format!("`{path}` is missing")));
        let mut faults: Vec<Fault> = missing.collect();
        let resolution = self.derived(name.as_deref(), "", &place, found.settings);
        faults.extend(found.faults);
        // What is wrong at the top level is not this connector's fault.
        let known = check::together(self).iter().map(Fault::line).collect::<Vec<_>>();
        let own = resolution.faults.iter().filter(|fault| !known.contains(&fault.line()));
        faults.extend(own.cloned());
        if !faults.is_empty() {
            return Err(faults.iter().map(Fault::line).collect());
        }
        Workspace::of(name, resolution).map_err(|failure| vec![failure.what])
    }
}

/// Takes the name out of the body, which is then a configuration.
fn take_name(root: &mut Node, faults: &mut Vec<Fault>) -> Option<String> {
    let Raw::Table(entries) = &mut root.raw else { return None };
    let at = entries.iter().position(|entry| entry.name == NAME)?;
    let entry = entries.remove(at);
    match &entry.node.raw {
        Raw::Null => None,
        Raw::Text(name) if is_name(name) => Some(name.clone()),
        raw => {
            let got = raw.describe();
            let fault = Fault::new(&Place::Default, format!("`{NAME}`: got {got}"));
            faults.push(fault.advise(name_rule()));
            None
        }
    }
}
