//! What happens in the bank by itself: entries arrive, get matched and unmatched, awaited payments
//! move on, names change, a record is deleted. One step is one decision of the seeded dice.

mod early;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::bank::{Bank, EditError};
use super::calendar::shift;
use super::cast;
use super::follow::within;
use super::make::{OPEN_STATUSES, Wanted, local_day, stamp};
use super::market::{MARKETS, Market, decimal};
use super::record::{Gone, Kind, Record};

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Created,
    Changed,
    Reconciled,
    Unreconciled,
    Archived,
    Deleted,
    Restored,
}

/// One thing that happened in the bank. The text is for human eyes; names and amounts in it are
/// invented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeEvent {
    pub at_ms: i64,
    pub what: What,
    pub kind: Kind,
    pub id: String,
    pub version: u32,
    pub text: String,
}

/// How many candidates a step looks at before it lets go.
const TRIES: usize = 24;

impl Bank {
    /// One step of life; what happened, nothing if the dice found nobody to do it to.
    pub(super) fn step(&mut self) -> Vec<LifeEvent> {
        let mut log = Vec::new();
        let ticket = self.dice.below(1000);
        let done = match ticket {
            0..440 => self.live_entry(&mut log),
            440..490 => self.live_pending(&mut log),
            490..540 => self.live_debit(&mut log),
            540..690 => self.live_reconcile(&mut log),
            690..740 => self.live_unreconcile(&mut log),
            740..840 => self.live_awaited(&mut log),
            840..900 => self.live_progress(&mut log),
            900..915 => self.live_archive(&mut log),
            915..955 => self.live_counterparty(&mut log),
            955..965 => self.live_external_account(&mut log),
            965..975 => self.live_new_counterparty(&mut log),
            975..992 => self.live_alias(&mut log),
            992..996 => self.live_deletion(&mut log),
            _ => self.live_bank_name(&mut log),
        };
        // Nobody to do it to: a small bank may have no open entry left.
        if done.is_none() { Vec::new() } else { log }
    }

    fn live_entry(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let own = self.dice.index(self.owners.len());
        let other = self.dice.index(self.owners.len());
        let wanted = self.today(own);
        let made = if other != own && self.dice.chance(60) {
            Vec::from(self.maker().transfer(wanted, other)?)
        } else {
            vec![self.maker().entry(wanted)?]
        };
        for record in made {
            self.book(record, log);
        }
        Some(())
    }

    fn today(&mut self, own: usize) -> Wanted {
        let created_ms = self.clock.now_ms();
        let late = self.settings.traps.back_dated && self.dice.chance(80);
        let days = if late { self.dice.between(1, 40) } else { 0 };
        let date = shift(local_day(&self.settings.traps, self.market(own), created_ms), -days);
        Wanted { own, date, created_ms, minor_units: None, old: false }
    }

