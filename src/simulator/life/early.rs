//! What is not booked yet: pending entries and direct debits. And what goes away.

use serde_json::{Value, json};

use super::{LifeEvent, What, minor_units};
use crate::simulator::bank::{Bank, EditError, facts};
use crate::simulator::follow::within;
use crate::simulator::make::more::DEBIT_WAY;
use crate::simulator::record::{Gone, Kind, Record};
use crate::simulator::v2;

impl Bank {
    /// The bank reports an entry early, or books one that it reported.
    pub(super) fn live_pending(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        if !self.settings.traps.pending {
            return None;
        }
        let waiting = self.dice.chance(500);
        match self.somewhere(Kind::PendingTransaction, |_| true).filter(|_| waiting) {
            Some(id) => self.book_pending(&id, log).ok().map(|_| ()),
            None => {
                let own = self.dice.index(self.owners.len());
                self.create_pending(own, None, log).ok().map(|_| ())
            }
        }
    }

    /// Reports a pending entry on the nth account.
    pub(in crate::simulator) fn create_pending(
        &mut self,
        own: usize,
        minor_units: Option<i64>,
        log: &mut Vec<LifeEvent>,
    ) -> Result<String, EditError> {
        let mut wanted = self.today(own);
        wanted.minor_units = minor_units;
        let entry = self.maker().entry(wanted).ok_or(EditError::NoAccount)?;
        let payload = v2::pending(&self.settings, &entry).ok_or(EditError::NoAccount)?;
        let id = entry.id.to_string();
        let kind = Kind::PendingTransaction;
        self.add(kind, Record::new(&id, 1, facts(kind, &payload), payload.to_string()));
        self.note(log, What::Created, kind, &id);
        Ok(id)
    }

    /// Books a pending entry: it is gone, and an entry with an id of its own is there.
    pub(in crate::simulator) fn book_pending(
        &mut self,
        id: &str,
        log: &mut Vec<LifeEvent>,
    ) -> Result<String, EditError> {
        let kind = Kind::PendingTransaction;
        let record = self.table(kind).find(id).filter(|record| record.gone.is_none());
        let unknown = || EditError::Unknown(kind.slug(), id.to_owned());
        let account_id = record.ok_or_else(unknown)?.facts.owner_id.clone();
        let payload = self.payload(kind, id).ok_or_else(unknown)?;
        let booked = self.create_entry(account_id.as_deref(), minor_units(&payload), log)?;
        let reference = payload.get("reference").and_then(Value::as_str).unwrap_or("").to_owned();
        self.set_gone(kind, id, Some(Gone::NotFound))?;
        self.note(log, What::Deleted, kind, id);
        // The same words, and no link: that is all a reader gets.
        self.edit(Kind::Transaction, &booked, |entry| {
            entry.insert("description".to_owned(), reference.as_str().into());
            within(entry, "remittanceInformation", |remittance| {
                remittance.insert("value".to_owned(), reference.into());
            });
        })?;
        Ok(booked)
    }

    pub(super) fn live_debit(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let open = |status: &str| DEBIT_WAY.contains(&status) && status != "RECONCILED";
        match self.somewhere(Kind::DirectDebit, open).filter(|_| self.dice.chance(750)) {
            Some(id) => {
                let fate = self.dice.below(100);
                let status = self.debit_status(&id).ok()?;
                let end = match (status.as_str(), fate) {
                    ("CREATED", 0..10) => Some("REJECTED"),
                    ("SENT" | "ACCEPTED", 0..10) => Some("FAILED"),
                    ("EXECUTED", 0..20) if self.settings.traps.returns => Some("RETURNED"),
                    _ => None,
                };
                match end {
                    Some(end) => self.set_debit_status(&id, end, log).ok(),
                    None => self.advance_debit(&id, log).ok().map(|_| ()),
                }
            }
            None => {
                let own = self.dice.index(self.owners.len());
                self.create_debit(own, log).ok().map(|_| ())
            }
        }
    }

