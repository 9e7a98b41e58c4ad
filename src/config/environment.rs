//! The process environment as a value, and the names that keys have in it.

use std::collections::BTreeMap;

/// What all variables of this program begin with.
pub const PREFIX: &str = "ATLAR_INGESTOR_";

/// Names the configuration file when there is no `--config`. Not a key: a file cannot name itself.
pub const CONFIG_VARIABLE: &str = "ATLAR_INGESTOR_CONFIG";

/// Where a test lets the process die: see [`crate::crash`]. Unknown to a release.
#[cfg(feature = "crash-points")]
pub const CRASH_VARIABLE: &str = "ATLAR_INGESTOR_CRASH_AT";

/// Which release a test lets the process be: see [`crate::variant`]. Unknown to a release.
#[cfg(feature = "crash-points")]
pub const RELEASE_VARIABLE: &str = "ATLAR_INGESTOR_RELEASE";

/// Environment variables, handed in so that tests need not touch the process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, Variable>);

/// A variable's text. It may be a secret, so it has no readable `Debug`.
#[derive(Clone)]
struct Variable(String);

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Environment {
    /// No variables at all.
    pub fn empty() -> Environment {
        Environment::default()
    }

    /// The variables of this process; those that are not UTF-8 are left out unless they are ours,
    /// which then read as text with replacement characters and fail validation by name.
    pub fn of_process() -> Environment {
        std::env::vars_os()
            .filter_map(|(name, text)| {
                let name = name.into_string().ok()?;
                name.starts_with(PREFIX).then(|| (name, text.to_string_lossy().into_owned()))
            })
            .collect()
    }

    /// The text of a variable. Empty counts as not set, because `docker compose` and shells
    /// hand on variables that nobody filled in.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|variable| variable.0.as_str()).filter(|text| !text.is_empty())
    }

    /// The variables that may name keys, by name.
    pub(crate) fn of_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, variable)| (name.as_str(), variable.0.as_str()))
            .filter(|(name, text)| name.starts_with(PREFIX) && !text.is_empty())
            .filter(|(name, _)| !is_no_key(name) && !is_service_link(name))
    }
}

impl<N: Into<String>, T: Into<String>> FromIterator<(N, T)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(variables: I) -> Environment {
        Environment(variables.into_iter().map(|(n, t)| (n.into(), Variable(t.into()))).collect())
    }
}

fn is_no_key(name: &str) -> bool {
    #[cfg(feature = "crash-points")]
    if name == CRASH_VARIABLE || name == RELEASE_VARIABLE {
        return true;
    }
    name == CONFIG_VARIABLE
}

/// Kubernetes tells every pod of a namespace about a Service named `atlar-ingestor` through
/// variables that share our prefix. They are not typing errors.
fn is_service_link(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let ported = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    rest == "SERVICE_HOST"
        || rest == "SERVICE_PORT"
        || rest.starts_with("SERVICE_PORT_")
        || rest == "PORT"
        || rest.strip_prefix("PORT_").is_some_and(ported)
}

/// The variable of a key: `kafka.bootstrapServers` is `ATLAR_INGESTOR_KAFKA__BOOTSTRAP_SERVERS`.
pub fn variable_of(path: &str) -> String {
    let levels: Vec<String> = path.split('.').map(upper_snake).collect();
    format!("{PREFIX}{}", levels.join("__"))
}

fn upper_snake(word: &str) -> String {
    let mut snake = String::with_capacity(word.len() + 4);
    for c in word.chars() {
        match c {
            '-' => snake.push('_'),
            c if c.is_ascii_uppercase() => {
                snake.push('_');
                snake.push(c);
            }
            c => snake.push(c.to_ascii_uppercase()),
        }
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        let check = |path: &str, name: &str| assert_eq!(variable_of(path), name);
        check("accessKey", "ATLAR_INGESTOR_ACCESS_KEY");
        check("kafka.bootstrapServers", "ATLAR_INGESTOR_KAFKA__BOOTSTRAP_SERVERS");
        check(
            "streams.external-payments.pollingPeriod",
            "ATLAR_INGESTOR_STREAMS__EXTERNAL_PAYMENTS__POLLING_PERIOD",
        );
    }

    #[test]
    fn kubernetes_service_links_are_not_keys() {
        let check = |name: &str, link: bool| assert_eq!(is_service_link(name), link, "{name}");
        check("ATLAR_INGESTOR_SERVICE_HOST", true);
        check("ATLAR_INGESTOR_SERVICE_PORT", true);
        check("ATLAR_INGESTOR_SERVICE_PORT_HTTP", true);
        check("ATLAR_INGESTOR_PORT", true);
        check("ATLAR_INGESTOR_PORT_8080_TCP_ADDR", true);
        check("ATLAR_INGESTOR_SERVICE", false);
        check("ATLAR_INGESTOR_PORT_NUMBER", false);
    }

    #[test]
    fn debug_shows_no_values() {
        let environment = Environment::from_iter([("ATLAR_INGESTOR_SECRET", "hunter2")]);
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}
