//! `simulate`: a bank that behaves like Atlar.

use super::{Context, Output, values};
use crate::clock::Clock;
use crate::config::SecretSource;
use crate::failure::Failure;
use crate::simulator::{Error, Faults, Generations, Options, Schemes, Simulator, Traps};
use crate::supervise::Signals;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The access key that the simulator takes unless it is told another.
pub const DEMO_ACCESS_KEY: &str = "demo-access-key";

/// The secret that belongs to it. Public, like the simulator's data.
pub const DEMO_SECRET: &str = "demo-secret";

/// A generation of the API.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Generation {
    V1,
    V2,
}

/// A way to show who is asking.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Auth {
    Any,
    Basic,
    Hmac,
    Oauth2,
}

/// The flags of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Credentials: accessKey \"demo-access-key\", secret \"demo-secret\", \
    unless files say otherwise.\nTruth for checkers: GET /_simulator/truth and /_simulator/served.\n\
    Switches while it runs: /_simulator/faults, /_simulator/routes, /_simulator/hidden.")]
pub struct Args {
    /// Address to serve on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090",
        value_parser = values::address)]
    pub listen: SocketAddr,

    /// Decides everything about the bank.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// How many accounts the bank begins with.
    #[arg(long, value_name = "NUMBER", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub accounts: u32,

    /// How many booked entries each account begins with.
    #[arg(long, value_name = "NUMBER", default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub transactions: u32,

    /// How often something changes in the bank.
    #[arg(long, value_name = "RATE", default_value = "5/s", value_parser = values::rate)]
    pub rate: values::Rate,

    /// Spoil a share of the answers, for example 429=5%; can be repeated.
    #[arg(long = "fault", value_name = "FAULT=SHARE", value_parser = values::fault)]
    pub faults: Vec<values::FaultShare>,

    /// Serve one generation of the API only.
    #[arg(long, value_name = "GENERATION")]
    pub only: Option<Generation>,

    /// Answer 404 on a list, for example /v1/external-payments; can be repeated.
    #[arg(long, value_name = "PATH")]
    pub not_offered: Vec<String>,

    /// The credentials to take.
    #[arg(long, value_name = "SCHEME", default_value = "any")]
    pub auth: Auth,

    /// How long a bearer token lives.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::duration)]
    pub token_life: Duration,

    /// Full pages and tidy records: none of the habits that mislead a naive reader.
    #[arg(long)]
    pub tidy: bool,

    /// Some entries have amounts at the edges of 64 bits.
    #[arg(long)]
    pub extreme_amounts: bool,

    /// File with the access key to take.
    #[arg(long, value_name = "FILE", requires = "secret_file")]
    pub access_key_file: Option<PathBuf>,

    /// File with the secret to take.
    #[arg(long, value_name = "FILE", requires = "access_key_file")]
    pub secret_file: Option<PathBuf>,
}

/// Serves until it is told to stop.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let options = options(&args)?;
    let listener = super::bind(args.listen).await?;
    let mut signals = Signals::listen()
        .map_err(|error| Failure::unexpected("cannot listen for signals").because(error))?;
    let simulator = Simulator::start(listener, options, Clock::system()).await.map_err(
        |error| match error {
            Error::Offered(unknown) => {
                let hint = "a path as in the routes of `GET /_simulator/routes`";
                Failure::usage(format!("--not-offered: {unknown}"), hint)
            }
            other => {
                Failure::dependency("the simulator did not start", "see the cause").because(other)
            }
        },
    )?;
    let url = format!("http://{}", simulator.addr());
    let text = match context.output {
        Output::Json => format!("{}\n", serde_json::json!({ "base_url": url, "seed": args.seed })),
        Output::Text => format!("simulated bank on {url} (truth: {url}/_simulator/truth)\n"),
    };
    super::print(&text)?;
    signals.next().await;
    simulator.stop().await;
    Ok(())
}

fn options(args: &Args) -> Result<Options, Failure> {
    let read = |path: &Option<PathBuf>, default: &str| match path {
        None => Ok(default.to_owned()),
        Some(path) => SecretSource::of_file(path)
            .map(|source| source.secret.expose_secret().to_owned())
            .map_err(|error| {
                let what = format!("cannot read {}", path.display());
                Failure::configuration(what, "check the path and its rights").because(error)
            }),
    };
    let access_key = read(&args.access_key_file, DEMO_ACCESS_KEY)?;
    let secret = read(&args.secret_file, DEMO_SECRET)?;
    let mut faults = Faults::default();
    for share in &args.faults {
        let text = format!("{}={}%", share.fault, share.share * 100.0);
        let parsed: Faults = text.parse().map_err(|error| {
            Failure::usage(format!("--fault {text}: {error}"), "see `simulate --help`")
        })?;
        faults.0.extend(parsed.0);
    }
    Ok(Options {
        seed: args.seed,
        accounts: usize::try_from(args.accounts).unwrap_or(usize::MAX),
        transactions_per_account: usize::try_from(args.transactions).unwrap_or(usize::MAX),
        rate_per_second: args.rate.per_second,
        schemes: match args.auth {
            Auth::Any => Schemes::Any,
            Auth::Basic => Schemes::BasicOnly,
            Auth::Hmac => Schemes::HmacOnly,
            Auth::Oauth2 => Schemes::OAuthOnly,
        },
        token_life_ms: u64::try_from(args.token_life.as_millis()).unwrap_or(u64::MAX),
        generations: match args.only {
            None => Generations::Both,
            Some(Generation::V1) => Generations::V1Only,
            Some(Generation::V2) => Generations::V2Only,
        },
        not_offered: args.not_offered.clone(),
        extreme_amounts: args.extreme_amounts,
        faults,
        traps: if args.tidy { Traps::none() } else { Traps::all() },
        ..Options::new(access_key, secret)
    })
}
