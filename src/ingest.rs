//! From observation to batch: the one writer of a workspace.
//!
//! ```text
//! poll tasks ──Message──► Owner ── judge ──► Building ──► writer thread ──► Kafka
//!   (bounded)               ▲                                  │
//!                           └──────── records read back ◄──────┘
//! ```
//!
//! The [`owner`] holds the view and is alone in changing anything. It diffs against the committed
//! view plus an overlay of at most two batches: one in commit, one being built. On any failure the
//! overlay and everything polled is dropped, the workspace is acquired again, and a new session
//! number tells the poll tasks to list again.

pub mod building;
pub mod commands;
pub mod cycles;
pub mod decisions;
pub mod dry_run;
pub mod event;
pub mod ids;
pub mod joins;
pub mod judge;
pub mod letters;
pub mod owner;
pub mod rebuild;
#[cfg(test)]
pub(crate) mod tests;
pub mod thread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::change::Tally;
use crate::domain::Generation;
use crate::poll::tree::Stream;

pub use commands::Commands;
pub use ids::Ids;
pub use judge::Refusal;
pub use judge::streams::Coverage;
pub use owner::{Owner, OwnerHandle, Phase};

/// Pages on their way to the owner. With pages of 500 records this holds a few megabytes.
pub const QUEUED_PAGES_MAX: usize = 8;

/// What poll tasks say to the owner.
#[derive(Debug)]
pub enum Message {
    Page(SeenPage),
    /// A complete listing of the stream was handed over.
    Finished {
        session_no: u64,
        stream: Stream,
        listed: u64,
        reply: building::Waiter,
    },
    /// The stream's list is not offered by the server.
    NotOffered {
        session_no: u64,
        stream: Stream,
    },
    /// The stream is to be read in its generation of the API, where nothing is on record yet.
    Decide {
        session_no: u64,
        stream: Stream,
        reply: oneshot::Sender<()>,
    },
    /// External payments are to be read from this list, where nothing is on record yet.
    Choose {
        session_no: u64,
        source: &'static str,
        reply: building::Waiter,
    },
    /// The stream is to be read in another generation than on record: `ids` is a complete listing
    /// there.
    Move {
        session_no: u64,
        stream: Stream,
        ids: Ids,
        reply: oneshot::Sender<Moved>,
    },
}

/// What became of a move to another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is on its way: a new session begins.
    Accepted,
    /// The listing lacks too much of what is live.
    Held(Coverage),
}

/// What is on record about the workspace that poll tasks go by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The reference lists that records may be joined with, sorted.
    pub lists: Vec<String>,
    /// Generation of the API, by stream.
    pub generations: Arc<BTreeMap<String, Generation>>,
    /// The list that external payments are read from, where it was chosen by itself.
    pub source: Option<String>,
    /// Streams that were read to the end at least once.
    pub completed: Arc<BTreeSet<String>>,
}

impl Known {
    pub fn generation(&self, stream: &str) -> Option<Generation> {
        self.generations.get(stream).copied()
    }

    pub fn has_list(&self, list: &str) -> bool {
        self.lists.iter().any(|known| known == list)
    }
}

/// A page of a stream, as received.
#[derive(Debug)]
pub struct SeenPage {
    /// The session in which the listing began: what was polled for an earlier one counts no more.
    pub session_no: u64,
    pub stream: Stream,
    pub items: Vec<Bytes>,
    pub requested_at: Instant,
    /// Milliseconds since 1970, when the page was received.
    pub received_ms: i64,
}

/// What became of a listing: counts of its records by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    pub tally: Tally,
}

/// The listing was dropped with the session it belonged to: list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the workspace was acquired anew")]
pub struct Dropped;

/// What a [`Message::Finished`] is answered with.
pub type Answer = oneshot::Receiver<Result<Published, Dropped>>;
