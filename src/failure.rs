//! What ends a command: one message, an exit code that scripts can branch on, and a hint.
//!
//! Every error that reaches an operator is a [`Failure`]. Inner layers have error enums of their
//! own; a command turns them into a `Failure` where it knows what the operator can do about it.
//! Texts are lower case without a final stop, and never hold secrets, names or amounts.

use std::error::Error;
use std::fmt::{self, Write as _};

/// The process's exit codes. They are a contract with scripts, systemd and Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: the command did what it was asked.
    Done = 0,
    /// 1: something that should not happen.
    Unexpected = 1,
    /// 2: the command line cannot be understood.
    Usage = 2,
    /// 3: the configuration has faults.
    Configuration = 3,
    /// 4: a dependency is missing or unusable, or a stream failed.
    Dependency = 4,
    /// 5: Atlar refused the credentials.
    Credentials = 5,
    /// 6: another live instance owns the workspace.
    Owned = 6,
    /// 7: a schema in the registry or a stored format is incompatible.
    Schema = 7,
    /// 8: `verify` found differences.
    Differences = 8,
    /// 130: stopped by the user before it was done.
    Interrupted = 130,
}

impl ExitCode {
    /// Every code with the sentence that the long help shows.
    pub const ALL: &[(ExitCode, &'static str)] = &[
        (ExitCode::Done, "done"),
        (ExitCode::Unexpected, "unexpected error"),
        (ExitCode::Usage, "the command line is wrong"),
        (ExitCode::Configuration, "the configuration has faults"),
        (ExitCode::Dependency, "a dependency check or a stream failed"),
        (ExitCode::Credentials, "Atlar refused the credentials"),
        (ExitCode::Owned, "the workspace is owned by another instance"),
        (ExitCode::Schema, "incompatible schema"),
        (ExitCode::Differences, "`verify` found differences"),
        (ExitCode::Interrupted, "interrupted"),
    ];

    /// The number the process exits with.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> std::process::ExitCode {
        std::process::ExitCode::from(code.number())
    }
}

/// Any error as the cause of a failure.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a command ended without being done.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub code: ExitCode,
    /// What was tried and with which object, in one line.
    pub what: String,
    /// Findings that belong to it, each a complete block of text, shown before the message.
    pub details: Vec<String>,
    /// What caused it, shown with its own causes.
    pub source: Option<Cause>,
    /// What the operator can do now.
    pub hint: String,
}

impl Failure {
    /// A failure with the given code; see the constructors per code.
    pub fn new(code: ExitCode, what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { code, what: what.into(), details: Vec::new(), source: None, hint: hint.into() }
    }

    /// Exit code 1. The hint asks for a report, since no operator can mend it.
    pub fn unexpected(what: impl Into<String>) -> Failure {
        let hint = "this is a defect of the program: report it together with the log";
        Failure::new(ExitCode::Unexpected, what, hint)
    }

    /// Exit code 2.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Usage, what, hint)
    }

    /// Exit code 3.
    pub fn configuration(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Configuration, what, hint)
    }

    /// Exit code 4.
    pub fn dependency(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Dependency, what, hint)
    }

    /// Exit code 5.
    pub fn credentials(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Credentials, what, hint)
    }

    /// Exit code 6.
    pub fn owned(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Owned, what, hint)
    }

    /// Exit code 7.
    pub fn schema(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Schema, what, hint)
    }

    /// Exit code 8.
    pub fn differences(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Differences, what, hint)
    }

    /// Exit code 130.
    pub fn interrupted(what: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Interrupted, what, "run the command again to go on")
    }

    /// Adds what caused it.
    pub fn because(mut self, cause: impl Into<Cause>) -> Failure {
        self.source = Some(cause.into());
        self
    }

    /// Adds findings.
    pub fn with_details(mut self, details: Vec<String>) -> Failure {
        self.details = details;
        self
    }

    /// What was tried and why it failed, in one line.
    pub fn message(&self) -> String {
        let mut message = self.what.clone();
        for cause in self.causes() {
            message.push_str(": ");
            message.push_str(&cause);
        }
        message
    }

    /// The machine-readable form for `-o json`: `code`, `message`, `hint`, and `details` if any.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({
            "code": self.code.number(), "message": self.message(), "hint": self.hint,
        });
        if !self.details.is_empty() {
            json["details"] = serde_json::json!(self.details);
        }
        json
    }

    /// The text of `Display` with terminal colours.
    pub fn styled(&self) -> String {
        style(&self.to_string())
    }

    /// The causes, without those that only repeat the end of what was said before them.
    fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = self.source.as_deref().map(|cause| cause as &(dyn Error + 'static));
        while let Some(cause) = next {
            let text = cause.to_string();
            // Libraries' errors often say what their own cause says.
            let said = |before: &String| before.ends_with(&text);
            if !causes.last().is_some_and(said) && !self.what.ends_with(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for detail in &self.details {
            writeln!(f, "{}\n", detail.trim_end())?;
        }
        write!(f, "error: {}", self.what)?;
        for cause in self.causes() {
            write!(f, "\n  because: {cause}")?;
        }
        write!(f, "\nhint: {}", self.hint)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// Colours the words that open a line of an error text.
fn style(text: &str) -> String {
    use anstyle::{AnsiColor, Style};
    let openings = [
        ("error:", Style::new().bold().fg_color(Some(AnsiColor::Red.into()))),
        ("hint:", Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()))),
    ];
    let mut styled = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let (space, rest) = line.split_at(indent);
        let opening =
            openings.iter().find_map(|(word, s)| Some((word, s, rest.strip_prefix(word)?)));
        // Writing to a String cannot fail.
        let _ = match opening {
            Some((word, s, tail)) => write!(styled, "{space}{s}{word}{s:#}{tail}"),
            None => write!(styled, "{line}"),
        };
    }
    styled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not connect to {0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn shows_the_whole_chain_and_ends_in_a_hint() {
        let cause = Outer("localhost:9092", std::io::Error::other("connection refused"));
        let failure =
            Failure::dependency("kafka cannot be reached", "start the broker").because(cause);
        let twice = Outer("localhost:9092: refused", std::io::Error::other("refused"));
        let said_once = Failure::dependency("kafka", "h").because(twice).to_string();
        assert_eq!(said_once.matches("because").count(), 1, "{said_once}");
        let expected = "error: kafka cannot be reached\n  because: could not connect to \
                        localhost:9092\n  because: connection refused\nhint: start the broker";
        assert_eq!(failure.to_string(), expected);
        assert_eq!(
            failure.to_json().to_string(),
            r#"{"code":4,"hint":"start the broker","message":"kafka cannot be reached: could not connect to localhost:9092: connection refused"}"#
        );
    }

    #[test]
    fn says_nothing_twice() {
        let cause = Outer("a", std::io::Error::other("could not connect to a"));
        let failure = Failure::dependency("we could not connect to a", "b").because(cause);
        assert_eq!(failure.to_string(), "error: we could not connect to a\nhint: b");
    }

    #[test]
    fn exit_codes_are_the_documented_numbers() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|(code, _)| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]);
    }

    #[test]
    fn colours_only_the_opening_words() {
        let plain = Failure::usage("a hint: inside", "b").with_details(vec!["error: x".into()]);
        let styled = plain.styled();
        assert_eq!(anstream::adapter::strip_str(&styled).to_string(), plain.to_string());
        assert_eq!(styled.matches("\u{1b}[1m").count(), 3);
    }
}
