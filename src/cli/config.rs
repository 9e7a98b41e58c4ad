//! `config print` and `config validate`.

use super::{ConfigArgs, Context, Output, print};
use crate::config::{self, Kind, Line, Needs, Resolution, keys};
use crate::failure::Failure;
use std::fmt::Write as _;

/// The flags of `config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with it.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands below `config`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print what is in force and where each value comes from; secrets are not shown.
    Print(ConfigArgs),
    /// Report every fault, without connecting to anything; exit code 3 if there is one.
    Validate(ConfigArgs),
}

/// Prints or validates.
pub fn execute(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        Command::Print(args) => {
            // Also what is in force beside faults helps to find them.
            let resolution = Resolution::of(&args.sources(&context.environment), Needs::Nothing);
            print(&printed(&resolution.lines(), context.output))?;
            config::typed(&resolution).map(drop)
        }
        Command::Validate(args) => {
            let sources = args.sources(&context.environment);
            config::load(&sources, Needs::Credentials)?;
            let file = sources.file.map(|path| path.display().to_string());
            match context.output {
                Output::Json => {
                    print(&format!("{}\n", serde_json::json!({"faults": 0, "file": file})))
                }
                Output::Text => {
                    let file = file.unwrap_or_else(|| "defaults and environment".to_owned());
                    print(&format!("{file}: no faults\n"))
                }
            }
        }
    }
}

/// As TOML that can be read back once the secrets are put in; or every key as JSON.
fn printed(lines: &[Line], output: Output) -> String {
    if output == Output::Json {
        let document = serde_json::json!({ "keys": lines });
        return format!("{document:#}\n");
    }
    let settings: Vec<(String, &str)> = lines
        .iter()
        .filter_map(|line| Some((setting(line, line.value.as_deref()?), line.origin.as_str())))
        .collect();
    let longest = settings.iter().map(|(setting, _)| setting.chars().count()).max().unwrap_or(0);
    let width = longest.min(60);
    let mut text = String::new();
    for (setting, origin) in settings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{setting:width$}  # {origin}");
    }
    text
}

fn setting(line: &Line, value: &str) -> String {
    let kind = keys::find(&line.key).map(|key| key.kind);
    match kind {
        _ if value == "***" => format!("# {} = ***", line.key),
        Some(Kind::Integer { .. } | Kind::Share | Kind::Boolean) => {
            format!("{} = {value}", line.key)
        }
        _ => format!("{} = {}", line.key, toml_text(value)),
    }
}

fn toml_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Writing to a String cannot fail.
            c if c.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
