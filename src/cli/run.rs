//! `run`: poll, compare, publish, serve.

use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Context, values};
use crate::app::settings::Reading;
use crate::app::workspace::{self, Ended};
use crate::app::{Mode, Settings};
use crate::clock::Clock;
use crate::config::{Config, Needs, SecretSource, load};
use crate::failure::{ExitCode, Failure};
use crate::http;
use crate::ingest::Commands;
use crate::secret::Secret;
use crate::status::Status;
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

    /// After a signal to stop: time to finish what is under way.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::duration)]
    pub drain_timeout: Duration,
}

/// Runs until it is told to stop, or once.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let config = load(&args.config.sources(&context.environment), Needs::Credentials)?;
    telemetry::start(&config.log)?;
    let clock = Clock::system();
    let settings = Settings::of(&config, clock.clone())?;
    let reading = Reading::of(&config)?;
    let status = Status::new(clock, settings.names.prefix());
    let mode = match (args.once, args.dry_run) {
        (_, true) => Mode::DryRun(Box::new(super::render::batch_printer(context.output))),
        (true, false) => Mode::Once,
        (false, false) => Mode::Forever,
    };
    let signals = Signals::listen()
        .map_err(|error| Failure::unexpected("cannot listen for signals").because(error))?;
    let forever = matches!(mode, Mode::Forever);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        prefix = settings.names.prefix(),
        kafka = settings.kafka.bootstrap_servers,
        base_url = reading.base_url,
        page_size = reading.page_size,
        "starting"
    );
    let served = if forever { Some(serve(&config, &status).await?) } else { None };
    let stop = CancellationToken::new();
    let (_commands, orders) = Commands::new();
    let drain = args.drain_timeout;
    let work = workspace::run(&settings, &reading, mode, orders, &status, &stop, drain);
    let outcome = stoppable(work, signals, &stop).await;
    if let Some(served) = served {
        served.stop().await;
    }
    outcome
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

async fn serve(config: &Config, status: &Status) -> Result<Served, Failure> {
    let token = config.http.admin_token.as_ref().map(SecretSource::read).transpose()?;
    serve_on(config.http.listen, token, status).await
}

/// Binds and serves the status page.
pub async fn serve_on(
    address: SocketAddr,
    admin_token: Option<Secret>,
    status: &Status,
) -> Result<Served, Failure> {
    let listener = super::bind(address).await?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!("status page at http://{address}/");
    let (group, fatal) = Group::new(CancellationToken::new());
    let options = http::Options { admin_token, status: status.clone() };
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
