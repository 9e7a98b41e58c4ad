//! The join facts as this instance sees them: committed ones, and those of batches under way.
//!
//! Facts are learnt from reference lists and from accounts, and travel in the batch that is being
//! built when they are learnt, hence never later than the first batch that uses them.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::change::fingerprint::JoinOutcome;
use crate::domain::{Entity, Generation};
use crate::json::Json;
use crate::map;
use crate::state::control::ListStatus;
use crate::state::{Control, View};

/// See the module.
pub struct Joins {
    /// Identifiers are stored as hashes under a key of this workspace: they are personal data.
    key: [u8; 32],
    third_parties: HashMap<String, String>,
    own_identifiers: HashMap<[u8; 16], BTreeSet<String>>,
    lists: HashMap<String, ListStatus>,
    /// Sums of the hashes of all facts: the epoch that a short cut is bound to.
    bank_epoch: u64,
    own_epoch: u64,
    /// Facts for the batch being built.
    fresh: Vec<Control>,
}

impl Joins {
    /// The committed facts.
    pub fn of(view: &View) -> Joins {
        let genesis = view.genesis.as_ref().map_or(Uuid::nil(), |genesis| genesis.id);
        let key = blake3::derive_key("atlar-ingestor 2026 own identifier", genesis.as_bytes());
        let mut joins = Joins {
            key,
            third_parties: view.third_parties.clone(),
            own_identifiers: view.own_identifiers.clone(),
            lists: view.join_lists.clone(),
            bank_epoch: 0,
            own_epoch: 0,
            fresh: Vec::new(),
        };
        for (id, name) in &joins.third_parties {
            joins.bank_epoch = joins.bank_epoch.wrapping_add(pair_hash(id.as_bytes(), name));
        }
        for (hash, accounts) in &joins.own_identifiers {
            for account in accounts {
                joins.own_epoch = joins.own_epoch.wrapping_add(pair_hash(hash, account));
            }
        }
        joins
    }

    /// Learns an entry of the list of third parties. `false`: it is not one.
    pub fn learn_third_party(&mut self, entry: &Json<'_>) -> bool {
        let Some((id, name)) = map::third_party(entry) else { return false };
        let known = self.third_parties.get(id);
        if known.is_some_and(|known| known == name) {
            return true;
        }
        let old = known.map_or(0, |known| pair_hash(id.as_bytes(), known));
        self.bank_epoch =
            self.bank_epoch.wrapping_sub(old).wrapping_add(pair_hash(id.as_bytes(), name));
        self.third_parties.insert(id.to_owned(), name.to_owned());
        self.fresh.push(Control::ThirdParty { id: id.to_owned(), name: name.to_owned() });
        true
    }

    /// Learns the identifiers of an own account.
    pub fn learn_account(&mut self, id: &str, account: &Json<'_>, generation: Generation) {
        for identifier in map::own_identifiers(account, generation) {
            let hash = self.identifier_hash(&identifier);
            if self.own_identifiers.entry(hash).or_default().insert(id.to_owned()) {
                self.own_epoch = self.own_epoch.wrapping_add(pair_hash(&hash, id));
                self.fresh.push(Control::OwnIdentifier { hash, account_id: id.to_owned() });
            }
        }
    }

    /// Records that a reference list was read to its end, or is not offered. A list that was once
    /// complete stays so.
    pub fn record_list(&mut self, list: &str, status: ListStatus) {
        if self
            .lists
            .get(list)
            .is_none_or(|known| *known != status && status == ListStatus::Complete)
        {
            self.lists.insert(list.to_owned(), status);
            self.fresh.push(Control::JoinList { list: list.to_owned(), status });
        }
    }

    /// The lists whose joins can be judged, sorted.
    pub fn known_lists(&self) -> Vec<String> {
        let mut lists: Vec<String> = self.lists.keys().cloned().collect();
        lists.sort();
        lists
    }

