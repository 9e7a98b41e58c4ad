//! `demo`: everything in one process.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::render::{self, Shown};
use super::run::serve_on;
use super::simulate::{DEMO_ACCESS_KEY, DEMO_SECRET};
use super::tail::follow;
use super::{Context, Output, values};
use crate::app::preflight::{Patience, kafka_failure};
use crate::app::settings::{Reading, SourceChoice};
use crate::app::setup::How;
use crate::app::{self, Commands, Mode, Settings, workspace};
use crate::atlar;
use crate::avro::embedded;
use crate::avro::registry::Endpoint;
use crate::clock::Clock;
use crate::config::{LogFormat, LogLevel, LogOptions};
use crate::failure::Failure;
use crate::kafka::embedded::EmbeddedBroker;
use crate::kafka::follower::Begin;
use crate::kafka::group::Members;
use crate::kafka::{self};
use crate::poll::tree::{self, Narrowing};
use crate::publish::Names;
use crate::recover::Pinned;
use crate::secret::{Credentials, Secret, SharedCredentials};
use crate::simulator::{self, LifeEvent, Simulator};
use crate::status::{Board, Status};
use crate::supervise::{Signal, Signals};
use crate::telemetry;

/// The flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Decides everything about the bank.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// How often something changes in the bank.
    #[arg(long, value_name = "RATE", default_value = "2/s", value_parser = values::rate)]
    pub rate: values::Rate,

    /// Address of the status page.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080",
        value_parser = values::address)]
    pub listen: SocketAddr,

    /// Stop by itself after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub stop_after: Option<Duration>,
}

/// Events after which the world starts over: the embedded broker keeps 5 MB a partition, and losing
/// the beginning of a topic is not what this program is about.
const EVENTS_MAX: u64 = 5_000;
/// How often the bank is asked. Real workspaces are asked every half hour.
const PERIOD: Duration = Duration::from_secs(2);
/// Requests a second: the simulator sits on the same machine.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
const IN_FLIGHT: NonZeroU32 = NonZeroU32::new(4).unwrap();
const PARTITIONS: i32 = 6;
const PREFIX: &str = "atlar";
const GROUP: &str = "atlar-ingestor-demo";
/// For the last batch after a signal.
const DRAIN: Duration = Duration::from_secs(10);

/// How a world ended.
enum WorldEnd {
    Stopped(Signal),
    TimeIsUp,
    Full,
}

/// Runs until it is told to stop.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let log = LogOptions { format: LogFormat::Text, level: LogLevel::Error };
    telemetry::start(&log)?;
    let mut signals = Signals::listen()
        .map_err(|error| Failure::unexpected("cannot listen for signals").because(error))?;
    let deadline = args.stop_after.map(|time| Instant::now() + time);
    let mut seed = args.seed;
    loop {
        match world(&args, seed, deadline, &mut signals, context.output).await? {
            WorldEnd::Full => {
                say("the embedded broker is full: starting over with a new bank")?;
                seed += 1;
            }
            WorldEnd::TimeIsUp | WorldEnd::Stopped(Signal::Terminate) => return Ok(()),
            WorldEnd::Stopped(Signal::Interrupt) => return say("stopped"),
        }
    }
}

/// One bank, one broker, one ingestor, from birth to end.
async fn world(
    args: &Args,
    seed: u64,
    deadline: Option<Instant>,
    signals: &mut Signals,
    output: Output,
) -> Result<WorldEnd, Failure> {
    let clock = Clock::system();
    let simulator = bank(args, seed, clock.clone()).await?;
    let mut life = simulator.subscribe();
    let names = Names::new(PREFIX);
    let topics = names.wanted(PARTITIONS).into_iter().map(|topic| (topic.name, topic.partitions));
    let broker =
        EmbeddedBroker::start(topics.collect()).map_err(|error| kafka_failure(error).failure)?;
    let registry_listener = super::bind(ANY_PORT).await?;
    let registry_url = local_url(&registry_listener)?;
    let registry = embedded::start(registry_listener);
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::dependency("no folder for the store", "free some disk").because(error)
    })?;
    let settings = settings(&broker, names, registry_url, folder.path(), clock.clone());
    let reading = reading(&simulator);
    let board = Board::new(clock);
    let status = board.add(None, PREFIX);
    let served = serve_on(super::bind(args.listen).await?, None, &board, None)?;
    let stop = CancellationToken::new();
    let patience = Patience { patient: false, stop: stop.clone(), status: None };
    app::setup::setup(&settings, &patience, How::default()).await?;
    let events = settings.names.events();
    let mut following = follow(&settings, &events, Begin::Beginning, false, &stop).await?;
    say(&format!(
        "a simulated bank on http://{}, a broker on {}, a registry on {}",
        simulator.addr(),
        broker.bootstrap_servers(),
        settings.public_registry_url(),
    ))?;
    say("bank = what happens in the bank; c, u, r = what arrives on the topics")?;
    say(&format!("status page: http://{}", served.address))?;

    let (_commands, orders) = Commands::new();
    let mode = Mode::Forever;
    let work = workspace::run(&settings, &reading, mode, orders, &status, &stop, DRAIN);
    let mut work = std::pin::pin!(work);
    let mut end = None;
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            event = life.recv() => if let Ok(event) = event {
                show_life(&event, output)?;
            },
            event = following.next(), if end.is_none() => if let Some((record, value)) = event? {
                show_event(&Shown { record: &record, value }, output)?;
            },
            signal = signals.next() => {
                if end.is_some() {
                    return Err(Failure::interrupted("stopped at once"));
                }
                end = Some(WorldEnd::Stopped(signal));
            }
            () = sleep_until(deadline), if end.is_none() => end = Some(WorldEnd::TimeIsUp),
            () = full(&status), if end.is_none() => end = Some(WorldEnd::Full),
        }
        if end.is_some() {
            stop.cancel();
        }
    };
    outcome?;
    served.stop().await;
    simulator.stop().await;
    registry.stop().await;
    // The broker's clients are gone by now; ending it blocks for a moment.
    let ended = tokio::task::spawn_blocking(move || drop(broker)).await;
    ended.map_err(|error| Failure::unexpected("the broker did not end").because(error))?;
    Ok(end.unwrap_or(WorldEnd::TimeIsUp))
}