    /// Where an account is.
    pub(super) fn market(&self, own: usize) -> &'static Market {
        let market = self.owners.get(own).map(|own| own.market);
        market.or_else(|| MARKETS.first()).unwrap_or(&super::market::UNLISTED)
    }

    pub(super) fn own_of(&self, account_id: &str) -> Option<usize> {
        self.owners.iter().position(|own| own.id == account_id)
    }

    /// Creates an entry on an account, the first one if none is named.
    pub(super) fn create_entry(
        &mut self,
        account_id: Option<&str>,
        minor_units: Option<i64>,
        log: &mut Vec<LifeEvent>,
    ) -> Result<String, EditError> {
        let own = match account_id {
            None => 0,
            Some(id) => {
                self.own_of(id).ok_or_else(|| EditError::Unknown("accounts", id.to_owned()))?
            }
        };
        let created_ms = self.clock.now_ms();
        let date = local_day(&self.settings.traps, self.market(own), created_ms);
        let wanted = Wanted { own, date, created_ms, minor_units, old: false };
        let record = self.maker().entry(wanted).ok_or(EditError::NoAccount)?;
        let id = record.id.to_string();
        self.book(record, log);
        Ok(id)
    }

    /// Adds an entry and moves its account's balance.
    fn book(&mut self, record: Record, log: &mut Vec<LifeEvent>) {
        let (id, account_id) = (record.id.to_string(), record.facts.owner_id.clone());
        self.add(Kind::Transaction, record);
        self.note(log, What::Created, Kind::Transaction, &id);
        let units = self.payload(Kind::Transaction, &id).and_then(|payload| minor_units(&payload));
        if let (Some(account_id), Some(units)) = (account_id, units) {
            self.move_balance(&account_id, units, log);
        }
    }

    /// Moves both balances of an account, each with a version of its own; the account embeds the
    /// booked one if it did before, and is changed by it.
    pub(super) fn move_balance(&mut self, account_id: &str, units: i64, log: &mut Vec<LifeEvent>) {
        let Some(market) = self.own_of(account_id).map(|own| self.market(own)) else { return };
        let now_ms = self.clock.now_ms();
        let at = stamp(&mut self.dice, &self.settings.traps, now_ms);
        let day = local_day(&self.settings.traps, market, now_ms);
        let embedded = self.embedded_balance(account_id);
        for kind in ["BOOKED", "AVAILABLE"] {
            let newest = self.table(Kind::Balance).newest(account_id, kind);
            let Some(id) = newest.map(|balance| balance.id.to_string()) else { continue };
            let moved = self.edit(Kind::Balance, &id, |balance| {
                balance.insert("reportedType".to_owned(), "INTERIM".into());
                balance.insert("localDate".to_owned(), day.to_string().into());
                balance.insert("timestamp".to_owned(), at.as_str().into());
                within(balance, "amount", |amount| {
                    let before = amount.get("value").and_then(Value::as_i64).unwrap_or(0);
                    let after = before.saturating_add(units);
                    amount.insert("value".to_owned(), after.into());
                    amount.insert("stringValue".to_owned(), decimal(after, market.exponent).into());
                });
            });
            if moved.is_err() {
                continue;
            }
            self.note(log, What::Changed, Kind::Balance, &id);
            if embedded.as_deref() == Some(&id) {
                self.note(log, What::Changed, Kind::Account, account_id);
            }
        }
    }

    fn live_reconcile(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let id = self.somewhere(Kind::Transaction, |status| status == "BOOKED")?;
        self.reconcile(&id, None, log).ok()
    }

    /// Matches an entry with what is named, or with a payment we do not list.
    pub(super) fn reconcile(
        &mut self,
        id: &str,
        with: Option<(&'static str, &str)>,
        log: &mut Vec<LifeEvent>,
    ) -> Result<(), EditError> {
        let (kind, with) = match with {
            Some((kind, with)) => (kind, with.to_owned()),
            None => ("PAYMENT", self.dice.uuid()),
        };
        self.edit(Kind::Transaction, id, |entry| {
            within(entry, "reconciliation", |matched| {
                matched.insert("status".to_owned(), "RECONCILED".into());
                matched.insert("transactableId".to_owned(), with.into());
                matched.insert("transactableType".to_owned(), kind.into());
            });
        })?;
        self.note(log, What::Reconciled, Kind::Transaction, id);
        Ok(())
    }

    fn live_unreconcile(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        if !self.settings.traps.unreconcile {
            return None;
        }
        let id = self.somewhere(Kind::Transaction, |status| status == "RECONCILED")?;
        self.unreconcile(&id, log).ok()
    }

    pub(super) fn unreconcile(
        &mut self,
        id: &str,
        log: &mut Vec<LifeEvent>,
    ) -> Result<(), EditError> {
        self.edit(Kind::Transaction, id, |entry| {
            within(entry, "reconciliation", |matched| {
                matched.insert("status".to_owned(), "BOOKED".into());
                matched.remove("transactableId");
                matched.remove("transactableType");
            });
        })?;
        self.note(log, What::Unreconciled, Kind::Transaction, id);
        Ok(())
    }

    fn live_awaited(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let own = self.dice.index(self.owners.len());
        self.create_awaited(own, log).ok().map(|_| ())
    }

    /// Creates an external payment on the nth account.
    pub(super) fn create_awaited(
        &mut self,
        own: usize,
        log: &mut Vec<LifeEvent>,
    ) -> Result<String, EditError> {
        let now_ms = self.clock.now_ms();
        let record = self.maker().awaited(own, now_ms, false).ok_or(EditError::NoAccount)?;
        let id = record.id.to_string();
        self.add(Kind::ExternalPayment, record);
        self.note(log, What::Created, Kind::ExternalPayment, &id);
        Ok(id)
    }

    /// An awaited payment moves on; at its end the money is there and both sides are matched.
    fn live_progress(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let id = self.somewhere(Kind::ExternalPayment, |status| OPEN_STATUSES.contains(&status))?;
        let payload = self.payload(Kind::ExternalPayment, &id)?;
        let status = payload.get("status")?.as_str()?;
        let at = OPEN_STATUSES.iter().position(|open| *open == status)?;
        let next = OPEN_STATUSES.get(at + 1).filter(|_| at > 0);
        if let Some(next) = next {
            self.edit(Kind::ExternalPayment, &id, |awaited| {
                awaited.insert("status".to_owned(), (*next).into());
            })
            .ok()?;
            self.note(log, What::Changed, Kind::ExternalPayment, &id);
            return Some(());
        }
        let account_id = payload.get("account")?.get("id")?.as_str()?;
        let entry = self.create_entry(Some(account_id), minor_units(&payload), log).ok()?;
        self.reconcile(&entry, Some(("EXPECTED_TRANSACTION", &id)), log).ok()?;
        self.edit(Kind::ExternalPayment, &id, |awaited| {
            awaited.insert("status".to_owned(), "RECONCILED".into());
            within(awaited, "reconciliation", |matched| {
                matched.insert("status".to_owned(), "RECONCILED".into());
                matched.insert("bookedTransactionId".to_owned(), entry.into());
            });
        })
        .ok()?;
        self.note(log, What::Reconciled, Kind::ExternalPayment, &id);
        Some(())
    }

    fn live_archive(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let id = self.somewhere(Kind::ExternalPayment, |status| OPEN_STATUSES.contains(&status))?;
        self.edit(Kind::ExternalPayment, &id, |awaited| {
            awaited.insert("status".to_owned(), "ARCHIVED".into());
        })
        .ok()?;
        self.note(log, What::Archived, Kind::ExternalPayment, &id);
        Some(())
    }

    fn live_counterparty(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let id = self.somewhere(Kind::Counterparty, |_| true)?;
        let (mail, street) = (self.dice.digits(6), cast::street(&mut self.dice));
        let moves = self.dice.chance(400);
        self.edit(Kind::Counterparty, &id, |party| {
            within(party, "contactDetails", |contact| {
                contact.insert("email".to_owned(), format!("p{mail}@mail.example").into());
                if moves {
                    within(contact, "address", |address| {
                        address.insert("streetName".to_owned(), street.into());
                    });
                }
            });
        })
        .ok()?;
        self.note(log, What::Changed, Kind::Counterparty, &id);
        Some(())
    }

    fn live_new_counterparty(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let party = cast::party(&mut self.dice);
        let now_ms = self.clock.now_ms();
        let record = self.maker().counterparty(&party, now_ms, false);
        self.add(Kind::Counterparty, record);
        self.note(log, What::Created, Kind::Counterparty, &party.id);
        self.parties.push(party);
        Some(())
    }

    fn live_alias(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let id = self.somewhere(Kind::Account, |_| true)?;
        let alias = format!("{} {}", self.dice.word(cast::ALIASES), self.dice.digits(2));
        self.edit(Kind::Account, &id, |account| {
            account.insert("alias".to_owned(), alias.into());
        })
        .ok()?;
        self.note(log, What::Changed, Kind::Account, &id);
        Some(())
    }

    fn live_bank_name(&mut self, log: &mut Vec<LifeEvent>) -> Option<()> {
        let id = self.somewhere(Kind::ThirdParty, |_| true)?;
        let renamed = format!("{} Group", cast::company_name(&mut self.dice));
        self.edit(Kind::ThirdParty, &id, |bank| {
            bank.insert("name".to_owned(), renamed.into());
        })
        .ok()?;
        self.note(log, What::Changed, Kind::ThirdParty, &id);
        Some(())
    }

    pub(super) fn delete(
        &mut self,
        kind: Kind,
        id: &str,
        gone: Option<Gone>,
        log: &mut Vec<LifeEvent>,
    ) -> Result<(), EditError> {
        self.set_gone(kind, id, gone)?;
        let what = if gone.is_some() { What::Deleted } else { What::Restored };
        self.note(log, what, kind, id);
        Ok(())
    }

    /// A record whose status pleases, found by the dice within a few tries.
    pub(super) fn somewhere(
        &mut self,
        kind: Kind,
        pleases: impl Fn(&str) -> bool,
    ) -> Option<String> {
        for _ in 0..TRIES {
            let row = self.dice.index(self.table(kind).rows().len());
            let Some(record) = self.table(kind).rows().get(row) else { continue };
            if record.gone.is_none() && pleases(record.facts.status.as_deref().unwrap_or("")) {
                return Some(record.id.to_string());
            }
        }
        None
    }

    pub(super) fn note(&self, log: &mut Vec<LifeEvent>, what: What, kind: Kind, id: &str) {
        let Some(record) = self.table(kind).find(id) else { return };
        let payload = self.payload(kind, id).unwrap_or_else(|| json!({}));
        log.push(LifeEvent {
            at_ms: self.clock.now_ms(),
            what,
            kind,
            id: id.to_owned(),
            version: record.version,
            text: tale(what, kind, &payload),
        });
    }
}

