//! Deciding what changed: pure functions from what was seen and what is known to a verdict.
//!
//! ```text
//! record as received ──┐
//!                      ├─► fingerprint::content ──► classify ──► New | Changed | Same | …
//! outcome of its joins ┘                              ▲
//!                         what was last published ────┘
//! ```
//!
//! Nothing here does IO, reads a clock, or knows Kafka. The rules are those of `docs/events.md`;
//! [`rules`] says which numbers of them this release knows.

pub mod classify;
pub mod fingerprint;
pub mod rules;
pub mod tally;

pub use classify::{Class, Known, Seen, classify, is_older};
pub use fingerprint::{Fingerprint, Print};
pub use tally::Tally;
