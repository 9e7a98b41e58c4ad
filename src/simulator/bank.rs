//! The simulated workspace: its records, how it begins, and how records change.
//!
//! A change reads the record's own v1 text, edits it, raises the version as Atlar does, and writes
//! it anew: the text that is served is the only truth there is.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Settings;
use super::calendar::{day_of, shift};
use super::cast::{self, Own, Party};
use super::dice::Dice;
use super::make::{DAY_MS, Maker, Wanted, stamp};
use super::market::{MARKETS, UNLISTED};
use super::payload;
use super::record::{Facts, Gone, Kind, Record};
use super::table::Table;
use crate::clock::Clock;

/// Streams of the dice: the beginning of a world is the same whatever its life will be.
const BEGINNING: u64 = 1;
const LIFE: u64 = 2;

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
}

pub(super) struct Bank {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) dice: Dice,
    pub(super) owners: Vec<Own>,
    pub(super) parties: Vec<Party>,
    /// Rises with every change of any record.
    pub(super) revision: u64,
    accounts: Table,
    third_parties: Table,
    counterparties: Table,
    transactions: Table,
    external_payments: Table,
}

impl Bank {
    /// The world of this seed, as it is before its life begins.
    pub(super) fn begin(settings: Settings, clock: Clock) -> Bank {
        let mut bank = Bank {
            dice: Dice::new(settings.seed, BEGINNING),
            settings,
            clock,
            owners: Vec::new(),
            parties: Vec::new(),
            revision: 0,
            accounts: Table::new(Kind::Account),
            third_parties: Table::new(Kind::ThirdParty),
            counterparties: Table::new(Kind::Counterparty),
            transactions: Table::new(Kind::Transaction),
            external_payments: Table::new(Kind::ExternalPayment),
        };
        let now_ms = bank.clock.now_ms();
        bank.begin_accounts(now_ms);
        bank.begin_counterparties(now_ms);
        bank.begin_transactions(now_ms);
        bank.begin_external_payments(now_ms);
        for kind in Kind::ALL {
            bank.table_mut(kind).settle();
        }
        bank.dice = Dice::new(bank.settings.seed, LIFE);
        bank
    }

