//! `setup`: topics, schemas, genesis.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Context, Output};
use crate::app::preflight::Patience;
use crate::app::{self, Settings};
use crate::clock::Clock;
use crate::config::{Needs, load};
use crate::failure::Failure;
use crate::telemetry;

/// The flags of `setup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// Print what would be created; write nothing anywhere.
    #[arg(long)]
    pub dry_run: bool,
}

/// Creates what is missing, and says what it created.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let config = load(&args.config.sources(&context.environment), Needs::Nothing)?;
    telemetry::start(&config.log)?;
    let settings = Settings::of(&config, Clock::system())?;
    let patience = Patience { patient: false, stop: CancellationToken::new(), status: None };
    let steps = app::setup::setup(&settings, &patience, args.dry_run).await?;
    let text = match context.output {
        Output::Json => format!("{}\n", json!({ "dry_run": args.dry_run, "steps": steps })),
        Output::Text if steps.is_empty() => "nothing to do: everything is set up\n".to_owned(),
        Output::Text => {
            let mark = if args.dry_run { "would " } else { "" };
            steps.iter().map(|step| format!("+ {mark}{step}\n")).collect()
        }
    };
    super::print(&text)
}