    /// Creates a direct debit into the nth account.
    pub(in crate::simulator) fn create_debit(
        &mut self,
        own: usize,
        log: &mut Vec<LifeEvent>,
    ) -> Result<String, EditError> {
        let now_ms = self.clock.now_ms();
        let record = self.maker().debit(own, now_ms, false).ok_or(EditError::NoAccount)?;
        let id = record.id.to_string();
        self.add(Kind::DirectDebit, record);
        self.note(log, What::Created, Kind::DirectDebit, &id);
        Ok(id)
    }

    /// One step on its way; at the end the money is booked and both sides are matched. The new
    /// status; the old one where there is no further step.
    pub(in crate::simulator) fn advance_debit(
        &mut self,
        id: &str,
        log: &mut Vec<LifeEvent>,
    ) -> Result<String, EditError> {
        let status = self.debit_status(id)?;
        let at = DEBIT_WAY.iter().position(|known| *known == status);
        let Some(next) = at.and_then(|at| DEBIT_WAY.get(at + 1)) else { return Ok(status) };
        if *next != "RECONCILED" {
            self.set_debit_status(id, next, log)?;
            return Ok((*next).to_owned());
        }
        let payload = self.payload(Kind::DirectDebit, id).unwrap_or_default();
        let account_id = payload.pointer("/destinationAccount/id").and_then(Value::as_str);
        let entry = self.create_entry(account_id, minor_units(&payload), log)?;
        self.reconcile(&entry, Some(("PAYMENT", id)), log)?;
        self.edit(Kind::DirectDebit, id, |debit| {
            debit.insert("status".to_owned(), "RECONCILED".into());
            let attached = json!([{ "event": "RECONCILED", "transactionId": entry }]);
            debit.insert("attachedTransactions".to_owned(), attached);
            within(debit, "reconciliation", |matched| {
                matched.insert("status".to_owned(), "RECONCILED".into());
            });
        })?;
        self.note(log, What::Reconciled, Kind::DirectDebit, id);
        Ok((*next).to_owned())
    }

    fn debit_status(&self, id: &str) -> Result<String, EditError> {
        let record = self.table(Kind::DirectDebit).find(id);
        let status = record.map(|record| record.facts.status.as_deref().unwrap_or("").to_owned());
        status.ok_or_else(|| EditError::Unknown(Kind::DirectDebit.slug(), id.to_owned()))
    }

    fn set_debit_status(
        &mut self,
        id: &str,
        status: &str,
        log: &mut Vec<LifeEvent>,
    ) -> Result<(), EditError> {
        self.edit(Kind::DirectDebit, id, |debit| {
            debit.insert("status".to_owned(), status.into());
        })?;
        self.note(log, What::Changed, Kind::DirectDebit, id);
        Ok(())
    }

    /// A counterparty's account gets another number in the books.
    pub(super) fn live_external_account(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let id = self.somewhere(Kind::ExternalAccount, |_| true)?;
        let number = self.dice.digits(4);
        self.edit(Kind::ExternalAccount, &id, |account| {
            account.insert("externalMetadata".to_owned(), json!({ "erpAccount": number }));
        })
        .ok()?;
        self.note(log, What::Changed, Kind::ExternalAccount, &id);
        let owner = self.table(Kind::ExternalAccount).find(&id)?.facts.owner_id.clone()?;
        self.note(log, What::Changed, Kind::Counterparty, &owner);
        Some(())
    }

    /// Entries rarely, counterparties freely; never the last one of a kind.
    pub(super) fn live_deletion(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let entry = self.dice.chance(300);
        let kind = if entry { Kind::Transaction } else { Kind::Counterparty };
        let gone = if self.dice.chance(500) { Gone::Deleted } else { Gone::NotFound };
        if !self.settings.traps.deletions || self.table(kind).listed() < 2 {
            return None;
        }
        let id = self.somewhere(kind, |_| true)?;
        self.delete(kind, &id, Some(gone), log).ok()
    }
}
