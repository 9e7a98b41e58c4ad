//! What the state topic says in numbers: the fold, and how many entities of each kind it has.

use std::collections::BTreeMap;

use super::index::EntityKey;
use super::record::StateRecord;
use super::view::{Read, View};
use super::{Error, control};

/// Entities of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub live: u64,
    pub deleted: u64,
    /// The live ones by the generation of the API they were judged in.
    pub generations: BTreeMap<u8, u64>,
}

/// See the module.
#[derive(Default)]
pub struct Summary {
    pub view: View,
    /// By entity, as in the topic's name.
    pub entities: BTreeMap<String, Totals>,
    /// Live entities by stream.
    pub streams: BTreeMap<String, u64>,
    /// Records read.
    pub records: u64,
}

impl Summary {
    /// Applies one record, in the order of offsets.
    pub fn apply(&mut self, read: &Read) -> Result<(), Error> {
        if !control::is_control(&read.key)
            && let Some(value) = &read.value
        {
            self.count(read, &StateRecord::decode(value, read.offset)?);
        }
        self.view.apply(read)?;
        self.records += 1;
        Ok(())
    }

    /// Moves an entity from where it was counted to where it is now.
    fn count(&mut self, read: &Read, record: &StateRecord) {
        let name = read.key.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let totals = self.entities.entry(name).or_default();
        let index = &self.view.index;
        if let Some(old) = index.get(EntityKey::of_state_key(&read.key)) {
            if old.deleted {
                totals.deleted = totals.deleted.saturating_sub(1);
            } else {
                less(&mut totals.live);
                totals.generations.entry(old.generation).and_modify(less);
                let stream = index.stream_name(old.stream);
                if let Some(live) = self.streams.get_mut(stream) {
                    less(live);
                }
            }
        }
        if record.deleted {
            totals.deleted += 1;
        } else {
            totals.live += 1;
            *totals.generations.entry(record.generation).or_default() += 1;
            *self.streams.entry(record.stream.clone()).or_default() += 1;
        }
        totals.generations.retain(|_, live| *live > 0);
    }
}

fn less(number: &mut u64) {
    *number = number.saturating_sub(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Fingerprint;
    use crate::state::record;

    #[test]
    fn an_entity_is_counted_once_and_where_it_is_now() {
        let mut summary = Summary::default();
        let mut offset = 0;
        let mut apply = |id: &str, generation: u8, stream: &str, deleted: bool| {
            let state = StateRecord {
                deleted,
                quarantined: false,
                algorithm: 1,
                generation,
                event: None,
                change_no: 1,
                fingerprint: Fingerprint([0; 16]),
                version: None,
                batch_no: 1,
                resync: 0,
                stream: stream.to_owned(),
            };
            let (key, value) = (record::key("payment", id), Some(state.encode()));
            summary.apply(&Read { offset, key, value }).unwrap();
            offset += 1;
        };
        apply("1", 1, "payments/a", false);
        apply("2", 1, "payments/a", false);
        apply("3", 1, "payments/b", false);
        apply("1", 2, "payments/b", false);
        apply("2", 1, "payments/a", true);
        apply("4", 1, "payments/a", true);
        apply("4", 2, "payments/b", false);
        let totals = Totals { live: 3, deleted: 1, generations: BTreeMap::from([(1, 1), (2, 2)]) };
        assert_eq!(summary.entities, BTreeMap::from([("payment".to_owned(), totals)]));
        let streams = [("payments/a".to_owned(), 0), ("payments/b".to_owned(), 3)];
        assert_eq!((summary.streams, summary.records), (BTreeMap::from(streams), 7));
    }
}
