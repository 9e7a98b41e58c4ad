//! What the state topic says: the only truth about what has been published.
//!
//! The topic is compacted and has one partition. [`record`] is the record of one entity,
//! [`control`] the records about the workspace itself, [`view`] the fold of both in offset order,
//! [`index`] the part of that fold which the hot path asks. [`shown`] and [`summary`] are what
//! operators see of it; [`mod@format`] says which layouts this release reads and writes. All of it
//! is pure: bytes in, values out. Layout and compatibility rules: `docs/state-format.md`.

pub mod control;
pub mod format;
pub mod index;
pub mod record;
pub mod shown;
pub mod summary;
pub mod view;

pub use control::Control;
pub use index::{EntityKey, Index};
pub use record::StateRecord;
pub use summary::Summary;
pub use view::View;

/// A state record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Written by a newer release.
    #[error(
        "the state topic holds records of format {found}, this release reads formats up to {}",
        format::formats().newest.number()
    )]
    NewerFormat { found: u8 },
    /// Not a record of ours.
    #[error("the record at offset {offset} of the state topic is damaged or was not written by us")]
    Damaged { offset: i64 },
    /// Manifests are numbered 1, 2, 3 …: a number that does not rise means a second history.
    #[error(
        "batch {batch_no} at offset {offset} of the state topic does not follow the one before"
    )]
    Chain { batch_no: u64, offset: i64 },
}

impl Error {
    /// What an operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::NewerFormat { .. } => "run the release that wrote it, or a newer one",
            Error::Damaged { .. } | Error::Chain { .. } => {
                "make sure that nothing else may write to the state topic (ACLs), delete it, and run \
                 `atlar-ingestor state rebuild`"
            }
        }
    }
}
