//! Connectors that were installed by the API, and the file that keeps them over restarts.
//!
//! The file holds secrets: it is written with mode 0600, beside itself and then renamed, so that a
//! crash leaves the old one or the new one. A file that cannot be understood is left alone.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::config::{Deployment, Resolution, Workspace};
use crate::failure::Failure;
use crate::publish::headers::NAMESPACE;

/// Of the file. A later one is refused.
const FORMAT: u32 = 1;

/// A connector as it is kept. No `Debug`: it holds the secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    pub id: Uuid,
    pub created_at: jiff::Timestamp,
    /// Topics, schemas and genesis were made. They are not made again: topics that were lost must
    /// be seen, not replaced by empty ones.
    pub set_up: bool,
    /// The body of the install call.
    pub config: Value,
}

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    connectors: Vec<Kept>,
}

/// One workspace of the process, from the configuration or from the file of connectors.
#[derive(Clone)]
pub struct Planned {
    pub workspace: Workspace,
    /// None: it is in the configuration.
    pub kept: Option<Kept>,
}

/// The file that `connectorFile` names.
#[derive(Debug, Clone)]
pub struct ConnectorFile {
    path: PathBuf,
}

/// The id of the connector with this topic prefix.
pub fn id_of(topic_prefix: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("connector/{topic_prefix}").as_bytes())
}

impl Planned {
    pub fn name(&self) -> Option<&str> {
        self.workspace.name.as_deref()
    }

    pub fn prefix(&self) -> &str {
        &self.workspace.config.kafka.topic_prefix
    }

    /// What its log lines are marked with, if it has a name.
    pub fn span(&self) -> tracing::Span {
        match self.name() {
            Some(_) => tracing::error_span!("workspace", prefix = self.prefix()),
            None => tracing::Span::none(),
        }
    }

    /// Whether Atlar can be read.
    pub fn has_credentials(&self) -> bool {
        self.workspace.config.atlar.credentials.is_some()
    }

    /// What it shares with another one though each must have its own.
    pub fn clash(&self, other: &Planned) -> Option<String> {
        let folder = |of: &Planned| of.workspace.config.store.path.clone();
        if self.name() == other.name() {
            Some(match self.name() {
                Some(name) => format!("there is a connector named `{name}` already"),
                None => "there is a connector without a name already".to_owned(),
            })
        } else if self.prefix() == other.prefix() {
            Some(format!("there is a workspace with the topic prefix `{}` already", self.prefix()))
        } else if folder(self) == folder(other) {
            let folder = folder(self);
            Some(format!("there is a workspace with the store folder {} already", folder.display()))
        } else {
            None
        }
    }
}

/// Every workspace that was configured or installed. The one of the top-level keys comes first, the
/// others follow in the order of their names.
pub fn planned(deployment: &Deployment) -> Result<Vec<Planned>, Failure> {
    let file = ConnectorFile::new(&deployment.top.connector_file);
    let installed = file.read()?;
    let mut all: Vec<Planned> = Vec::new();
    for workspace in deployment.workspaces.clone() {
        all.push(Planned { workspace, kept: None });
    }
    for kept in installed {
        let planned = file.check(&deployment.resolution, kept)?;
        // Without credentials, the top-level keys are only what connectors are made from.
        all.retain(|other| other.has_credentials() || other.name().is_some());
        if let Some(clash) = all.iter().find_map(|other| planned.clash(other)) {
            let what = format!("a connector in {} cannot run: {clash}", file.path.display());
            let hint = "take one of them out, or give one its own kafka.topicPrefix and store.path";
            return Err(Failure::configuration(what, hint));
        }
        all.push(planned);
    }
    all.sort_by(|one, other| one.name().cmp(&other.name()));
    Ok(all)
}

impl ConnectorFile {
    pub fn new(path: &Path) -> ConnectorFile {
        ConnectorFile { path: path.to_owned() }
    }

    /// What it keeps; nothing if there is no file.
    pub fn read(&self) -> Result<Vec<Kept>, Failure> {
        let path = self.path.display();
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let hint = "let the user of this process read it, or set connectorFile";
                let what = format!("cannot read the connector file {path}");
                return Err(Failure::configuration(what, hint).because(error));
            }
        };
        self.warn_if_open();
        let damaged = |why: String| {
            let hint = "mend it, or move it away and install the connectors again";
            Failure::configuration(format!("the connector file {path} is damaged: {why}"), hint)
        };
        // The error's own text may hold a part of the file, which may be a secret.
        let content: Content = serde_json::from_slice(&bytes).map_err(|error| {
            damaged(format!("line {}, column {}", error.line(), error.column()))
        })?;
        if content.format != FORMAT {
            return Err(damaged(format!("its format is {}, not {FORMAT}", content.format)));
        }
        Ok(content.connectors)
    }

    /// Replaces what it keeps. After an error it keeps what it kept. Blocks while the disk does.
    pub fn write(&self, connectors: Vec<Kept>) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(&Content { format: FORMAT, connectors })?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Made with mode 0600.
        let mut file = tempfile::Builder::new().prefix(".connector-").tempfile_in(folder)?;
        file.write_all(&text)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        // The new name lasts once the folder is on the disk as well. Where a file system cannot do
        // that for folders, the file is replaced all the same.
        if let Err(error) = std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
            tracing::warn!("the folder of the connector file was not flushed: {error}");
        }
        Ok(())
    }

    /// What was checked when it was installed is checked again: the top level may have changed.
    fn check(&self, base: &Resolution, kept: Kept) -> Result<Planned, Failure> {
        match base.connector(&kept.config.to_string()) {
            Ok(workspace) => Ok(Planned { workspace, kept: Some(kept) }),
            Err(faults) => {
                let path = self.path.display();
                let what = format!("the connector {} in {path} has faults", kept.id);
                let hint = "mend the file, or move it away and install the connectors again";
                Err(Failure::configuration(what, hint).with_details(vec![faults.join("\n")]))
            }
        }
    }

    #[cfg(unix)]
    fn warn_if_open(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&self.path).map(|found| found.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            let hint = "chmod 600 it";
            let path = self.path.display();
            tracing::warn!(hint, "others can read the secrets in {path}");
        }
    }

    #[cfg(not(unix))]
    fn warn_if_open(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(secret: &str) -> Kept {
        Kept {
            id: id_of("bank"),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            set_up: false,
            config: json!({ "accessKey": "a", "secret": secret }),
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_kept_comes_back_and_is_for_one_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connector.json");
        let file = ConnectorFile::new(&path);
        assert!(file.read().unwrap().is_empty());
        for secret in ["one", "two"] {
            file.write(vec![kept(secret)]).unwrap();
            let read = file.read().unwrap();
            assert_eq!((read.len(), &read[0].config["secret"]), (1, &json!(secret)));
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left");
    }

    #[test]
    fn a_damaged_file_is_refused_and_shows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connector.json");
        let file = ConnectorFile::new(&path);
        for text in [
            "",
            r#"{"format":1,"connectors":"hunter2"}"#,
            r#"{"format":1,"connectors":[{"secret":"hunter2"}]}"#,
            r#"{"format":2,"connectors":[]}"#,
        ] {
            std::fs::write(&path, text).unwrap();
            let Err(failure) = file.read() else { panic!("{text}") };
            let shown = format!("{failure} {failure:?}");
            assert!(shown.contains("is damaged") && !shown.contains("hunter"), "{shown}");
            assert_eq!(failure.code.number(), 3);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = ConnectorFile::new(&folder.path().join("no-such/connector.json"));
        assert!(file.write(vec![kept("one")]).is_err());
        assert!(file.read().unwrap().is_empty());
    }
}
