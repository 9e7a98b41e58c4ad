//! `tail`: events as they are published, decoded.

use super::{ConfigArgs, Context, values};
use crate::failure::Failure;

/// The flags of `tail`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Topics, with or without the prefix: payment, atlar.payment [default: all event topics].
    #[arg(value_name = "TOPIC")]
    pub topics: Vec<String>,

    /// Where to begin: beginning, end, or -20 for the last 20 events of each topic.
    #[arg(
        long,
        value_name = "WHERE",
        default_value = "beginning",
        allow_hyphen_values = true,
        value_parser = values::from
    )]
    pub from: values::From,

    /// Begin with the last N events of each topic, as --from -N does.
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub last: Option<u64>,

    /// Stop at the end instead of waiting for more.
    #[arg(long)]
    pub exit: bool,

    /// Only events with this key.
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,

    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

impl Args {
    /// Where to begin, by either flag.
    pub fn begin(&self) -> values::From {
        self.last.map_or(self.from, values::From::Last)
    }
}

/// Prints events until it is told to stop, or to the end.
pub async fn execute(_args: Args, _context: &Context) -> Result<(), Failure> {
    Err(Failure::unexpected("`tail` is not part of this build"))
}
