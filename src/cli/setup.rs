//! `setup`: topics, schemas, genesis.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Context, Output, WorkspaceArg, values};
use crate::app::connectors::{Planned, planned};
use crate::app::host::of_workspace;
use crate::app::preflight::Patience;
use crate::app::setup::{How, Step};
use crate::app::{self, Settings};
use crate::clock::Clock;
use crate::config::{Deployment, Needs};
use crate::failure::Failure;
use crate::telemetry;

/// The flags of `setup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// The workspace to set up: a name below `workspaces`, or of an installed connector [default:
    /// all].
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,

    /// Print what would be created; write nothing anywhere.
    #[arg(long)]
    pub dry_run: bool,

    /// The same bank has a new address: from now on the workspace belongs to its host. Put it into
    /// the configuration too.
    #[arg(long, value_name = "URL", value_parser = values::host)]
    pub base_url: Option<String>,

    /// The deployment has a new group: from now on its workspaces belong to it, or that of
    /// --workspace alone. Refused while an instance of the old group is live. Put it into the
    /// configuration too, as kafka.groupId.
    #[arg(long, value_name = "GROUP", value_parser = values::group)]
    pub group_id: Option<String>,
}

/// Creates what is missing, and says what it created.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let deployment = Deployment::load(&args.config.sources(&context.environment), Needs::Nothing)?;
    telemetry::start(&deployment.top.log)?;
    let mut planned = planned(&deployment)?;
    // An address is that of one bank.
    if args.workspace.is_some() || args.base_url.is_some() {
        planned = vec![WorkspaceArg { workspace: args.workspace.clone() }.select(planned)?];
    }
    let (several, mut steps, mut first) = (planned.len() > 1, Vec::new(), Ok(()));
    for planned in planned {
        match set_up(&planned, &args).await {
            Ok(done) if several => {
                steps.extend(done.iter().map(|step| format!("{}: {step}", planned.prefix())));
            }
            Ok(done) => steps.extend(done),
            Err(failure) if several => {
                first = first.and(Err(of_workspace(failure, planned.prefix())));
            }
            Err(failure) => return Err(failure),
        }
    }
    let text = match context.output {
        Output::Json => format!("{}\n", json!({ "dry_run": args.dry_run, "steps": steps })),
        Output::Text if steps.is_empty() => "nothing to do: everything is set up\n".to_owned(),
        Output::Text => {
            let mark = if args.dry_run { "would " } else { "" };
            steps.iter().map(|step| format!("+ {mark}{step}\n")).collect()
        }
    };
    super::print(&text)?;
    first
}

async fn set_up(planned: &Planned, args: &Args) -> Result<Vec<Step>, Failure> {
    let mut settings = Settings::of(&planned.workspace.config, Clock::system())?;
    if let Some(host) = &args.base_url {
        host.clone_into(&mut settings.pinned.base_url_host);
    }
    if let Some(group) = &args.group_id {
        group.clone_into(&mut settings.pinned.group_id);
    }
    let patience = Patience { patient: false, stop: CancellationToken::new(), status: None };
    let how = How {
        dry_run: args.dry_run,
        new_host: args.base_url.is_some(),
        new_group: args.group_id.is_some(),
    };
    app::setup::setup(&settings, &patience, how).await
}
