//! `run`: poll, compare, publish, serve.

use super::{ConfigArgs, Context, values};
use crate::failure::Failure;
use std::time::Duration;

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
pub async fn execute(_args: Args, _context: &Context) -> Result<(), Failure> {
    Err(Failure::unexpected("`run` is not part of this build"))
}
