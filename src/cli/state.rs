//! `state`: what the state topic says, and what only an operator may decide about it.

mod show;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Context, Output, WorkspaceArg};
use crate::app::accept::accept_generation;
use crate::app::connectors::planned;
use crate::app::inspect::{self, Wanted};
use crate::app::preflight::Patience;
use crate::app::rebuild::Rebuilt;
use crate::app::{self, Settings};
use crate::clock::Clock;
use crate::config::{Deployment, Needs};
use crate::failure::Failure;
use crate::telemetry;

/// The commands below `state`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show what the state topic says: the workspace, its streams, how many entities it knows.
    Inspect(Inspect),
    /// Print everything the state topic says, as JSON lines.
    Export(Export),
    /// Take a state that was lost from the events: the state topic is empty, the event topics are
    /// not.
    Rebuild(Rebuild),
    /// Let a stream move to another generation of Atlar's API although its listing there lacks
    /// records of it.
    AcceptGeneration(AcceptGeneration),
}

/// Which workspace, and where its configuration comes from.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArg,
}

/// The flags of `state inspect`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Only Kafka is read: a process that runs is not disturbed, and the local \
    store is not looked at."
)]
pub struct Inspect {
    #[command(flatten)]
    pub place: Place,

    /// Only these streams, as the log and the status page name them [default: all].
    #[arg(value_name = "STREAM", conflicts_with_all = ["entity", "id"])]
    pub streams: Vec<String>,

    /// One entity instead: of which kind, as in the topic's name.
    #[arg(long, value_name = "ENTITY", requires = "id")]
    pub entity: Option<String>,

    /// One entity instead: its id.
    #[arg(long, value_name = "ID", requires = "entity")]
    pub id: Option<String>,
}

/// The flags of `state export`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "The shape of each line is described in docs/state-format.md. Identifiers of \
    own accounts are keyed hashes there as here."
)]
pub struct Export {
    #[command(flatten)]
    pub place: Place,

    /// Record by record in the order of offsets, instead of the last one for each key.
    #[arg(long)]
    pub raw: bool,
}

/// The flags of `state rebuild`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Stop every instance first. Nothing is published, now or by the next run, but \
    what has changed at Atlar. A rebuild that broke off is run again; until it is done, nothing \
    else starts."
)]
pub struct Rebuild {
    #[command(flatten)]
    pub place: Place,
}

/// The flags of `state accept-generation`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "A running instance loses its session for a moment and goes on with the \
    decision. Records that are lacking there stay as they were published last."
)]
pub struct AcceptGeneration {
    #[command(flatten)]
    pub place: Place,

    /// The stream that is held, as the log and the status page name it.
    #[arg(value_name = "STREAM")]
    pub stream: String,
}

/// Does what the command line asks.
pub async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Inspect(args) => inspect(args, context).await,
        Command::Export(args) => export(args, context).await,
        Command::Rebuild(args) => rebuild(args, context).await,
        Command::AcceptGeneration(args) => accept(args, context).await,
    }
}

fn settings(place: Place, context: &Context) -> Result<Settings, Failure> {
    let deployment = Deployment::load(&place.config.sources(&context.environment), Needs::Nothing)?;
    telemetry::start(&deployment.top.log)?;
    let planned = place.workspace.select(planned(&deployment)?)?;
    Settings::of(&planned.workspace.config, Clock::system())
}

/// Does work that blocks. `doing` completes the sentence "… failed".
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::unexpected(doing).because(error))?
}

async fn inspect(args: Inspect, context: &Context) -> Result<(), Failure> {
    let settings = settings(args.place, context)?;
    let wanted = match (args.entity, args.id) {
        (Some(entity), Some(id)) => Wanted::Entity { entity, id },
        _ => Wanted::Workspace { streams: args.streams },
    };
    let document = blocking("inspecting", move || inspect::inspect(&settings, &wanted)).await?;
    super::print(&match context.output {
        Output::Json => format!("{document}\n"),
        Output::Text => show::text(&document),
    })
}

async fn export(args: Export, context: &Context) -> Result<(), Failure> {
    let settings = settings(args.place, context)?;
    let print = |document: &serde_json::Value| super::print(&format!("{document}\n"));
    blocking("exporting", move || inspect::export(&settings, args.raw, print)).await
}

async fn rebuild(args: Rebuild, context: &Context) -> Result<(), Failure> {
    let settings = settings(args.place, context)?;
    let patience = Patience { patient: false, stop: CancellationToken::new(), status: None };
    let rebuilt = app::rebuild::rebuild(&settings, &patience).await?;
    super::print(&match (context.output, rebuilt) {
        (Output::Json, None) => format!("{}\n", json!({ "rebuilt": false })),
        (Output::Json, Some(Rebuilt { events, entities, streams, batches })) => {
            let said = json!({ "rebuilt": true, "events": events, "entities": entities,
                "streams": streams, "batches": batches });
            format!("{said}\n")
        }
        (Output::Text, None) => "nothing to do: the state is there\n".to_owned(),
        (Output::Text, Some(Rebuilt { events, entities, streams, batches })) => format!(
            "the state was taken from {events} events: {entities} entities of {streams} streams, \
             in {batches} batch(es)\n"
        ),
    })
}

async fn accept(args: AcceptGeneration, context: &Context) -> Result<(), Failure> {
    let settings = settings(args.place, context)?;
    let accepted =
        blocking("accepting", move || accept_generation(&settings, &args.stream)).await?;
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
