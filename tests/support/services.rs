//! Where the broker and the registry of this tier are. Without them a test fails: it never skips.

use std::path::PathBuf;

fn variable(name: &str) -> String {
    optional(name).unwrap_or_else(|| {
        panic!("{name} is not set: run `scripts/test --tier broker`, or see CONTRIBUTING.md")
    })
}

#[expect(clippy::disallowed_methods, reason = "the environment says where the services are")]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

pub fn bootstrap() -> String {
    variable("ATLAR_INGESTOR_KAFKA__BOOTSTRAP_SERVERS")
}

pub fn registry() -> String {
    variable("ATLAR_INGESTOR_REGISTRY__URL")
}

pub fn python() -> String {
    variable("ATLAR_TEST_PYTHON")
}

/// What `scripts/test` finds its processes by. Children whose environment is cleared still get it,
/// so that one that a test forgets is seen.
pub fn mark() -> Option<(&'static str, String)> {
    let name = "ATLAR_TEST_RUN";
    optional(name).map(|mark| (name, mark))
}

/// The listener with TLS and SCRAM.
pub struct Secure {
    pub bootstrap: String,
    pub ca: PathBuf,
    pub username: String,
    pub password_file: PathBuf,
}

pub fn secure() -> Secure {
    Secure {
        bootstrap: variable("ATLAR_TEST_SECURE_BOOTSTRAP"),
        ca: variable("ATLAR_TEST_SECURE_CA").into(),
        username: variable("ATLAR_TEST_SECURE_USERNAME"),
        password_file: variable("ATLAR_TEST_SECURE_PASSWORD_FILE").into(),
    }
}
