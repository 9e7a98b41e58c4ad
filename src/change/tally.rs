//! Counts of records by verdict.

use serde::Serialize;

/// Counts over some stretch of observations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub seen: u64,
    pub new: u64,
    pub changed: u64,
    pub same: u64,
    /// Same content under a higher version, or in another generation of the API.
    pub rebased: u64,
    /// A lower version than the published one, not believed yet.
    pub stale: u64,
    /// From an answer that crossed a publication.
    pub crossed: u64,
    /// From the list of another account than the record names.
    pub foreign: u64,
    /// Published once more on an operator's order.
    pub resynced: u64,
    /// Left out by configuration.
    pub excluded: u64,
    /// Names no organisation, and no other record has named the right one yet.
    pub unconfirmed: u64,
    /// Could not become an event.
    pub unmapped: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.seen += other.seen;
        self.new += other.new;
        self.changed += other.changed;
        self.same += other.same;
        self.rebased += other.rebased;
        self.stale += other.stale;
        self.crossed += other.crossed;
        self.foreign += other.foreign;
        self.resynced += other.resynced;
        self.excluded += other.excluded;
        self.unconfirmed += other.unconfirmed;
        self.unmapped += other.unmapped;
    }

    /// Events that came of it.
    pub fn events(&self) -> u64 {
        self.new + self.changed + self.resynced
    }
}
