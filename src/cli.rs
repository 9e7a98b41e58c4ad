//! The command line: what can be asked, and who answers.
//!
//! Data goes to stdout, everything else to stderr. A command ends in `Ok` or in a
//! [`Failure`], whose code becomes the process's exit code.

pub mod config;
pub mod connectors;
pub mod demo;
pub mod render;
pub mod run;
pub mod setup;
pub mod simulate;
mod state;
pub mod tail;
pub mod values;

use crate::app::connectors::Planned;
use crate::config::{Environment, Override, Sources, file_to_read};
use crate::failure::{ExitCode, Failure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;

const COMMON: &str = "Options of every command";

/// Publishes what is new or changed in an Atlar workspace, exactly once, on Kafka topics.
#[derive(Debug, Parser)]
#[command(
    name = "atlar-ingestor",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Try it without anything installed: atlar-ingestor demo",
    after_long_help = long_help(),
)]
pub struct Cli {
    /// Shape of what is printed.
    #[arg(short, long, global = true, value_enum, default_value = "text", value_name = "SHAPE",
        help_heading = COMMON)]
    pub output: Output,

    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN",
        help_heading = COMMON)]
    pub color: Color,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Poll Atlar, publish what is new or changed, serve the status page.
    Run(run::Args),
    /// Create topics, register schemas, and write the workspace's first record; safe to repeat.
    Setup(setup::Args),
    /// Show events as they are published, decoded.
    Tail(tail::Args),
    /// Look at a workspace's state topic, and decide what only an operator may decide about it.
    #[command(subcommand)]
    State(state::Command),
    /// See it work: a simulated bank, a broker and a registry inside, the real ingestor.
    Demo(demo::Args),
    /// Serve a simulated Atlar with a bank that lives.
    Simulate(simulate::Args),
    /// Look at the configuration.
    Config(config::Args),
}

/// Shape of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs: one document, or one line per event.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What every command is told beside its own arguments.
#[derive(Clone, Debug)]
pub struct Context {
    /// The environment of the process.
    pub environment: Environment,
    /// Shape of what is printed.
    pub output: Output,
}

/// The flags of commands that read the configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Configuration file, .toml or .json [default: $ATLAR_INGESTOR_CONFIG, else
    /// ./atlar-ingestor.toml if it exists].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Set a key, for example kafka.topicPrefix=bank; can be repeated. Secrets are refused.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = values::key_value)]
    pub overrides: Vec<Override>,
}

impl ConfigArgs {
    /// Where the configuration comes from.
    pub fn sources(&self, environment: &Environment) -> Sources {
        Sources {
            file: file_to_read(self.config.as_deref(), environment),
            overrides: self.overrides.clone(),
            environment: environment.clone(),
        }
    }
}

/// The flag of commands that are about one workspace.
#[derive(Debug, Args)]
pub struct WorkspaceArg {
    /// The workspace: a name below `workspaces`, or of an installed connector [default: that of the
    /// top-level keys].
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
}

impl WorkspaceArg {
    /// The workspace that is meant.
    pub fn select(&self, planned: Vec<Planned>) -> Result<Planned, Failure> {
        let names: Vec<String> =
            planned.iter().filter_map(|planned| planned.name().map(str::to_owned)).collect();
        let wanted = self.workspace.as_deref();
        planned.into_iter().find(|planned| planned.name() == wanted).ok_or_else(|| {
            let what = match wanted {
                Some(name) => format!("there is no workspace named {name}"),
                None => "there are several workspaces, all with a name".to_owned(),
            };
            let hint = match names.is_empty() {
                true => "leave --workspace out: there is one, without a name".to_owned(),
                false => format!("use --workspace with one of {}", names.join(", ")),
            };
            Failure::usage(what, hint)
        })
    }
}

/// Does what the command line asks.
pub async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::execute(args, context).await,
        Command::Setup(args) => setup::execute(args, context).await,
        Command::Tail(args) => tail::execute(args, context).await,
        Command::State(command) => state::execute(command, context).await,
        Command::Demo(args) => demo::execute(args, context).await,
        Command::Simulate(args) => simulate::execute(args, context).await,
        Command::Config(args) => config::execute(&args, context),
    }
}

/// Makes `--color` count for everything that is printed from here on.
pub fn apply_color(color: Color) {
    match color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Binds a port; exit code 4 where it is taken.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "another program has the port: stop it, or choose another port",
            ErrorKind::PermissionDenied => "choose a port above 1023",
            _ => "choose an address of this machine",
        };
        Failure::dependency(format!("cannot listen on {address}"), hint).because(error)
    })
}

/// Prints data. A reader that has seen enough (`| head`) is not an error.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let hint = "check where the output goes, for example whether the disk is full";
            Err(Failure::dependency("cannot write to standard output", hint).because(error))
        }
        _ => Ok(()),
    }
}

/// Prints a failure to stderr in the wanted shape. Where it cannot be printed, the exit code is
/// all that is left.
pub fn print_failure(failure: &Failure, output: Output) {
    let text = match output {
        Output::Text => failure.styled(),
        Output::Json => failure.to_json().to_string(),
    };
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

fn long_help() -> String {
    let mut text =
        "Try it without anything installed: atlar-ingestor demo\n\nExit codes:".to_owned();
    for (code, meaning) in ExitCode::ALL {
        text.push_str(&format!("\n  {:>3}  {meaning}", code.number()));
    }
    text
}
