//! The fold of the state topic: what is committed, and up to which offset.
//!
//! A view is fed only by records read back from the topic with `read_committed`, never from a
//! producer's answer: what it holds is what every other reader of the log would hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Error;
use super::control::{
    self, Control, Cycle, ExternalAccount, Genesis, Hold, Letter, ListStatus, Manifest, Rebuild,
    Resync, Session,
};
use super::index::{EntityKey, Index};
use super::record::StateRecord;

/// One record of the state topic, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// See the module.
#[derive(Default)]
pub struct View {
    pub index: Index,
    pub genesis: Option<Genesis>,
    pub session: Option<Session>,
    pub manifest: Option<Manifest>,
    pub organization: Option<String>,
    pub third_parties: HashMap<String, String>,
    /// The own accounts that have an identifier, by its keyed hash.
    pub own_identifiers: HashMap<[u8; 16], BTreeSet<String>>,
    pub cycles: HashMap<String, Cycle>,
    pub join_lists: HashMap<String, ListStatus>,
    /// The accounts of counterparties, by their ids.
    pub external_accounts: HashMap<String, ExternalAccount>,
    /// Generation of the API by stream: 1, 2.
    pub generations: BTreeMap<String, u8>,
    /// The list that external payments are read from.
    pub source: Option<String>,
    /// Dead letters by stream and id.
    pub letters: HashMap<String, BTreeMap<String, Letter>>,
    pub base_url_host: Option<String>,
    pub group_id: Option<String>,
    pub resync: Option<Resync>,
    pub rebuild: Option<Rebuild>,
    /// Moves to another generation that wait for an operator, by stream.
    pub holds: BTreeMap<String, Hold>,
    /// Offset of the next record to apply.
    pub next_offset: i64,
    /// The highest number of a format that a record had.
    pub newest_format: u8,
    /// The control records as read, by key: what the local store keeps.
    controls: BTreeMap<Vec<u8>, Vec<u8>>,
    dirty_controls: BTreeSet<Vec<u8>>,
}

impl View {
    /// Applies one record. Records arrive in the order of their offsets; those already applied are
    /// passed over, so that a stretch of the log may be read again.
    pub fn apply(&mut self, read: &Read) -> Result<(), Error> {
        if read.offset < self.next_offset {
            return Ok(());
        }
        if control::is_control(&read.key) {
            self.apply_control(read)?;
        } else if let (Some(value), true) = (&read.value, read.key.contains(&0)) {
            let record = StateRecord::decode(value, read.offset)?;
            self.index.apply(EntityKey::of_state_key(&read.key), &record);
        } else {
            // Every key of ours has a zero byte, and none is ever deleted: this is not ours.
            return Err(Error::Damaged { offset: read.offset });
        }
        let format = read.value.as_ref().and_then(|value| value.first().copied());
        self.newest_format = self.newest_format.max(format.unwrap_or_default());
        self.next_offset = read.offset + 1;
        Ok(())
    }

    fn apply_control(&mut self, read: &Read) -> Result<(), Error> {
        let Some(value) = &read.value else {
            self.controls.remove(&read.key);
            return Ok(());
        };
        match Control::decode(&read.key, value, read.offset)? {
            None => {}
            Some(Control::Genesis(genesis)) => self.genesis = Some(genesis),
            Some(Control::Session(session)) => self.session = Some(session),
            Some(Control::Manifest(manifest)) => {
                // Compaction keeps the last manifest only, so numbers may skip, but never fall.
                if manifest.batch_no <= self.batch_no() {
                    return Err(Error::Chain { batch_no: manifest.batch_no, offset: read.offset });
                }
                self.manifest = Some(manifest);
            }
            Some(Control::Cycle(cycle)) => {
                self.cycles.insert(cycle.stream.clone(), cycle);
            }
            Some(Control::Organization(id)) => self.organization = Some(id),
            Some(Control::ThirdParty { id, name }) => {
                self.third_parties.insert(id, name);
            }
            Some(Control::OwnIdentifier { hash, account_id }) => {
                self.own_identifiers.entry(hash).or_default().insert(account_id);
            }
            Some(Control::JoinList { list, status }) => {
                self.join_lists.insert(list, status);
            }
            Some(Control::ExternalAccount { id, fact: Some(fact) }) => {
                self.external_accounts.insert(id, fact);
            }
            Some(Control::ExternalAccount { id, fact: None }) => {
                self.external_accounts.remove(&id);
            }
            Some(Control::Generation { stream, generation }) => {
                self.generations.insert(stream, generation);
            }
            Some(Control::Source(name)) => self.source = Some(name),
            Some(Control::DeadLetter { stream, id, letter: Some(letter) }) => {
                self.letters.entry(stream).or_default().insert(id, letter);
            }
            Some(Control::DeadLetter { stream, id, letter: None }) => {
                if let Some(letters) = self.letters.get_mut(&stream) {
                    letters.remove(&id);
                }
            }
            Some(Control::BaseUrlHost(host)) => self.base_url_host = Some(host),
            Some(Control::GroupId(group)) => self.group_id = Some(group),
            Some(Control::Resync(resync)) => self.resync = Some(resync),
            Some(Control::Rebuild(rebuild)) => self.rebuild = Some(rebuild),
            Some(Control::Hold { stream, hold: Some(hold) }) => {
                self.holds.insert(stream, hold);
            }
            Some(Control::Hold { stream, hold: None }) => {
                self.holds.remove(&stream);
            }
        }
        self.dirty_controls.insert(read.key.clone());
        self.controls.insert(read.key.clone(), value.clone());
        Ok(())
    }

