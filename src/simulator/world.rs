//! The hand that reaches into the bank: what a test or an operator does to it from outside.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::bank::{Bank, EditError};
use super::life::{LifeEvent, What, tell};
use super::record::{Gone, Kind};
use super::{Shared, read, write};

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
    /// As v1 serves it.
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
        let bank = read(&self.0.bank);
        let rows = bank.table(kind).rows().iter();
        rows.filter(|record| record.gone.is_none()).map(|record| record.id.to_string()).collect()
    }

    /// A record, deleted or not.
    pub fn get(&self, kind: Kind, id: &str) -> Option<Present> {
        let bank = read(&self.0.bank);
        let record = bank.table(kind).find(id)?;
        Some(Present {
            id: record.id.to_string(),
            version: record.version,
            deleted: record.gone,
            payload: serde_json::from_slice(&record.v1).unwrap_or(Value::Null),
        })
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