pub(super) fn minor_units(payload: &Value) -> Option<i64> {
    payload.get("amount")?.get("value")?.as_i64()
}

/// One line for human eyes.
fn tale(what: What, kind: Kind, payload: &Value) -> String {
    let text = |path: &str| payload.pointer(path).and_then(Value::as_str).unwrap_or("");
    let money = || format!("{} {}", text("/amount/stringValue"), text("/amount/currency"));
    let did = match what {
        What::Created => "new",
        What::Changed => "changed",
        What::Reconciled => "reconciled",
        What::Unreconciled => "unreconciled",
        What::Archived => "archived",
        What::Deleted => "deleted",
        What::Restored => "back",
    };
    match kind {
        Kind::Transaction => {
            format!("{did} payment of {} on {}", money(), text("/account/name"))
        }
        Kind::ExternalPayment => {
            format!("{did} external payment of {} ({})", money(), text("/status"))
        }
        Kind::Account => format!(
            "{did} account {} \"{}\", balance {}",
            text("/name"),
            text("/alias"),
            text("/balance/amount/stringValue")
        ),
        Kind::Counterparty => format!("{did} counterparty {}", text("/name")),
        Kind::ThirdParty => format!("{did} bank {}", text("/name")),
        Kind::ExternalAccount => format!("{did} external account of a counterparty"),
        Kind::DirectDebit => format!("{did} direct debit of {} ({})", money(), text("/status")),
        Kind::PendingTransaction => format!("{did} pending payment of {}", money()),
        Kind::Balance => format!("{did} balance {} {}", text("/type"), money()),
    }
}

/// Tells everybody who listens; nobody listening is fine.
pub(super) fn tell(to: &broadcast::Sender<LifeEvent>, log: Vec<LifeEvent>) {
    for event in log {
        let _ = to.send(event);
    }
}
