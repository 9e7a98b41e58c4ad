//! The join facts as this instance sees them: committed ones, and those of batches under way.
//!
//! Facts are learnt from reference lists and from accounts, and travel in the batch that is being
//! built when they are learnt, hence never later than the first batch that uses them.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::change::fingerprint::JoinOutcome;
use crate::domain::{Account, Entity, ExternalAccount, Generation};
use crate::json::Json;
use crate::map;
use crate::state::control::{self, ListStatus};
use crate::state::{Control, View};

/// See the module.
pub struct Joins {
    /// Identifiers are stored as hashes under a key of this workspace: they are personal data.
    key: [u8; 32],
    third_parties: HashMap<String, String>,
    own_identifiers: HashMap<[u8; 16], BTreeSet<String>>,
    /// The accounts of counterparties by id, and the ids by counterparty.
    external: HashMap<String, (String, ExternalAccount)>,
    external_of: HashMap<String, BTreeSet<String>>,
    /// Ids in the present listing of them.
    external_seen: HashSet<String>,
    /// The present listing has an entry that cannot be read: nothing is gone for not being seen.
    external_doubt: bool,
    lists: HashMap<String, ListStatus>,
    /// Sums of the hashes of all facts: the epoch that a short cut is bound to.
    bank_epoch: u64,
    own_epoch: u64,
    external_epoch: u64,
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
            external: HashMap::new(),
            external_of: HashMap::new(),
            external_seen: HashSet::new(),
            external_doubt: false,
            lists: view.join_lists.clone(),
            bank_epoch: 0,
            own_epoch: 0,
            external_epoch: 0,
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
        for (id, fact) in &view.external_accounts {
            // A fact that this release cannot read is learnt anew from the next listing.
            if let Ok(account) = serde_json::from_value(fact.account.clone()) {
                joins.put_external(id, &fact.counterparty_id, account);
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

    /// Learns an entry of the list of counterparties' accounts. `false`: it is not one.
    pub fn learn_external_account(&mut self, entry: &Json<'_>, generation: Generation) -> bool {
        let learnt =
            map::external_account(entry, generation).and_then(|(counterparty_id, account)| {
                Some((account.id.clone()?, counterparty_id, account))
            });
        let Some((id, counterparty_id, account)) = learnt else {
            self.external_doubt = true;
            return false;
        };
        self.external_seen.insert(id.clone());
        let same = self.external.get(&id).is_some_and(|(known_id, known)| {
            *known_id == counterparty_id && same_account(known, &account)
        });
        if same {
            return true;
        }
        // Strings and numbers only: serialising cannot fail.
        let value = serde_json::to_value(&account).unwrap_or_default();
        let fact =
            control::ExternalAccount { counterparty_id: counterparty_id.clone(), account: value };
        self.put_external(&id, &counterparty_id, account);
        self.fresh.push(Control::ExternalAccount { id, fact: Some(fact) });
        true
    }

    /// The present listing of counterparties' accounts is not to be believed to be complete.
    pub fn doubt_external_accounts(&mut self) {
        self.external_doubt = true;
    }

    /// The list of counterparties' accounts has been read to its end: what it lacked is gone.
    pub fn finish_external_accounts(&mut self) {
        let seen = std::mem::take(&mut self.external_seen);
        if std::mem::take(&mut self.external_doubt) {
            return;
        }
        let gone: Vec<String> =
            self.external.keys().filter(|id| !seen.contains(*id)).cloned().collect();
        for id in gone {
            self.take_external(&id);
            self.fresh.push(Control::ExternalAccount { id, fact: None });
        }
    }

    fn put_external(&mut self, id: &str, counterparty_id: &str, account: ExternalAccount) {
        self.take_external(id);
        self.external_epoch =
            self.external_epoch.wrapping_add(account_hash(counterparty_id, &account));
        self.external_of.entry(counterparty_id.to_owned()).or_default().insert(id.to_owned());
        self.external.insert(id.to_owned(), (counterparty_id.to_owned(), account));
    }

    fn take_external(&mut self, id: &str) {
        let Some((counterparty_id, account)) = self.external.remove(id) else { return };
        self.external_epoch =
            self.external_epoch.wrapping_sub(account_hash(&counterparty_id, &account));
        if let Some(ids) = self.external_of.get_mut(&counterparty_id) {
            ids.remove(id);
        }
    }

    /// Learns the identifiers of an own account.
    pub fn learn_account(&mut self, id: &str, account: &Json<'_>, generation: Generation) {
        self.learn_identifiers(id, map::own_identifiers(account, generation));
    }

    /// Learns the identifiers of an own account as it was published.
    pub fn learn_published_account(&mut self, account: &Account) {
        let identifiers = map::published_identifiers(account);
        self.learn_identifiers(&account.id, identifiers);
    }

    fn learn_identifiers(&mut self, id: &str, identifiers: Vec<String>) {
        for identifier in identifiers {
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
    pub fn outcome(
        &self,
        entity: Entity,
        generation: Generation,
        record: &Json<'_>,
        id: &str,
        account_id: Option<&str>,
    ) -> Outcome {
        match entity {
            Entity::Account => {
                let third_party = map::third_party_of(record);
                let bank_name = third_party.and_then(|id| self.third_parties.get(id)).cloned();
                Outcome { bank_name, ..Outcome::default() }
            }
            Entity::Payment => {
                let others = map::counterparty_identifiers(record, generation);
                let own_counterparty = others.iter().any(|identifier| {
                    let accounts = self.own_identifiers.get(&self.identifier_hash(identifier));
                    // An account's entry that names the account itself is no transfer.
                    accounts.is_some_and(|accounts| {
                        accounts.iter().any(|account| Some(account.as_str()) != account_id)
                    })
                });
                Outcome { own_counterparty, ..Outcome::default() }
            }
            Entity::Counterparty if map::needs_external_accounts(record, generation) => {
                Outcome::of_external_accounts(self.external_accounts_of(id))
            }
            Entity::Counterparty | Entity::ExternalPayment | Entity::Balance => Outcome::default(),
        }
    }

    /// Oldest first.
    fn external_accounts_of(&self, counterparty_id: &str) -> Vec<ExternalAccount> {
        let ids = self.external_of.get(counterparty_id);
        let found = ids.into_iter().flatten().filter_map(|id| self.external.get(id));
        let mut accounts: Vec<ExternalAccount> =
            found.map(|(_, account)| account.clone()).collect();
        // By id already; stable.
        accounts.sort_by_key(|account| account.created_at);
        accounts
    }

    /// Changes whenever the joins of records of this kind may come to something else.
    pub fn epoch(&self, entity: Entity) -> u64 {
        match entity {
            Entity::Account => self.bank_epoch,
            Entity::Payment => self.own_epoch,
            Entity::Counterparty => self.external_epoch,
            Entity::ExternalPayment | Entity::Balance => 0,
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

/// What the joins of one record came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub bank_name: Option<String>,
    pub own_counterparty: bool,
    pub external_accounts: Vec<ExternalAccount>,
    external_text: Option<String>,
}

impl Outcome {
    fn of_external_accounts(accounts: Vec<ExternalAccount>) -> Outcome {
        let external_text = Some(account_text(&accounts));
        Outcome { external_accounts: accounts, external_text, ..Outcome::default() }
    }

    /// The part of it that is compared.
    pub fn compared(&self) -> JoinOutcome<'_> {
        JoinOutcome {
            bank_name: self.bank_name.as_deref(),
            own_counterparty: self.own_counterparty,
            external_accounts: self.external_text.as_deref(),
        }
    }
}

/// Accounts as one text, without what moves without meaning.
fn account_text(accounts: &[ExternalAccount]) -> String {
    let stripped: Vec<ExternalAccount> = accounts
        .iter()
        .map(|account| ExternalAccount { updated_at: None, ..account.clone() })
        .collect();
    serde_json::to_string(&stripped).unwrap_or_default()
}

fn account_hash(counterparty_id: &str, account: &ExternalAccount) -> u64 {
    pair_hash(counterparty_id.as_bytes(), &account_text(std::slice::from_ref(account)))
}

fn same_account(left: &ExternalAccount, right: &ExternalAccount) -> bool {
    account_text(std::slice::from_ref(left)) == account_text(std::slice::from_ref(right))
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
        let is_own = |joins: &Joins, account| {
            let payment = json(PAYMENT);
            let v1 = Generation::V1;
            let found = joins.outcome(Entity::Payment, v1, &payment, "p", Some(account));
            found.own_counterparty
        };
        assert!(!is_own(&joins, "b"));
        let epochs = |joins: &Joins| (joins.epoch(Entity::Account), joins.epoch(Entity::Payment));
        let start = epochs(&joins);
        joins.learn_account("a", &json(ACCOUNT), Generation::V1);
        assert!(is_own(&joins, "b"));
        assert!(!is_own(&joins, "a"), "the account itself is no other account");
        assert_eq!(epochs(&joins).0, start.0);
        assert_ne!(epochs(&joins).1, start.1);
        joins.learn_third_party(&json(r#"{"id":"t","name":"Old"}"#));
        let named = epochs(&joins).0;
        joins.learn_third_party(&json(r#"{"id":"t","name":"New"}"#));
        assert_ne!(epochs(&joins).0, named);
        let v1 = Generation::V1;
        let account = joins.outcome(Entity::Account, v1, &json(ACCOUNT), "a", None);
        assert_eq!(account.bank_name.as_deref(), Some("New"));
        assert!(!joins.learn_third_party(&json(r#"{"name":"x"}"#)));
    }

    #[test]
    fn accounts_of_counterparties_come_and_go_with_their_list() {
        let entry = |id: &str, number: &str| {
            format!(
                r#"{{"id":"{id}","counterpartyId":"c","market":"DE","created":"2026-01-01T00:00:00Z",
                "identifiers":[{{"type":"IBAN","market":"DE","number":"{number}"}}]}}"#
            )
        };
        let bare = json(r#"{"id":"c","legalName":"C"}"#);
        let outcome =
            |joins: &Joins| joins.outcome(Entity::Counterparty, Generation::V2, &bare, "c", None);
        let mut joins = Joins::of(&View::default());
        let none = joins.epoch(Entity::Counterparty);
        for id in ["e2", "e1"] {
            assert!(joins.learn_external_account(&json(&entry(id, "DE1")), Generation::V2));
        }
        let ids: Vec<_> = outcome(&joins)
            .external_accounts
            .into_iter()
            .filter_map(|account| account.id)
            .collect();
        assert_eq!(ids, ["e1", "e2"]);
        let (two, first) = (joins.epoch(Entity::Counterparty), outcome(&joins));
        joins.finish_external_accounts();
        let mut view = View::default();
        for (offset, control) in (0..).zip(joins.take_fresh()) {
            view.apply(&Read { offset, key: control.key(), value: Some(control.value()) }).unwrap();
        }
        let mut again = Joins::of(&view);
        assert_eq!((again.epoch(Entity::Counterparty), outcome(&again)), (two, first));
        assert!(again.learn_external_account(&json(&entry("e1", "DE1")), Generation::V2));
        assert!(!again.has_fresh(), "nothing new");
        again.finish_external_accounts();
        assert_eq!(again.take_fresh().len(), 1, "e2 is gone");
        assert_eq!(outcome(&again).external_accounts.len(), 1);
        assert!(again.learn_external_account(&json(&entry("e1", "DE2")), Generation::V2));
        assert_ne!(again.epoch(Entity::Counterparty), two);
        again.finish_external_accounts();
        again.finish_external_accounts();
        assert_eq!(again.epoch(Entity::Counterparty), none);
        assert!(again.learn_external_account(&json(&entry("e1", "DE2")), Generation::V2));
        let of_c = again.epoch(Entity::Counterparty);
        let moved = entry("e1", "DE2").replace(r#""c""#, r#""d""#);
        assert!(again.learn_external_account(&json(&moved), Generation::V2));
        assert_ne!(again.epoch(Entity::Counterparty), of_c, "it is another counterparty's now");
        assert!(outcome(&again).external_accounts.is_empty());
        // An entry that cannot be read may be any of them.
        again.finish_external_accounts();
        assert!(!again.learn_external_account(&json(r#"{"id":"x"}"#), Generation::V2));
        again.finish_external_accounts();
        assert_ne!(again.epoch(Entity::Counterparty), none);
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