const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn bank(args: &Args, seed: u64, clock: Clock) -> Result<Simulator, Failure> {
    let options = simulator::Options {
        seed,
        accounts: 6,
        counterparties: 15,
        transactions_per_account: 20,
        external_payments: 10,
        rate_per_second: args.rate.per_second,
        ..simulator::Options::new(DEMO_ACCESS_KEY, DEMO_SECRET)
    };
    let listener = super::bind(ANY_PORT).await?;
    Simulator::start(listener, options, clock)
        .await
        .map_err(|error| Failure::unexpected("the simulated bank did not start").because(error))
}

fn settings(
    broker: &EmbeddedBroker,
    names: Names,
    registry_url: String,
    folder: &Path,
    clock: Clock,
) -> Settings {
    Settings {
        kafka: kafka::Options {
            bootstrap_servers: broker.bootstrap_servers().to_owned(),
            properties: BTreeMap::new(),
        },
        names,
        pinned: Pinned {
            group_id: GROUP.to_owned(),
            base_url_host: "127.0.0.1".to_owned(),
            partitions: PARTITIONS,
        },
        replication: Some(1),
        registry: Endpoint {
            urls: vec![registry_url],
            username: None,
            password: None,
            timeout: Duration::from_secs(5),
        },
        include_raw: true,
        store: Some(folder.to_owned()),
        embedded_broker: true,
        members: Members::default(),
        clock,
    }
}

fn reading(simulator: &Simulator) -> Reading {
    let credentials =
        Credentials { access_key: DEMO_ACCESS_KEY.to_owned(), secret: Secret::new(DEMO_SECRET) };
    Reading {
        base_url: format!("http://{}", simulator.addr()),
        credentials: SharedCredentials::new(credentials),
        credential_files: None,
        auth: atlar::Auth::Auto,
        timeout: Duration::from_secs(10),
        page_size: 100,
        per_second: PER_SECOND,
        max_in_flight: IN_FLIGHT,
        allow_plain_http: false,
        periods: tree::TREE.iter().map(|branch| (branch.name, PERIOD)).collect(),
        generation: None,
        source: SourceChoice::Auto,
        narrowing: Narrowing::default(),
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Ends when the embedded broker has taken as much as it keeps.
async fn full(status: &Status) {
    let mut look = tokio::time::interval(Duration::from_secs(1));
    while status.snapshot().events < EVENTS_MAX {
        look.tick().await;
    }
}

fn local_url(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr();
    let address = address
        .map_err(|error| Failure::unexpected("no address for the registry").because(error))?;
    Ok(format!("http://{address}"))
}

fn say(text: &str) -> Result<(), Failure> {
    // Data is what happens; this is about it.
    let mut stderr = anstream::stderr().lock();
    match writeln!(stderr, "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::unexpected("cannot write to standard error").because(error))
        }
        _ => Ok(()),
    }
}

fn show_life(event: &LifeEvent, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => super::print(&format!("          bank  {}\n", event.text)),
        Output::Json => Ok(()),
    }
}

fn show_event(shown: &Shown<'_>, output: Output) -> Result<(), Failure> {
    let text = match output {
        Output::Text => render::line(shown),
        Output::Json => render::document(shown).to_string(),
    };
    super::print(&format!("{text}\n"))
}
