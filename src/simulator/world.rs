//! The hand that reaches into the bank: what a test or an operator does to it from outside.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::bank::{Bank, EditError};
use super::life::{LifeEvent, What, tell};
use super::options::Generation;
use super::record::{Gone, Kind, Record};
use super::{Shared, locked, read, v2, write};

/// A handle to the simulated bank; cheap to clone. Every edit raises the record's version as
/// Atlar does, and is told to those who subscribed.
#[derive(Clone)]
pub struct World(pub(super) Arc<Shared>);

/// A record as it is at present.
#[derive(Clone, Debug, PartialEq)]
pub struct Present {
    pub id: String,
    pub version: u32,
    pub deleted: Option<Gone>,
    /// As v1 serves it (as v2 does, for kinds that v1 does not have).
    pub payload: Value,
}

impl World {
    /// The organisation all records belong to.
    pub fn organization_id(&self) -> String {
        read(&self.0.bank).settings.organization_id.clone()
    }

    /// Rises with every change of any record.
    pub fn revision(&self) -> u64 {
        read(&self.0.bank).revision
    }

    /// The ids of a kind, deleted ones left out, oldest record first.
    pub fn ids(&self, kind: Kind) -> Vec<String> {
        read(&self.0.bank).ids(kind)
    }

    /// A record, deleted or not.
    pub fn get(&self, kind: Kind, id: &str) -> Option<Present> {
        Some(present(read(&self.0.bank).table(kind).find(id)?))
    }

    /// A record as v2 serves it, deleted or not.
    pub fn get_v2(&self, kind: Kind, id: &str) -> Option<Present> {
        let bank = read(&self.0.bank);
        let record = bank.table(kind).find(id)?;
        let payload = serde_json::from_slice(&v2::form(&bank, kind, record)).unwrap_or(Value::Null);
        Some(Present { payload, ..present(record) })
    }

    /// The balance of an account that counts, of this type (`BOOKED` or `AVAILABLE`).
    pub fn balance(&self, account_id: &str, kind: &str) -> Option<Present> {
        read(&self.0.bank).table(Kind::Balance).newest(account_id, kind).map(present)
    }

