//! `simulate`: a bank that behaves like Atlar.

use super::{Context, values};
use crate::failure::Failure;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The access key that the simulator takes unless it is told another.
pub const DEMO_ACCESS_KEY: &str = "demo-access-key";

/// The secret that belongs to it. Public, like the simulator's data.
pub const DEMO_SECRET: &str = "demo-secret";

/// The flags of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Credentials: accessKey \"demo-access-key\", secret \"demo-secret\", \
    unless files say otherwise.\nTruth for checkers: GET /_simulator/truth and /_simulator/served.")]
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

    /// How often something changes in the bank.
    #[arg(long, value_name = "RATE", default_value = "5/s", value_parser = values::rate)]
    pub rate: values::Rate,

    /// Spoil a share of the answers, for example 429=5%; can be repeated.
    #[arg(long = "fault", value_name = "FAULT=SHARE", value_parser = values::fault)]
    pub faults: Vec<values::FaultShare>,

    /// File with the access key to take.
    #[arg(long, value_name = "FILE", requires = "secret_file")]
    pub access_key_file: Option<PathBuf>,

    /// File with the secret to take.
    #[arg(long, value_name = "FILE", requires = "access_key_file")]
    pub secret_file: Option<PathBuf>,
}

/// Serves until it is told to stop.
pub async fn execute(_args: Args, _context: &Context) -> Result<(), Failure> {
    Err(Failure::unexpected("`simulate` is not part of this build"))
}
