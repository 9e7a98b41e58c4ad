//! The delivery promise: a batch of changes becomes visible as a whole, once, or not at all.
//!
//! ```text
//!  Batch ──► one Kafka transaction ─────────────────────────────► read back ──► view
//!            fresh producer, new epoch                            (committed
//!            1. events            → <prefix>.<entity>              records only)
//!            2. state records     → <prefix>.state   (with where each event lies)
//!            3. manifest          → <prefix>.state
//!            compare-and-set: the first state record lies right behind our last one,
//!            or nothing is committed
//! ```
//!
//! Why both the fresh epoch and the compare-and-set: the epoch keeps requests of older producers
//! out, but raising it also lets a process that slept push out its successor; then somebody else
//! has written to the state topic meanwhile, and the offset shows it. Whatever goes wrong, the
//! answer is the same: drop the producer, forget what was diffed, and [`acquire`](crate::recover)
//! again.

pub mod batch;
pub mod headers;
pub mod past;
pub mod topics;
pub mod writer;

pub use batch::{Batch, Event, What, Write};
pub use past::{History, Past, PastEvent};
pub use topics::Names;
pub use writer::{Error, Writer};