    /// Edits a record's members; the new version.
    pub fn edit(
        &self,
        kind: Kind,
        id: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<u32, EditError> {
        self.act(|bank, log| {
            let version = bank.edit(kind, id, change)?;
            bank.note(log, What::Changed, kind, id);
            Ok(version)
        })
    }

    /// Edits by a JSON merge patch (RFC 7396); the new version.
    pub fn patch(&self, kind: Kind, id: &str, patch: &Value) -> Result<u32, EditError> {
        let Value::Object(patch) = patch else { return Err(EditError::NotAnObject("patch")) };
        self.edit(kind, id, |members| merge(members, patch))
    }

    /// Puts a record exactly as given, new or in place of the old one: for payloads Atlar should
    /// not send. The version is the text's own, else one more than before.
    pub fn put(&self, kind: Kind, id: &str, json: &str) -> Result<u32, EditError> {
        serde_json::from_str::<Value>(json).map_err(|_| EditError::NotJson)?;
        self.act(|bank, log| {
            let known = bank.table(kind).find(id).is_some();
            let version = bank.put_raw(kind, id, json);
            bank.note(log, if known { What::Changed } else { What::Created }, kind, id);
            Ok(version)
        })
    }

    /// Books an entry on an account (the first one if none is named) and moves its balance; the
    /// entry's id. Without an amount the dice decide.
    pub fn create_transaction(
        &self,
        account_id: Option<&str>,
        minor_units: Option<i64>,
    ) -> Result<String, EditError> {
        self.act(|bank, log| bank.create_entry(account_id, minor_units, log))
    }

    /// Creates an external payment on the nth account; its id.
    pub fn create_external_payment(&self, account: usize) -> Result<String, EditError> {
        self.act(|bank, log| bank.create_awaited(account, log))
    }

    /// Moves both balances of an account without an entry.
    pub fn move_balance(&self, account_id: &str, minor_units: i64) -> Result<(), EditError> {
        self.act(|bank, log| {
            if bank.table(Kind::Balance).newest(account_id, "BOOKED").is_none() {
                return Err(EditError::Unknown("balances", account_id.to_owned()));
            }
            bank.move_balance(account_id, minor_units, log);
            Ok(())
        })
    }

    /// Has a pending entry reported on the nth account; its id. Without an amount the dice decide.
    pub fn create_pending_transaction(
        &self,
        account: usize,
        minor_units: Option<i64>,
    ) -> Result<String, EditError> {
        self.act(|bank, log| bank.create_pending(account, minor_units, log))
    }

    /// Books a pending entry: it is gone (404), and the entry whose id is given is there.
    pub fn book_pending_transaction(&self, id: &str) -> Result<String, EditError> {
        self.act(|bank, log| bank.book_pending(id, log))
    }

    /// Creates a direct debit into the nth account; its id.
    pub fn create_direct_debit(&self, account: usize) -> Result<String, EditError> {
        self.act(|bank, log| bank.create_debit(account, log))
    }

    /// Moves a direct debit one step on its way, which ends with RECONCILED; the status it has
    /// then in v1.
    pub fn advance_direct_debit(&self, id: &str) -> Result<String, EditError> {
        self.act(|bank, log| bank.advance_debit(id, log))
    }

    /// Switches lists (a path, or a beginning that ends in `*`) and their records off: they answer
    /// 404 or 410 with Atlar's error body.
    pub fn retire(&self, lists: &str, status: u16) -> Result<(), EditError> {
        locked(&self.0.offered).retire(lists, status)
    }

    /// The same for all lists of a generation, but those the other one has no counterpart of.
    pub fn retire_generation(&self, generation: Generation, status: u16) -> Result<(), EditError> {
        locked(&self.0.offered).retire_generation(generation, status)
    }

    /// Offers lists again.
    pub fn bring_back(&self, lists: &str) -> Result<(), EditError> {
        locked(&self.0.offered).bring_back(lists)
    }

    /// Lets v2 not know these records, in lists and by id.
    pub fn hide_in_v2(&self, kind: Kind, ids: &[String]) {
        let mut bank = write(&self.0.bank);
        bank.hidden_in_v2.entry(kind).or_default().extend(ids.iter().cloned());
    }

    /// Shows all records of a kind in v2 again.
    pub fn show_in_v2(&self, kind: Kind) {
        write(&self.0.bank).hidden_in_v2.remove(&kind);
    }

    /// Every bearer token given so far is refused from now on.
    pub fn expire_tokens(&self) {
        locked(&self.0.tokens).expire();
    }

    /// Matches a transaction.
    pub fn reconcile(&self, id: &str) -> Result<(), EditError> {
        self.act(|bank, log| bank.reconcile(id, None, log))
    }

    /// Undoes a match.
    pub fn unreconcile(&self, id: &str) -> Result<(), EditError> {
        self.act(|bank, log| bank.unreconcile(id, log))
    }

    /// Takes a record out of every list; by id it answers as `gone` says.
    pub fn delete(&self, kind: Kind, id: &str, gone: Gone) -> Result<(), EditError> {
        self.act(|bank, log| bank.delete(kind, id, Some(gone), log))
    }

    /// Brings a deleted record back as it was.
    pub fn restore(&self, kind: Kind, id: &str) -> Result<(), EditError> {
        self.act(|bank, log| bank.delete(kind, id, None, log))
    }

    /// How often the last page of this list was served, as far as the served log goes back.
    pub fn ends_served(&self, path: &str) -> usize {
        locked(&self.0.log).ends(path)
    }

    /// Lets the bank live so many steps at once, whatever its rate is.
    pub fn live(&self, steps: usize) {
        for _ in 0..steps {
            let log = write(&self.0.bank).step();
            tell(&self.0.events, log);
        }
    }

    fn act<T>(
        &self,
        deed: impl FnOnce(&mut Bank, &mut Vec<LifeEvent>) -> Result<T, EditError>,
    ) -> Result<T, EditError> {
        let mut log = Vec::new();
        let done = deed(&mut write(&self.0.bank), &mut log);
        tell(&self.0.events, log);
        done
    }
}

fn present(record: &Record) -> Present {
    Present {
        id: record.id.to_string(),
        version: record.version,
        deleted: record.gone,
        payload: serde_json::from_slice(&record.v1).unwrap_or(Value::Null),
    }
}

/// RFC 7396: null removes, objects are merged, everything else replaces.
fn merge(members: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, change) in patch {
        match change {
            Value::Null => {
                members.remove(key);
            }
            Value::Object(inner) => {
                let mut merged = match members.remove(key) {
                    Some(Value::Object(known)) => known,
                    _ => Map::new(),
                };
                merge(&mut merged, inner);
                members.insert(key.clone(), Value::Object(merged));
            }
            plain => {
                members.insert(key.clone(), plain.clone());
            }
        }
    }
}
