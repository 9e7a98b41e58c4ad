//! `demo`: everything in one process.

use super::{Context, values};
use crate::failure::Failure;
use std::net::SocketAddr;
use std::time::Duration;

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

/// Runs until it is told to stop.
pub async fn execute(_args: Args, _context: &Context) -> Result<(), Failure> {
    Err(Failure::unexpected("`demo` is not part of this build"))
}
