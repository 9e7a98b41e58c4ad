//! A secret together with the file it came from, so that it can be read again.

use crate::failure::Failure;
use crate::secret::Secret;
use std::io;
use std::path::{Path, PathBuf};

/// A credential and where it lives.
#[derive(Clone, Debug)]
pub struct SecretSource {
    /// As it was when the configuration was read.
    pub secret: Secret,
    /// The file it is in; none if it was given as a value.
    pub file: Option<PathBuf>,
}

impl SecretSource {
    /// A secret that was given as a value.
    pub fn of_value(secret: Secret) -> SecretSource {
        SecretSource { secret, file: None }
    }

    /// Reads a secret from a file; white space around it does not belong to it.
    pub fn of_file(path: &Path) -> io::Result<SecretSource> {
        Ok(SecretSource { secret: read(path)?, file: Some(path.to_owned()) })
    }

    /// The secret as it is now: reads the file again, if there is one. Fails with exit code 3 when
    /// the file cannot be read or is empty.
    pub fn read(&self) -> Result<Secret, Failure> {
        let Some(path) = &self.file else { return Ok(self.secret.clone()) };
        read(path).map_err(|error| {
            let (message, advice) = explain(path, &error);
            Failure::configuration(message, advice)
        })
    }
}

fn read(path: &Path) -> io::Result<Secret> {
    let text = std::fs::read_to_string(path)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
    }
    Ok(Secret::new(text))
}

/// What to tell the operator about a file that could not be read.
pub(super) fn explain(path: &Path, error: &io::Error) -> (String, &'static str) {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "create the file, or mend the path",
        io::ErrorKind::PermissionDenied => "let the user of this process read it",
        io::ErrorKind::InvalidData => "save it as UTF-8 text",
        _ => "put the secret alone into the file",
    };
    (format!("cannot read the secret from {}: {error}", path.display()), advice)
}
