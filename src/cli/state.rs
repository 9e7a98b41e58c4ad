//! `state`: what the state topic says, and what only an operator may decide about it.

use serde_json::json;

use super::{ConfigArgs, Context, Output, WorkspaceArg};
use crate::app::Settings;
use crate::app::accept::accept_generation;
use crate::app::connectors::planned;
use crate::clock::Clock;
use crate::config::{Deployment, Needs};
use crate::failure::Failure;
use crate::telemetry;

/// The commands below `state`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Let a stream move to another generation of Atlar's API although its listing there lacks
    /// records of it.
    AcceptGeneration(AcceptGeneration),
}

/// The flags of `state accept-generation`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "A running instance loses its session for a moment and goes on with the \
    decision. Records that are lacking there stay as they were published last."
)]
pub struct AcceptGeneration {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,

    /// The stream that is held, as the log and the status page name it.
    #[arg(value_name = "STREAM")]
    pub stream: String,
}

/// Does what the command line asks.
pub async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::AcceptGeneration(args) => accept(args, context).await,
    }
}

async fn accept(args: AcceptGeneration, context: &Context) -> Result<(), Failure> {
    let deployment = Deployment::load(&args.config.sources(&context.environment), Needs::Nothing)?;
    telemetry::start(&deployment.top.log)?;
    let planned = args.workspace.select(planned(&deployment)?)?;
    let settings = Settings::of(&planned.workspace.config, Clock::system())?;
    let work = tokio::task::spawn_blocking(move || accept_generation(&settings, &args.stream));
    let accepted =
        work.await.map_err(|error| Failure::unexpected("accepting").because(error))??;
    let (stream, generation) = (&accepted.stream, &accepted.generation);
    let (live, missing) = (accepted.live, accepted.missing);
    super::print(&match context.output {
        Output::Json => {
            let said = json!({ "stream": stream, "api_version": generation, "live": live,
                "missing": missing });
            format!("{said}\n")
        }
        Output::Text => format!(
            "the stream {stream} moves to {generation}, which lacked {missing} of its {live} live \
             records\n"
        ),
    })
}
