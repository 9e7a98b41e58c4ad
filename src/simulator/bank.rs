//! The simulated workspace: its records, how it begins, and how records change.
//!
//! A change reads the record's own v1 text, edits it, raises the version as Atlar does, and writes
//! it anew: the text that is served is the only truth there is.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::begin::BEGINNING;
use super::cast::{Own, Party};
use super::dice::Dice;
use super::make::{Maker, stamp};
use super::options::Settings;
use super::record::{Facts, Gone, Kind, Record};
use super::table::Table;
use crate::clock::Clock;

/// Why an edit was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("no {0} with the id {1}")]
    Unknown(&'static str, String),
    #[error("{0} {1} is deleted")]
    Deleted(&'static str, String),
    #[error("the {0} is not a JSON object and can only be put as a whole")]
    NotAnObject(&'static str),
    #[error("the bank has no account to put this on")]
    NoAccount,
    #[error("not JSON")]
    NotJson,
    #[error("a changed record must keep its id")]
    IdChanged,
    #[error("a list that is not offered answers 404 or 410")]
    Status,
}

pub(super) struct Bank {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) dice: Dice,
    pub(super) owners: Vec<Own>,
    pub(super) parties: Vec<Party>,
    /// Rises with every change of any record.
    pub(super) revision: u64,
    /// Records that v2 does not show.
    pub(super) hidden_in_v2: HashMap<Kind, HashSet<String>>,
    accounts: Table,
    third_parties: Table,
    counterparties: Table,
    transactions: Table,
    external_payments: Table,
    external_accounts: Table,
    direct_debits: Table,
    pending_transactions: Table,
    balances: Table,
}

impl Bank {
    /// The world of this seed, as it is before its life begins.
    pub(super) fn begin(settings: Settings, clock: Clock) -> Bank {
        let table = |kind| Table::new(kind, settings.traps.unordered);
        let mut bank = Bank {
            accounts: table(Kind::Account),
            third_parties: table(Kind::ThirdParty),
            counterparties: table(Kind::Counterparty),
            transactions: table(Kind::Transaction),
            external_payments: table(Kind::ExternalPayment),
            external_accounts: table(Kind::ExternalAccount),
            direct_debits: table(Kind::DirectDebit),
            pending_transactions: table(Kind::PendingTransaction),
            balances: table(Kind::Balance),
            dice: Dice::new(settings.seed, BEGINNING),
            settings,
            clock,
            owners: Vec::new(),
            parties: Vec::new(),
            revision: 0,
            hidden_in_v2: HashMap::new(),
        };
        bank.fill();
        bank
    }

    pub(super) fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::Account => &self.accounts,
            Kind::ThirdParty => &self.third_parties,
            Kind::Counterparty => &self.counterparties,
            Kind::Transaction => &self.transactions,
            Kind::ExternalPayment => &self.external_payments,
            Kind::ExternalAccount => &self.external_accounts,
            Kind::DirectDebit => &self.direct_debits,
            Kind::PendingTransaction => &self.pending_transactions,
            Kind::Balance => &self.balances,
        }
    }

    pub(super) fn table_mut(&mut self, kind: Kind) -> &mut Table {
        match kind {
            Kind::Account => &mut self.accounts,
            Kind::ThirdParty => &mut self.third_parties,
            Kind::Counterparty => &mut self.counterparties,
            Kind::Transaction => &mut self.transactions,
            Kind::ExternalPayment => &mut self.external_payments,
            Kind::ExternalAccount => &mut self.external_accounts,
            Kind::DirectDebit => &mut self.direct_debits,
            Kind::PendingTransaction => &mut self.pending_transactions,
            Kind::Balance => &mut self.balances,
        }
    }

    pub(super) fn maker(&mut self) -> Maker<'_> {
        Maker {
            settings: &self.settings,
            owners: &self.owners,
            parties: &self.parties,
            dice: &mut self.dice,
        }
    }

    /// The record as it is served, if it is there.
    pub(super) fn payload(&self, kind: Kind, id: &str) -> Option<Value> {
        serde_json::from_slice(&self.table(kind).find(id)?.v1).ok()
    }

    /// The ids of a kind, deleted ones left out, oldest record first.
    pub(super) fn ids(&self, kind: Kind) -> Vec<String> {
        let rows = self.table(kind).rows().iter();
        rows.filter(|record| record.gone.is_none()).map(|record| record.id.to_string()).collect()
    }

    /// Edits a record and its copies: version + 1, `updated` is now where the kind shows it.
    pub(super) fn edit(
        &mut self,
        kind: Kind,
        id: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<u32, EditError> {
        let owner = self.table(kind).find(id).and_then(|record| record.facts.owner_id.clone());
        let version = self.edit_alone(kind, id, change)?;
        self.follow(kind, id, owner.as_deref());
        Ok(version)
    }

    /// Edits a record; copies of it are left as they are.
    pub(super) fn edit_alone(
        &mut self,
        kind: Kind,
        id: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<u32, EditError> {
        let now = stamp(&mut self.dice, &self.settings.traps, self.clock.now_ms());
        let record = self
            .table(kind)
            .find(id)
            .ok_or_else(|| EditError::Unknown(kind.slug(), id.to_owned()))?;
        if record.gone.is_some() {
            return Err(EditError::Deleted(kind.slug(), id.to_owned()));
        }
        let version = record.version.saturating_add(1);
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&record.v1) else {
            return Err(EditError::NotAnObject(kind.slug()));
        };
        change(&mut members);
        if members.get("id").and_then(Value::as_str) != Some(id) {
            return Err(EditError::IdChanged);
        }
        if kind.shows_version() || members.contains_key("version") {
            members.insert("version".to_owned(), version.into());
        }
        if kind.shows_updated() || members.contains_key("updated") {
            members.insert("updated".to_owned(), now.as_str().into());
        }
        if members.contains_key("etag") {
            members.insert("etag".to_owned(), format!("version:{version}").into());
        }
        let payload = Value::Object(members);
        let text = payload.to_string();
        let record = Record::new(id, version, facts(kind, &payload), text);
        self.admit(kind, record.touched(&now));
        Ok(version)
    }

    /// Puts a record exactly as given, new or in place of the old one, whatever its text is.
    pub(super) fn put_raw(&mut self, kind: Kind, id: &str, text: &str) -> u32 {
        let payload: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let given = payload.get("version").and_then(Value::as_u64);
        let known = self.table(kind).find(id);
        let owner = known.and_then(|record| record.facts.owner_id.clone());
        let known = known.map_or(0, |record| record.version);
        let version = given.and_then(|given| u32::try_from(given).ok()).unwrap_or(known + 1);
        let record = Record::new(id, version, facts(kind, &payload), text.to_owned());
        self.admit(kind, record);
        self.follow(kind, id, owner.as_deref());
        version
    }

    /// Takes a record away, or (with `None`) brings it back as it was.
    pub(super) fn set_gone(
        &mut self,
        kind: Kind,
        id: &str,
        gone: Option<Gone>,
    ) -> Result<u32, EditError> {
        if !self.set_gone_alone(kind, id, gone) {
            return Err(EditError::Unknown(kind.slug(), id.to_owned()));
        }
        if kind == Kind::Account {
            self.follow_gone_account(id, gone);
        } else {
            self.follow(kind, id, None);
        }
        Ok(self.table(kind).find(id).map_or(0, |record| record.version))
    }

    pub(super) fn set_gone_alone(&mut self, kind: Kind, id: &str, gone: Option<Gone>) -> bool {
        self.revision += 1;
        self.table_mut(kind).set_gone(id, gone)
    }

    /// Adds a record that was made.
    pub(super) fn add(&mut self, kind: Kind, record: Record) {
        let id = record.id.clone();
        self.admit(kind, record);
        self.follow(kind, &id, None);
    }

    /// Adds a record, or puts it in the place of the one with its id.
    pub(super) fn admit(&mut self, kind: Kind, record: Record) {
        self.revision += 1;
        let (born, since) = (self.revision, self.revision);
        self.table_mut(kind).put(Record { born, since, ..record });
    }
}

/// What lists look at, from the payload as it now is.
pub(super) fn facts(kind: Kind, payload: &Value) -> Facts {
    let (date, owner_id, status) = match kind {
        Kind::Account | Kind::ThirdParty | Kind::Counterparty => return Facts::default(),
        Kind::ExternalAccount => ("", "/counterpartyId", ""),
        Kind::Transaction => ("/date", "/account/id", "/reconciliation/status"),
        Kind::ExternalPayment => ("/date", "/account/id", "/status"),
        Kind::DirectDebit => ("/date", "/destinationAccount/id", "/status"),
        Kind::PendingTransaction => ("/date", "/accountId", ""),
        Kind::Balance => ("/localDate", "/accountId", "/type"),
    };
    // An empty pointer is the record itself, which is no text.
    let text = |path: &str| payload.pointer(path).and_then(Value::as_str);
    Facts {
        date: text(date).and_then(|date| date.parse().ok()),
        owner_id: text(owner_id).map(Into::into),
        status: text(status).map(Into::into),
    }
}