    /// What the joins of a record come to.
    pub fn outcome<'s>(
        &'s self,
        entity: Entity,
        generation: Generation,
        record: &Json<'_>,
        account_id: Option<&str>,
    ) -> JoinOutcome<'s> {
        match entity {
            Entity::Account => {
                let id = map::third_party_of(record);
                let bank_name = id.and_then(|id| self.third_parties.get(id)).map(String::as_str);
                JoinOutcome { bank_name, own_counterparty: false }
            }
            Entity::Payment => {
                let others = map::counterparty_identifiers(record, generation);
                let own = others.iter().any(|identifier| {
                    let accounts = self.own_identifiers.get(&self.identifier_hash(identifier));
                    // An account's entry that names the account itself is no transfer.
                    accounts.is_some_and(|accounts| {
                        accounts.iter().any(|account| Some(account.as_str()) != account_id)
                    })
                });
                JoinOutcome { bank_name: None, own_counterparty: own }
            }
            Entity::Counterparty | Entity::ExternalPayment | Entity::Balance => {
                JoinOutcome::default()
            }
        }
    }

    /// Changes whenever the joins of records of this kind may come to something else.
    pub fn epoch(&self, entity: Entity) -> u64 {
        match entity {
            Entity::Account => self.bank_epoch,
            Entity::Payment => self.own_epoch,
            Entity::Counterparty | Entity::ExternalPayment | Entity::Balance => 0,
        }
    }

    /// The facts learnt since the last call: they belong in the batch being built.
    pub fn take_fresh(&mut self) -> Vec<Control> {
        std::mem::take(&mut self.fresh)
    }

    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    fn identifier_hash(&self, identifier: &str) -> [u8; 16] {
        let hash = blake3::keyed_hash(&self.key, identifier.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        bytes
    }
}

fn pair_hash(left: &[u8], right: &str) -> u64 {
    xxh3_64(left).rotate_left(32) ^ xxh3_64(right.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::view::Read;

    fn json(text: &str) -> Json<'_> {
        Json::parse(text.as_bytes()).unwrap()
    }

    const ACCOUNT: &str = r#"{"id":"a","thirdPartyId":"t","identifiers":[
        {"type":"IBAN","market":"DE","number":"DE89370400440532013000"}]}"#;
    const PAYMENT: &str = r#"{"id":"p","account":{"id":"b"},"counterpartyDetails":{"externalAccount":
        {"identifier":{"type":"IBAN","market":"DE","number":"de89 3704 0044 0532 0130 00"}}}}"#;

    #[test]
    fn outcomes_follow_the_facts_and_move_the_epoch_of_their_kind_only() {
        let mut joins = Joins::of(&View::default());
        let outcome = |joins: &Joins, account| {
            joins.outcome(Entity::Payment, Generation::V1, &json(PAYMENT), Some(account))
        };
        assert!(!outcome(&joins, "b").own_counterparty);
        let epochs = |joins: &Joins| (joins.epoch(Entity::Account), joins.epoch(Entity::Payment));
        let start = epochs(&joins);
        joins.learn_account("a", &json(ACCOUNT), Generation::V1);
        assert!(outcome(&joins, "b").own_counterparty);
        assert!(!outcome(&joins, "a").own_counterparty, "the account itself is no other account");
        assert_eq!(epochs(&joins).0, start.0);
        assert_ne!(epochs(&joins).1, start.1);
        joins.learn_third_party(&json(r#"{"id":"t","name":"Old"}"#));
        let named = epochs(&joins).0;
        joins.learn_third_party(&json(r#"{"id":"t","name":"New"}"#));
        assert_ne!(epochs(&joins).0, named);
        let account = joins.outcome(Entity::Account, Generation::V1, &json(ACCOUNT), None);
        assert_eq!(account.bank_name, Some("New"));
        assert!(!joins.learn_third_party(&json(r#"{"name":"x"}"#)));
    }

    #[test]
    fn facts_are_published_once_and_committed_facts_give_the_same_epochs() {
        let mut joins = Joins::of(&View::default());
        joins.learn_third_party(&json(r#"{"id":"t","name":"B"}"#));
        joins.learn_account("a", &json(ACCOUNT), Generation::V1);
        joins.record_list("accounts", ListStatus::NotOffered);
        joins.record_list("accounts", ListStatus::Complete);
        joins.record_list("accounts", ListStatus::NotOffered);
        let fresh = joins.take_fresh();
        assert_eq!(fresh.len(), 4);
        joins.learn_third_party(&json(r#"{"id":"t","name":"B"}"#));
        joins.learn_account("a", &json(ACCOUNT), Generation::V1);
        assert!(!joins.has_fresh());
        let mut view = View::default();
        for (offset, control) in (0..).zip(&fresh) {
            let read = Read { offset, key: control.key(), value: Some(control.value()) };
            view.apply(&read).unwrap();
        }
        let again = Joins::of(&view);
        assert_eq!(again.epoch(Entity::Account), joins.epoch(Entity::Account));
        assert_eq!(again.epoch(Entity::Payment), joins.epoch(Entity::Payment));
        assert_eq!(again.known_lists(), ["accounts"]);
    }
}
