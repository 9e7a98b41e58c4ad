//! `setup`: topics, schemas, genesis.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Context, Output};
use crate::app::preflight::Patience;
use crate::app::setup::How;
use crate::app::{self, Settings};
use crate::clock::Clock;
use crate::config::{Needs, Override, load};
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

    /// The same bank has a new address: from now on the workspace belongs to its host. Put it into
    /// the configuration too.
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
}

/// Creates what is missing, and says what it created.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let mut sources = args.config.sources(&context.environment);
    sources.overrides.extend(
        args.base_url.iter().map(|url| Override { path: "baseUrl".into(), text: url.clone() }),
    );
    let config = load(&sources, Needs::Nothing)?;
    telemetry::start(&config.log)?;
    let settings = Settings::of(&config, Clock::system())?;
    let patience = Patience { patient: false, stop: CancellationToken::new(), status: None };
    let steps = app::setup::setup(
        &settings,
        &patience,
        How { dry_run: args.dry_run, new_host: args.base_url.is_some() },
    )
    .await?;
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
