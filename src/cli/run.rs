//! `run`: poll, compare, publish, serve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::connectors::Hosted;
use super::{ConfigArgs, Context, values};
use crate::app::connectors::{self, ConnectorFile, Planned};
use crate::app::host::{self, Host};
use crate::app::workspace::{self, Ended};
use crate::app::{Commands, Mode};
use crate::clock::Clock;
use crate::config::{Deployment, Needs, SecretSource};
use crate::failure::{ExitCode, Failure};
use crate::http::{self, connectors::Connectors};
use crate::kafka::group::Members;
use crate::secret::Secret;
use crate::status::{Board, Status};
use crate::supervise::{Fatal, Group, Signal, Signals};
use crate::telemetry;

/// The flags of `run`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "With --once: a stream that failed ends in exit code 4, refused \
    credentials in 5, a workspace that another instance owns in 6. Without it, what can pass is \
    waited for.")]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// List every stream once, publish, and exit.
    #[arg(long)]
    pub once: bool,

    /// Print the events that would be published; write nothing anywhere.
    #[arg(long)]
    pub dry_run: bool,

    /// Start also without credentials, and wait for a connector to be installed over HTTP.
    #[arg(long, conflicts_with_all = ["once", "dry_run"])]
    pub await_install: bool,

    /// After a signal to stop: time to finish what is under way.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::duration)]
    pub drain_timeout: Duration,
}

/// Runs until it is told to stop, or once.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let needs = if args.await_install { Needs::Install } else { Needs::Credentials };
    let deployment = Deployment::load(&args.config.sources(&context.environment), needs)?;
    telemetry::start(&deployment.top.log)?;
    let mut planned = connectors::planned(&deployment)?;
    planned.retain(Planned::has_credentials);
    if planned.is_empty() && !args.await_install {
        // The file of connectors is there, but empty.
        deployment.top.atlar.credentials()?;
    }
    let signals = Signals::listen()
        .map_err(|error| Failure::unexpected("cannot listen for signals").because(error))?;
    let stop = CancellationToken::new();
    if args.once || args.dry_run {
        return stoppable(once(planned, &args, context, &stop), signals, &stop).await;
    }
    let clock = Clock::system();
    let board = Board::new(clock.clone());
    let host = Host::new(host::Options {
        clock,
        board: board.clone(),
        drain: args.drain_timeout,
        await_install: args.await_install,
        file: ConnectorFile::new(&deployment.top.connector_file),
        base: deployment.resolution,
        members: Members::default(),
        stop: stop.clone(),
    });
    let http = &deployment.top.http;
    let token = http.admin_token.as_ref().map(SecretSource::read).transpose()?;
    let listener = super::bind(http.listen).await?;
    if planned.is_empty() {
        tracing::info!("no connector is installed: waiting for the install call");
    }
    // Before anybody can ask: what is to run must not be missed in a list, nor installed again.
    planned.into_iter().for_each(|planned| host.start(planned));
    let served = serve_on(listener, token, &board, Some(Arc::new(Hosted(host.clone()))))?;
    let outcome = stoppable(host.run(), signals, &stop).await;
    served.stop().await;
    outcome
}

/// Runs each workspace once, all at a time. The failure is that of the first in the order of names.
async fn once(
    planned: Vec<Planned>,
    args: &Args,
    context: &Context,
    stop: &CancellationToken,
) -> Result<Ended, Failure> {
    let several = planned.len() > 1;
    let members = Members::default();
    let run = async |planned: &Planned| {
        let mode = match args.dry_run {
            true => Mode::DryRun(Box::new(super::render::batch_printer(context.output))),
            false => Mode::Once,
        };
        let (settings, reading) = host::parts(planned, &Clock::system(), &members)?;
        let status = Status::new(settings.clock.clone(), planned.prefix());
        let (_commands, orders) = Commands::new();
        let drain = args.drain_timeout;
        workspace::run(&settings, &reading, mode, orders, &status, stop, drain).await
    };
    let runs = planned.iter().map(|planned| run(planned).instrument(planned.span()));
    let outcomes = futures::future::join_all(runs).await;
    let mut first = Ok(Ended::Listed);
    for (planned, outcome) in planned.iter().zip(outcomes) {
        match outcome {
            Ok(ended) if first.is_ok() => first = Ok(ended),
            Err(failure) if several => {
                let failure = host::of_workspace(failure, planned.prefix());
                match first {
                    Ok(_) => first = Err(failure),
                    Err(_) => tracing::error!(hint = failure.hint, "{}", failure.message()),
                }
            }
            Err(failure) => first = Err(failure),
            Ok(_) => {}
        }
    }
    first
}

/// The HTTP side of a running process.
pub struct Served {
    group: Group,
    fatal: Fatal,
    pub address: SocketAddr,
}

/// How long open connections of the status page get to end.
const HTTP_DRAIN: Duration = Duration::from_secs(2);

impl Served {
    /// Stops serving: last of all, so that probes see the stop.
    pub async fn stop(mut self) {
        if !self.group.stop(HTTP_DRAIN).await {
            tracing::debug!("connections of the status page were cut");
        }
        if let Some(failure) = self.fatal.take() {
            tracing::warn!("{failure}");
        }
    }
}

/// Serves the status page, and the API of connectors where there is somebody to answer it.
pub fn serve_on(
    listener: TcpListener,
    admin_token: Option<Secret>,
    board: &Board,
    connectors: Option<Arc<dyn Connectors>>,
) -> Result<Served, Failure> {
    let address = listener
        .local_addr()
        .map_err(|error| Failure::unexpected("no address for the status page").because(error))?;
    tracing::info!("status page at http://{address}/");
    let (group, fatal) = Group::new(CancellationToken::new());
    let options = http::Options { admin_token, board: board.clone(), connectors };
    let serving = http::serve(listener, options, group.stop_token());
    group.start(async move {
        serving.await.map_err(|error| {
            Failure::dependency("the status page stopped", "see the cause").because(error)
        })
    });
    Ok(Served { group, fatal, address })
}

/// Lets `work` go on until it ends or a signal asks for a stop; a second signal ends it at once.
pub async fn stoppable(
    work: impl Future<Output = Result<Ended, Failure>>,
    mut signals: Signals,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut work = std::pin::pin!(work);
    let signal = tokio::select! {
        outcome = &mut work => return outcome.map(drop),
        signal = signals.next() => signal,
    };
    tracing::info!("stopping; a second signal stops at once");
    stop.cancel();
    let outcome = tokio::select! {
        outcome = work => outcome,
        _ = signals.next() => return Err(Failure::interrupted("stopped at once")),
    };
    match (outcome, signal) {
        // A service manager that asks for a stop gets what it asked for.
        (Ok(_), Signal::Terminate) => Ok(()),
        (Err(failure), Signal::Terminate) if failure.code == ExitCode::Interrupted => Ok(()),
        (Ok(_), Signal::Interrupt) => Err(Failure::interrupted("stopped")),
        (Err(failure), _) => Err(failure),
    }
}
