//! The configuration: one table of keys, four layers (flag > environment > file > default), every
//! fault of all of them in one run.
//!
//! ```text
//! file ─document─► tree with places ─┐
//! environment ───────────────────────┼─layers─► settings ─resolution─► one per key ─build─► Config
//! flags ─────────────────────────────┘   faults ────────────┘ check: what they say together
//! ```
//!
//! Keys are camelCase in TOML and JSON alike (which one is told by the file's ending). A key's
//! variable is `ATLAR_INGESTOR_` and its name in upper snake case, `__` between levels. Properties
//! of librdkafka are lower case in a variable's name with `_` for the dot:
//! `ATLAR_INGESTOR_KAFKA__PROPERTIES__LINGER_MS`. An empty variable counts as not set, and so does
//! `null` in JSON. White space around a text does not belong to it. Paths are relative to the
//! working directory. A secret is a value or a file that holds it (`secretFile`); it is never taken
//! from the command line and never shown.
//!
//! `workspaces.<name>` holds the same keys for a further workspace; what it does not set is as at
//! the top level.

mod build;
mod check;
mod choice;
mod deployment;
mod document;
mod environment;
mod fault;
mod install;
pub mod keys;
mod kind;
mod layers;
mod nearest;
mod not_yet;
mod options;
mod properties;
mod resolution;
mod secret_source;
mod source;
pub mod template;
mod workspaces;

pub use check::is_loopback;
pub use choice::{
    ApiVersion, Auth, ExternalPaymentsSource, KeyFormat, LogFormat, LogLevel, Mechanism, Protocol,
};
pub use deployment::{Deployment, Workspace};
pub use environment::{CONFIG_VARIABLE, Environment, PREFIX, variable_of};
#[cfg(feature = "crash-points")]
pub use environment::{CRASH_VARIABLE, RELEASE_VARIABLE};
pub use kind::{Kind, address, duration, host, spelled};
pub use options::{
    AtlarOptions, Config, Credentials, DeleteOptions, EventOptions, HttpOptions, KafkaOptions,
    LogOptions, NarrowingOptions, RegistryOptions, RequestOptions, SecurityOptions, StoreOptions,
};
pub use resolution::{DEFAULT_FILE, Line, Resolution, file_to_read};
pub use secret_source::SecretSource;

use crate::failure::Failure;
use std::path::PathBuf;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The file, if any.
    pub file: Option<PathBuf>,
    /// `--set key=value`, in order.
    pub overrides: Vec<Override>,
    /// The environment.
    pub environment: Environment,
}

/// One `--set key=value`. Its `Debug` shows no value: somebody may have tried it with a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    /// The key, with dots between levels.
    pub path: String,
    /// Its value as text.
    pub text: String,
}

impl std::fmt::Debug for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=***", self.path)
    }
}

/// What a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It reads Atlar: some workspace must have access key and secret, or have been installed.
    Credentials,
    /// It reads Atlar once a connector is installed: nobody needs credentials yet.
    Install,
    /// It works without credentials.
    Nothing,
}

/// Reads, merges, checks and types the configuration. Fails with exit code 3 and every fault there
/// is.
pub fn load(sources: &Sources, needs: Needs) -> Result<Config, Failure> {
    typed(&Resolution::of(sources, needs))
}

/// Types a merged configuration. Fails with exit code 3 and every fault there is.
pub fn typed(resolution: &Resolution) -> Result<Config, Failure> {
    match resolution.failure() {
        Some(failure) => Err(failure),
        None => build::build(resolution),
    }
}
