//! What one process hosts: the workspace of the top-level keys, and those by name.

use super::build;
use super::keys::PROPERTIES;
use super::kind::Value;
use super::layers::Setting;
use super::options::Config;
use super::resolution::{Resolution, hidden};
use super::{Needs, Sources};
use crate::failure::Failure;
use serde_json::{Map, json};

/// The keys of the connector page that are no credentials.
const PAGE: [&str; 3] = ["baseUrl", "pageSize", "pollingPeriod"];

/// The configuration of a process and of its workspaces.
#[derive(Debug)]
pub struct Deployment {
    /// The top-level keys.
    pub top: Config,
    /// Those that are configured: the one of the top-level keys first, if it has credentials or is
    /// the only one, then the others in the order of their names.
    pub workspaces: Vec<Workspace>,
    /// What connectors are derived from.
    pub resolution: Resolution,
}

/// One workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// None for that of the top-level keys.
    pub name: Option<String>,
    /// Its configuration, with the keys of the process as at the top level.
    pub config: Config,
    /// Where each value comes from.
    pub resolution: Resolution,
}

impl Deployment {
    /// Reads, merges, checks and types the configuration. Fails with exit code 3 and every fault
    /// there is.
    pub fn load(sources: &Sources, needs: Needs) -> Result<Deployment, Failure> {
        let resolution = Resolution::of(sources, needs);
        if let Some(failure) = resolution.failure() {
            return Err(failure);
        }
        let top = build::build(&resolution)?;
        let mut workspaces = Vec::new();
        if resolution.is_workspace() {
            workspaces.push(Workspace::of(None, resolution.clone())?);
        }
        for (name, own) in &resolution.workspaces {
            workspaces.push(Workspace::of(Some(name.clone()), own.clone())?);
        }
        Ok(Deployment { top, workspaces, resolution })
    }
}

impl Workspace {
    /// Types one without faults.
    pub(crate) fn of(name: Option<String>, resolution: Resolution) -> Result<Workspace, Failure> {
        let config = build::build(&resolution)?;
        Ok(Workspace { name, config, resolution })
    }
    /// Its configuration as JSON: the keys of the connector page, and every other that somebody
    /// set. Access key, secret and other secrets are `***`.
    pub fn shown(&self) -> serde_json::Value {
        let mut shown = Map::new();
        if let Some(name) = &self.name {
            shown.insert("name".to_owned(), json!(name));
        }
        for key in ["accessKey", "secret"] {
            if self.resolution.secret(key).is_some() {
                shown.insert(key.to_owned(), json!("***"));
            }
        }
        for (path, setting) in &self.resolution.settings {
            let set = setting.place.layer() > 0 || setting.path != *path;
            if set || PAGE.contains(&path.as_str()) {
                put(&mut shown, path, json_of(setting));
            }
        }
        shown.into()
    }
}

/// Puts a value below the tables of its path.
fn put(shown: &mut Map<String, serde_json::Value>, path: &str, value: serde_json::Value) {
    let property = path.strip_prefix(PROPERTIES).and_then(|rest| rest.strip_prefix('.'));
    let (above, name) = match property {
        Some(property) => (PROPERTIES, property),
        None => path.rsplit_once('.').unwrap_or(("", path)),
    };
    let mut table = shown;
    for level in above.split('.').filter(|level| !level.is_empty()) {
        let below = table.entry(level).or_insert_with(|| json!({}));
        let serde_json::Value::Object(below) = below else { return };
        table = below;
    }
    table.insert(name.to_owned(), value);
}

fn json_of(setting: &Setting) -> serde_json::Value {
    match &setting.value {
        _ if hidden(setting) => json!("***"),
        Value::Integer(number) => json!(number),
        Value::Share(number) => json!(number),
        Value::Boolean(truth) => json!(truth),
        Value::Texts(texts) => json!(texts),
        value => json!(value.to_string()),
    }
}
