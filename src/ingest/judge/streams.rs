//! What listings say as a whole, and what is decided about streams.

use super::Judge;
use crate::change::Class;
use crate::domain::Generation;
use crate::ingest::{Ids, Known};
use crate::poll::tree::{self, Stream};
use crate::state::control::ListStatus;
use crate::state::{Control, EntityKey};

/// How a listing compares with the live entities of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    pub live: u64,
    /// Live ones that the listing lacked.
    pub missing: u64,
}

impl Coverage {
    /// At most 1 %, or 2: what may have been deleted or booked meanwhile. More looks like a list
    /// that has other ids, or a narrower role.
    pub fn suffices(self) -> bool {
        self.missing <= (self.live / 100).max(2)
    }
}

impl Judge {
    /// A complete listing of the stream has been observed.
    pub fn finish(&mut self, stream: &Stream, listed: u64, now_ms: i64) {
        if stream.branch.name == tree::EXTERNAL_ACCOUNTS {
            self.joins.finish_external_accounts();
        }
        if stream.branch.entity.is_none() || stream.branch.name == tree::ACCOUNTS {
            self.record_list(stream, ListStatus::Complete);
        }
        if stream.branch.entity.is_none() {
            return;
        }
        self.finish_cycle(&stream.name, listed, now_ms);
        for inside in tree::inside(stream.branch.name, stream.generation) {
            let known = self.decisions.generation(&inside.name);
            if known.is_none_or(|known| known == inside.generation) {
                self.decide(&inside);
                let listed = self.inside_listed.remove(&inside.name).unwrap_or(0);
                self.finish_cycle(&inside.name, listed, now_ms);
            }
        }
    }

    fn finish_cycle(&mut self, stream: &str, listed: u64, now_ms: i64) {
        for cleared in self.letters.finish(stream) {
            self.building.push_control(cleared);
        }
        if let Some(cycle) = self.cycles.finish(stream, listed, now_ms) {
            self.building.push_control(Control::Cycle(cycle));
        }
    }

    /// A reference list was completed, or is not offered.
    pub fn record_list(&mut self, stream: &Stream, status: ListStatus) {
        self.joins.record_list(stream.branch.name, status);
        for fact in self.joins.take_fresh() {
            self.building.push_control(fact);
        }
    }

    /// The stream is read in its generation from now on, unless that was decided before.
    pub fn decide(&mut self, stream: &Stream) {
        if let Some(control) = self.decisions.decide(&stream.name, stream.generation) {
            self.building.push_control(control);
        }
    }

    /// External payments are read from this list from now on, unless that was decided before.
    pub fn choose_source(&mut self, name: &str) {
        if let Some(control) = self.decisions.choose_source(name) {
            self.building.push_control(control);
        }
    }

    /// Whether a page may be judged: it was read in the generation that is on record.
    pub fn obeys(&self, stream: &Stream) -> bool {
        let known: Option<Generation> = self.decisions.generation(&stream.name);
        known.is_none_or(|known| known == stream.generation)
    }

    /// How the ids of a complete listing compare with the live entities of a stream.
    pub fn coverage(&self, stream: &str, listed: &Ids) -> Coverage {
        let index = &self.view.index;
        let stream = index.find_stream(stream);
        let of_stream =
            |entry: &&crate::state::index::Entry| !entry.deleted && Some(entry.stream) == stream;
        let (mut live, mut missing) = (0, 0);
        for entry in index.iter().filter(of_stream) {
            live += 1;
            missing += u64::from(!listed.contains(entry.key));
        }
        Coverage { live, missing }
    }

    /// What poll tasks go by.
    pub fn known(&self) -> Known {
        Known {
            lists: self.joins.known_lists(),
            generations: self.decisions.generations(),
            source: self.decisions.source().map(str::to_owned),
            completed: self.cycles.names(),
        }
    }

    /// Whether the difference comes from another account's list than the record names, while the
    /// account named serves the entity itself: two lists that disagree would take turns for ever.
    pub(super) fn is_foreign(
        &mut self,
        stream: &Stream,
        account_id: Option<&str>,
        key: EntityKey,
        class: Class,
    ) -> bool {
        let (Some(list), Some(named)) = (stream.account_id.as_deref(), account_id) else {
            return false;
        };
        if list == named {
            self.cycles.saw_at_home(key);
            return false;
        }
        if class != Class::Changed {
            return false;
        }
        let home = format!("{}/{named}", stream.branch.name);
        let known = self.building.get(key).or_else(|| self.committing(key));
        let last = match (known, self.view.index.get(key)) {
            (Some(record), _) => record.stream.as_str(),
            (None, Some(entry)) => self.view.index.stream_name(entry.stream),
            (None, None) => return false,
        };
        last == home && self.cycles.home_wins(key, &home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_may_lack_one_in_a_hundred_or_two() {
        let suffices = |live, missing| Coverage { live, missing }.suffices();
        assert!(suffices(0, 0) && suffices(3, 2) && suffices(1000, 10) && suffices(199, 2));
        assert!(!suffices(3, 3) && !suffices(1000, 11) && !suffices(299, 3));
    }
}
