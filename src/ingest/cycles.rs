//! What listings say beyond single records: which streams have been complete once, which lower
//! versions keep being served, and which record two accounts' lists serve at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::state::control::{Cycle, Persistence};
use crate::state::{EntityKey, View};

/// A lower version than the published one is believed after this many complete listings …
pub const STALE_LISTINGS_MIN: u32 = 3;
/// … over at least this long: a replica that lags catches up within it.
pub const STALE_AGE_MIN_MS: i64 = 15 * 60 * 1000;

/// More entities than this are not counted at a time: their record must fit a topic.
const STALE_MAX: usize = 2_000;

/// See the module.
pub struct Cycles {
    /// The records about streams, those in batches under way included.
    known: HashMap<String, Cycle>,
    /// Stale entities seen in the present listing of a stream.
    stale_now: HashMap<String, HashSet<EntityKey>>,
    /// Streams with a complete listing on record, for poll tasks.
    names: Arc<BTreeSet<String>>,
    /// Complete listings of each stream in this session.
    completed: HashMap<String, u64>,
    /// Entities that a list serves although they name another account, which serves them too, as
    /// far as is known; with the number of complete listings of that other list at the time.
    contested: HashMap<EntityKey, u64>,
}

impl Cycles {
    pub fn of(view: &View) -> Cycles {
        Cycles {
            known: view.cycles.clone(),
            names: Arc::new(view.cycles.keys().cloned().collect()),
            stale_now: HashMap::new(),
            completed: HashMap::new(),
            contested: HashMap::new(),
        }
    }

    /// Whether a complete listing of the stream is on record.
    pub fn has(&self, stream: &str) -> bool {
        self.known.contains_key(stream)
    }

    /// The streams with a complete listing on record.
    pub fn names(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.names)
    }

    /// The listing under way serves a lower version than the published one.
    pub fn saw_stale(&mut self, stream: &str, key: EntityKey) {
        match self.stale_now.get_mut(stream) {
            Some(keys) => {
                keys.insert(key);
            }
            None => {
                self.stale_now.insert(stream.to_owned(), HashSet::from([key]));
            }
        }
    }

    /// Whether a lower version of the entity has been served often and long enough to be believed.
    pub fn trusts_older(&self, stream: &str, key: EntityKey, now_ms: i64) -> bool {
        let Some(cycle) = self.known.get(stream).filter(|cycle| !cycle.stale.is_empty()) else {
            return false;
        };
        cycle.stale.get(&hex::encode(key.0)).is_some_and(|persistence| {
            persistence.listings >= STALE_LISTINGS_MIN
                && now_ms - persistence.since_ms >= STALE_AGE_MIN_MS
        })
    }

    /// A listing is complete. Returns the record to write, where it says something new: a listing
    /// that does not is not worth a transaction.
    pub fn finish(&mut self, stream: &str, listed: u64, now_ms: i64) -> Option<Cycle> {
        *self.completed.entry(stream.to_owned()).or_default() += 1;
        let seen = self.stale_now.remove(stream).unwrap_or_default();
        let known = self.known.get(stream);
        let before = known.map(|cycle| cycle.stale.clone()).unwrap_or_default();
        let stale: BTreeMap<String, Persistence> = seen
            .into_iter()
            .take(STALE_MAX)
            .map(|key| {
                let name = hex::encode(key.0);
                let first = Persistence { listings: 0, since_ms: now_ms };
                let so_far = before.get(&name).copied().unwrap_or(first);
                // Beyond what is needed there is nothing to count, nor to write.
                let listings = (so_far.listings + 1).min(STALE_LISTINGS_MIN);
                (name, Persistence { listings, ..so_far })
            })
            .collect();
        if known.is_some() && stale == before {
            return None;
        }
        let listings = known.map_or(0, |cycle| cycle.listings) + 1;
        let cycle =
            Cycle { stream: stream.to_owned(), listings, listed, finished_ms: now_ms, stale };
        self.known.insert(stream.to_owned(), cycle.clone());
        if !self.names.contains(stream) {
            Arc::make_mut(&mut self.names).insert(stream.to_owned());
        }
        Some(cycle)
    }

    /// The entity was served by the list of the account it names.
    pub fn saw_at_home(&mut self, key: EntityKey) {
        if !self.contested.is_empty() {
            self.contested.remove(&key);
        }
    }

    /// Whether to pass over a difference that another list serves than `home`, which is that of the
    /// account named in the record: it wins until a complete listing of it lacked the entity.
    pub fn home_wins(&mut self, key: EntityKey, home: &str) -> bool {
        let completed = self.completed.get(home).copied().unwrap_or(0);
        let since = *self.contested.entry(key).or_insert(completed);
        // The listing that was under way when the contest began may have passed the entity already.
        if completed > since + 1 {
            self.contested.remove(&key);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_account_wins_until_its_own_list_lacks_the_record() {
        let mut cycles = Cycles::of(&View::default());
        let key = EntityKey::of("payment", "p");
        assert!(cycles.home_wins(key, "payments/a"));
        for _ in 0..3 {
            cycles.saw_at_home(key);
            cycles.finish("payments/a", 1, 0);
            assert!(cycles.home_wins(key, "payments/a"), "its own list serves it");
        }
        cycles.finish("payments/a", 0, 0);
        assert!(cycles.home_wins(key, "payments/a"), "that listing may have begun before");
        cycles.finish("payments/a", 0, 0);
        assert!(!cycles.home_wins(key, "payments/a"), "a whole listing lacked it");
    }

    #[test]
    fn a_listing_that_says_nothing_new_is_not_recorded() {
        let mut cycles = Cycles::of(&View::default());
        let key = EntityKey::of("payment", "p");
        assert!(!cycles.has("s"));
        assert_eq!(cycles.finish("s", 5, 1).map(|cycle| cycle.listings), Some(1));
        assert!(cycles.has("s"));
        assert_eq!(cycles.finish("s", 5, 2), None);
        for expected in [Some(1), Some(2), Some(3), None] {
            cycles.saw_stale("s", key);
            let cycle = cycles.finish("s", 5, 3);
            let counted = cycle.and_then(|c| c.stale.into_values().next()).map(|p| p.listings);
            assert_eq!(counted, expected);
        }
        assert!(!cycles.trusts_older("s", key, 3 + STALE_AGE_MIN_MS - 1));
        assert!(cycles.trusts_older("s", key, 3 + STALE_AGE_MIN_MS));
        assert_eq!(cycles.finish("s", 5, 9).map(|cycle| cycle.stale.len()), Some(0));
    }
}