    /// Puts back a control record that the local store kept.
    pub fn restore_control(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.apply_control(&Read { offset: -1, key: key.to_vec(), value: Some(value.to_vec()) })
    }

    /// The control records as read, by key.
    pub fn controls(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.controls
    }

    /// Control records touched since they were last taken.
    pub fn take_dirty_controls(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let keys = std::mem::take(&mut self.dirty_controls);
        let found = keys.into_iter().filter_map(|key| self.controls.get_key_value(&key));
        found.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The host that the workspace belongs to: that of genesis, unless `setup --base-url` put
    /// another one on record.
    pub fn host(&self) -> Option<&str> {
        let genesis = self.genesis.as_ref().map(|genesis| &genesis.base_url_host);
        self.base_url_host.as_ref().or(genesis).map(String::as_str)
    }

    /// The group that the workspace belongs to: that of genesis, unless `setup --group-id` put
    /// another one on record.
    pub fn group(&self) -> Option<&str> {
        let genesis = self.genesis.as_ref().map(|genesis| &genesis.group_id);
        self.group_id.as_ref().or(genesis).map(String::as_str)
    }

    /// Whether the state was lost and has not been taken from the events to the end.
    pub fn is_partial(&self) -> bool {
        self.rebuild.as_ref().is_some_and(|rebuild| rebuild.finished_ms.is_none())
    }

    /// Number of the last committed batch; 0 before the first.
    pub fn batch_no(&self) -> u64 {
        self.manifest.as_ref().map_or(0, |manifest| manifest.batch_no)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::change::Fingerprint;
    use crate::state::record;

    fn read(offset: i64, control: &Control) -> Read {
        Read { offset, key: control.key(), value: Some(control.value()) }
    }

    #[test]
    fn folds_entities_and_controls_and_is_idempotent() {
        let state = StateRecord {
            deleted: false,
            quarantined: false,
            algorithm: 1,
            generation: 1,
            event: None,
            change_no: 1,
            fingerprint: Fingerprint([1; 16]),
            version: Some(1),
            batch_no: 1,
            resync: 0,
            stream: "accounts".into(),
        };
        let entity = |offset, change_no| Read {
            offset,
            key: record::key("account", "a"),
            value: Some(StateRecord { change_no, ..state.clone() }.encode()),
        };
        let session = Control::Session(Session {
            id: Uuid::from_u128(1),
            instance: "h/1".into(),
            started_ms: 0,
            program: "0".into(),
        });
        let log = [
            read(0, &session),
            entity(2, 1),
            read(3, &Control::ThirdParty { id: "t".into(), name: "Old".into() }),
            entity(5, 2),
            read(6, &Control::ThirdParty { id: "t".into(), name: "New".into() }),
            read(7, &Control::Organization("o".into())),
        ];
        let mut view = View::default();
        for record in log.iter().chain(&log[2..]) {
            view.apply(record).unwrap();
        }
        let entry = view.index.get(EntityKey::of("account", "a")).unwrap();
        assert_eq!((entry.change_no, view.index.len(), view.next_offset), (2, 1, 8));
        assert_eq!(view.third_parties["t"], "New");
        assert_eq!(view.organization.as_deref(), Some("o"));
        assert_eq!(view.take_dirty_controls().len(), 3);
        assert!(view.take_dirty_controls().is_empty());
    }

    #[test]
    fn host_and_group_are_those_of_genesis_until_others_are_on_record() {
        let genesis = Control::Genesis(Genesis {
            id: Uuid::from_u128(1),
            created_ms: 0,
            partitions: BTreeMap::new(),
            group_id: "old".into(),
            base_url_host: "old.example".into(),
        });
        let mut view = View::default();
        assert_eq!((view.host(), view.group()), (None, None));
        view.apply(&read(0, &genesis)).unwrap();
        assert_eq!((view.host(), view.group()), (Some("old.example"), Some("old")));
        view.apply(&read(2, &Control::GroupId("new".into()))).unwrap();
        assert_eq!((view.host(), view.group()), (Some("old.example"), Some("new")));
        view.apply(&read(4, &Control::BaseUrlHost("new.example".into()))).unwrap();
        view.apply(&read(6, &Control::GroupId("newer".into()))).unwrap();
        assert_eq!((view.host(), view.group()), (Some("new.example"), Some("newer")));
        // As the local store puts it back.
        let mut restored = View::default();
        for (key, value) in view.controls() {
            restored.restore_control(key, value).unwrap();
        }
        assert_eq!((restored.host(), restored.group()), (view.host(), view.group()));
    }

    #[test]
    fn manifests_rise() {
        let manifest = |offset, batch_no| {
            let manifest = Manifest {
                session: Uuid::nil(),
                batch_no,
                state_records: 0,
                events: 0,
                partitions: vec![],
                change_xor: String::new(),
                inbox_offset: None,
            };
            read(offset, &Control::Manifest(manifest))
        };
        let mut view = View::default();
        view.apply(&manifest(1, 7)).unwrap();
        view.apply(&manifest(3, 9)).unwrap();
        let broken = Err(Error::Chain { batch_no: 9, offset: 5 });
        assert_eq!(view.apply(&manifest(5, 9)), broken);
    }

    #[test]
    fn a_foreign_tombstone_is_damage() {
        let mut view = View::default();
        let read = Read { offset: 4, key: record::key("account", "a"), value: None };
        assert_eq!(view.apply(&read), Err(Error::Damaged { offset: 4 }));
    }
}
