//! `config.default.toml`: every key with its default and what it does, all commented out.

use super::environment::variable_of;
use super::keys::{KEYS, Key, STREAM};
use super::kind::Kind;
use super::not_yet;
use std::fmt::Write as _;

/// The file of this name at the top of the repository. A test compares it with [`render`].
pub const TEXT: &str = include_str!("../../config.default.toml");

const HEAD: &str = "\
# Every key of the configuration with its default, commented out by a single #. Run with
#
#   atlar-ingestor run --config my.toml
#
# The same keys work in a .json file. Precedence: --set key=value, then the variable shown beside
# each key, then the file, then the default. Durations are texts like \"30s\" or \"2h 15m\". Paths are
# relative to the working directory. A key marked (secret) is refused on the command line.
";

/// The text of the file, from the table of keys.
pub fn render() -> String {
    let mut text = HEAD.to_owned();
    let mut table = "";
    for key in KEYS {
        let (above, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let (above, name) = example(above, name);
        // Writing to a String cannot fail.
        if above != table {
            table = above;
            let _ = write!(text, "\n#[{}]\n", table.replace(STREAM, "payments"));
        }
        let _ = write!(text, "\n{}", entry(key, name));
    }
    text
}

/// Splits a path of the table of keys the way the example is written.
fn example(above: &'static str, name: &'static str) -> (&'static str, &'static str) {
    match above.strip_suffix(".deletes") {
        // In one table with `pollingPeriod`, since each would be a table with one example.
        Some(stream) if stream.contains(STREAM) => (stream, name),
        _ => (above, name),
    }
}

fn entry(key: &Key, name: &str) -> String {
    let mut text = String::new();
    let secret = if key.is_secret() { "(secret) " } else { "" };
    let note = not_yet::note(key).map(|note| format!(" {note}")).unwrap_or_default();
    for line in wrapped(&format!("{secret}{}{note}", key.doc), 96) {
        let _ = writeln!(text, "# {line}");
    }
    let path = key.path.replace(STREAM, "payments");
    if let Some(path) = path.strip_suffix(".*") {
        let _ = writeln!(text, "# {}__*", variable_of(path));
    } else {
        let unset = if key.default.is_none() { ", not set by default" } else { "" };
        let _ = writeln!(text, "# {}{unset}", variable_of(&path));
    }
    let nested = if key.path.contains(".deletes.") { "deletes." } else { "" };
    let _ = match (name, key.path) {
        (_, "kafka.properties.*") => writeln!(text, "#\"statistics.interval.ms\" = 5000"),
        (_, "workspaces.*") => writeln!(text, "#second = {{ accessKey = \"…\", secret = \"…\" }}"),
        _ => writeln!(text, "#{nested}{name} = {}", written(key)),
    };
    text
}

/// The default as TOML, or an example of the type for a key without.
fn written(key: &Key) -> String {
    match (key.default, &key.kind) {
        (Some(text), Kind::Integer { .. } | Kind::Share | Kind::Boolean) => text.to_owned(),
        (Some(text), _) => format!("\"{text}\""),
        (None, kind) => unset_example(kind).to_owned(),
    }
}

fn unset_example(kind: &Kind) -> &'static str {
    match kind {
        Kind::Integer { .. } => "3",
        Kind::Share => "0.01",
        Kind::Boolean => "true",
        Kind::Duration { .. } => "\"1h\"",
        Kind::Date => "\"2026-01-31\"",
        Kind::Texts | Kind::Secrets => "[\"…\"]",
        Kind::Address => "\"127.0.0.1:8090\"",
        Kind::Choice(words) => words.first().copied().map_or("\"…\"", |_| "\"SCRAM-SHA-512\""),
        _ => "\"…\"",
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