    pub(super) fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::Account => &self.accounts,
            Kind::ThirdParty => &self.third_parties,
            Kind::Counterparty => &self.counterparties,
            Kind::Transaction => &self.transactions,
            Kind::ExternalPayment => &self.external_payments,
        }
    }

    pub(super) fn table_mut(&mut self, kind: Kind) -> &mut Table {
        match kind {
            Kind::Account => &mut self.accounts,
            Kind::ThirdParty => &mut self.third_parties,
            Kind::Counterparty => &mut self.counterparties,
            Kind::Transaction => &mut self.transactions,
            Kind::ExternalPayment => &mut self.external_payments,
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

    fn begin_accounts(&mut self, now_ms: i64) {
        let banks =
            MARKETS.iter().chain([&UNLISTED]).map(|market| (market.bank, "BANK", market.bic));
        let services = [("Klarfluss Pay", "PSP", "KLFP"), ("Kartenwerk", "CARD_PROVIDER", "KRTW")];
        let mut third_parties = Vec::new();
        for (name, kind, bic) in banks.chain(services) {
            let id = self.dice.uuid();
            let vendor = bic.get(..4).unwrap_or(bic);
            let text = payload::third_party(&id, name, kind, vendor);
            self.third_parties.load(Record::new(&id, 1, Facts::default(), Bytes::from(text)));
            third_parties.push(id);
        }
        let entities = [self.dice.uuid(), self.dice.uuid()];
        for index in 0..self.settings.accounts {
            let mut maker = self.maker();
            let own = maker.own(index, &third_parties);
            let entity = entities.get(index % 2).map_or("", String::as_str);
            let record = maker.account(&own, entity, now_ms);
            self.accounts.load(record);
            self.owners.push(own);
        }
    }

    fn begin_counterparties(&mut self, now_ms: i64) {
        for _ in 0..self.settings.counterparties {
            let party = cast::party(&mut self.dice);
            let created_ms = now_ms - self.dice.between(30, 600) * DAY_MS;
            let record = self.maker().counterparty(&party, created_ms, true);
            self.counterparties.load(record);
            self.parties.push(party);
        }
    }

    /// Every account gets its number of entries; a transfer counts on both its accounts.
    fn begin_transactions(&mut self, now_ms: i64) {
        let each = self.settings.transactions_per_account;
        let mut missing = vec![each; self.settings.accounts];
        for own in 0..missing.len() {
            while let Some(left) = missing.get(own).copied().filter(|left| *left > 0) {
                let wanted = self.past(own, left, now_ms);
                let other = self.dice.index(missing.len());
                let transfer = self.dice.chance(60)
                    && other != own
                    && missing.get(other).is_some_and(|left| *left > 0);
                let made = if transfer {
                    if let Some(left) = missing.get_mut(other) {
                        *left -= 1;
                    }
                    self.maker().transfer(wanted, other).map(Vec::from)
                } else {
                    self.maker().entry(wanted).map(|record| vec![record])
                };
                for record in made.into_iter().flatten() {
                    self.transactions.load(record);
                }
                if let Some(left) = missing.get_mut(own) {
                    *left -= 1;
                }
            }
        }
    }

    /// Entries are spread over the history, newest last.
    fn past(&mut self, own: usize, left: usize, now_ms: i64) -> Wanted {
        let each = i64::try_from(self.settings.transactions_per_account).unwrap_or(1).max(1);
        let left = i64::try_from(left).unwrap_or(0);
        let days = i64::from(self.settings.history_days) * (left - 1) / each;
        let created_ms = now_ms - days * DAY_MS - self.dice.between(0, DAY_MS / 2);
        Wanted { own, date: shift(day_of(now_ms), -days), created_ms, minor_units: None, old: true }
    }

    fn begin_external_payments(&mut self, now_ms: i64) {
        for _ in 0..self.settings.external_payments {
            let own = self.dice.index(self.owners.len());
            if let Some(record) = self.maker().awaited(own, now_ms, true) {
                self.external_payments.load(record);
            }
        }
    }

    /// The record as it is served, if it is there.
    pub(super) fn payload(&self, kind: Kind, id: &str) -> Option<Value> {
        serde_json::from_slice(&self.table(kind).find(id)?.v1).ok()
    }

    /// Edits a record: version + 1, `updated` is now where the kind shows it.
    pub(super) fn edit(
        &mut self,
        kind: Kind,
        id: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<u32, EditError> {
        let now = stamp(&mut self.dice, self.clock.now_ms());
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
        if kind.shows_version() {
            members.insert("version".to_owned(), version.into());
        }
        if kind.shows_updated() {
            members.insert("updated".to_owned(), now.into());
        }
        let payload = Value::Object(members);
        let text = Bytes::from(payload.to_string());
        let record = Record::new(id, version, facts(kind, &payload), text);
        self.table_mut(kind).put(record);
        self.revision += 1;
        Ok(version)
    }

    /// Puts a record exactly as given, new or in place of the old one, whatever its text is.
    pub(super) fn put_raw(&mut self, kind: Kind, id: &str, text: &str) -> u32 {
        let payload: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let given = payload.get("version").and_then(Value::as_u64);
        let known = self.table(kind).find(id).map_or(0, |record| record.version);
        let version = given.and_then(|given| u32::try_from(given).ok()).unwrap_or(known + 1);
        let record = Record::new(id, version, facts(kind, &payload), Bytes::from(text.to_owned()));
        self.table_mut(kind).put(record);
        self.revision += 1;
        version
    }

    /// Takes a record away, or (with `None`) brings it back as it was.
    pub(super) fn set_gone(
        &mut self,
        kind: Kind,
        id: &str,
        gone: Option<Gone>,
    ) -> Result<u32, EditError> {
        if !self.table_mut(kind).set_gone(id, gone) {
            return Err(EditError::Unknown(kind.slug(), id.to_owned()));
        }
        self.revision += 1;
        Ok(self.table(kind).find(id).map_or(0, |record| record.version))
    }

    /// Adds a record that was made.
    pub(super) fn add(&mut self, kind: Kind, record: Record) {
        self.table_mut(kind).put(record);
        self.revision += 1;
    }
}

/// What lists look at, from the payload as it now is.
fn facts(kind: Kind, payload: &Value) -> Facts {
    if !kind.dated() {
        return Facts::default();
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let status = match kind {
        Kind::Transaction => payload.get("reconciliation").and_then(|found| found.get("status")),
        _ => payload.get("status"),
    };
    Facts {
        date: text(payload.get("date")).and_then(|date| date.parse().ok()),
        account_id: text(payload.get("account").and_then(|found| found.get("id")))
            .map(|id| id.as_str().into()),
        status: text(status).map(|status| status.as_str().into()),
    }
}
