//! `setup`: topics, schemas, genesis.

use super::{ConfigArgs, Context};
use crate::failure::Failure;

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

/// Creates what is missing.
pub async fn execute(_args: Args, _context: &Context) -> Result<(), Failure> {
    Err(Failure::unexpected("`setup` is not part of this build"))
}
