//! Copies of a record inside another one, kept the same: external accounts in their counterparty,
//! the booked balance in its account.

use serde_json::{Map, Value};

use super::bank::{Bank, facts};
use super::make::stamp;
use super::record::{Gone, Kind, Record};

impl Bank {
    /// Carries a change of a record to its copies. `owner` is whose it was before.
    pub(super) fn follow(&mut self, kind: Kind, id: &str, owner: Option<&str>) {
        match kind {
            Kind::Counterparty => self.follow_counterparty(id),
            Kind::ExternalAccount => self.follow_external_account(id, owner),
            Kind::Account => self.follow_account(id),
            Kind::Balance => self.follow_balance(id),
            _ => {}
        }
    }

    /// The list of external accounts has what the counterparty embeds.
    pub(super) fn follow_counterparty(&mut self, id: &str) {
        let mut held = Vec::new();
        if self.is_here(Kind::Counterparty, id)
            && let Some(Value::Object(mut members)) = self.payload(Kind::Counterparty, id)
            && let Some(Value::Array(accounts)) = members.remove("externalAccounts")
        {
            held = accounts;
        }
        let mut kept = Vec::new();
        for account in held {
            let Some(account_id) = account.get("id").and_then(Value::as_str) else { continue };
            let account_id = account_id.to_owned();
            let same = self.is_here(Kind::ExternalAccount, &account_id)
                && self.payload(Kind::ExternalAccount, &account_id).as_ref() == Some(&account);
            if !same {
                self.put_copy(Kind::ExternalAccount, &account_id, &account);
            }
            kept.push(account_id);
        }
        let listed = self.table(Kind::ExternalAccount).list(Some(id));
        let rows = listed.into_iter().flat_map(|months| months.values().flatten());
        let table = self.table(Kind::ExternalAccount);
        let lost: Vec<_> = rows
            .filter_map(|place| table.row(place.row))
            .map(|record| record.id.clone())
            .filter(|account_id| !kept.iter().any(|kept| **kept == **account_id))
            .collect();
        for account_id in lost {
            self.set_gone_alone(Kind::ExternalAccount, &account_id, Some(Gone::Deleted));
        }
    }

    fn follow_external_account(&mut self, id: &str, owner: Option<&str>) {
        let record = self.table(Kind::ExternalAccount).find(id);
        let now = record.and_then(|record| record.facts.owner_id.clone());
        let payload = self.payload(Kind::ExternalAccount, id);
        let here = self.is_here(Kind::ExternalAccount, id);
        if let Some(owner) = owner.filter(|owner| now.as_deref() != Some(owner)) {
            self.embed(owner, id, None);
        }
        if let Some(now) = now {
            self.embed(&now, id, payload.filter(|_| here));
        }
    }

    /// Puts an external account into its counterparty, or takes it out.
    fn embed(&mut self, counterparty_id: &str, id: &str, account: Option<Value>) {
        // A counterparty that is gone, or is not an object, embeds nothing.
        let _ = self.edit_alone(Kind::Counterparty, counterparty_id, |members| {
            let mut accounts = match members.remove("externalAccounts") {
                Some(Value::Array(accounts)) => accounts,
                _ => Vec::new(),
            };
            let at = accounts.iter().position(|held| held.get("id").is_some_and(|held| held == id));
            match (at.and_then(|at| accounts.get_mut(at)), account) {
                (Some(held), Some(account)) => *held = account,
                (None, Some(account)) => accounts.push(account),
                (Some(_), None) => accounts.retain(|held| held.get("id").is_none_or(|h| h != id)),
                (None, None) => {}
            }
            members.insert("externalAccounts".to_owned(), Value::Array(accounts));
        });
    }

    /// The balances of an account go and come back with it.
    pub(super) fn follow_gone_account(&mut self, id: &str, gone: Option<Gone>) {
        let of_account = |record: &&Record| record.facts.owner_id.as_deref() == Some(id);
        let balances = self.table(Kind::Balance).rows().iter().filter(of_account);
        let balances: Vec<_> = balances.map(|balance| balance.id.clone()).collect();
        for balance in balances {
            self.set_gone_alone(Kind::Balance, &balance, gone);
        }
    }

    /// The list of balances has what the account embeds.
    fn follow_account(&mut self, id: &str) {
        let Some(Value::Object(mut embedded)) = self
            .payload(Kind::Account, id)
            .and_then(|mut account| account.get_mut("balance").map(Value::take))
        else {
            return;
        };
        let present = self.table(Kind::Balance).newest(id, "BOOKED").map(|found| found.id.clone());
        let named = embedded.get("id").and_then(Value::as_str).map(str::to_owned);
        let Some(balance_id) = named.or_else(|| present.map(|found| found.to_string())) else {
            return;
        };
        for (name, value) in [("id", balance_id.as_str()), ("accountId", id), ("type", "BOOKED")] {
            embedded.entry(name).or_insert_with(|| value.into());
        }
        let embedded = Value::Object(embedded);
        if self.payload(Kind::Balance, &balance_id).as_ref() != Some(&embedded) {
            self.put_copy(Kind::Balance, &balance_id, &embedded);
        }
    }

    /// The account embeds the balance it embedded before.
    fn follow_balance(&mut self, id: &str) {
        let Some(record) = self.table(Kind::Balance).find(id) else { return };
        let Some(account_id) = record.facts.owner_id.clone() else { return };
        let Some(balance) = self.payload(Kind::Balance, id) else { return };
        if self.embedded_balance(&account_id).as_deref() == Some(id) {
            // An account that is gone embeds nothing that could be seen.
            let _ = self.edit_alone(Kind::Account, &account_id, |account| {
                account.insert("balance".to_owned(), balance);
            });
        }
    }

    /// The id of the balance inside an account.
    pub(super) fn embedded_balance(&self, account_id: &str) -> Option<String> {
        let account = self.payload(Kind::Account, account_id)?;
        account.get("balance")?.get("id")?.as_str().map(str::to_owned)
    }

    fn put_copy(&mut self, kind: Kind, id: &str, payload: &Value) {
        let known = self.table(kind).find(id).map_or(0, |record| record.version);
        let shown = payload.get("version").and_then(Value::as_u64);
        let version = shown.and_then(|shown| u32::try_from(shown).ok()).unwrap_or(known + 1);
        let now = stamp(&mut self.dice, &self.settings.traps, self.clock.now_ms());
        let record = Record::new(id, version, facts(kind, payload), payload.to_string());
        self.admit(kind, if known == 0 { record } else { record.touched(&now) });
    }

    fn is_here(&self, kind: Kind, id: &str) -> bool {
        self.table(kind).find(id).is_some_and(|record| record.gone.is_none())
    }
}

/// Changes the object of this name inside, made if there is none.
pub(super) fn within(
    of: &mut Map<String, Value>,
    name: &str,
    change: impl FnOnce(&mut Map<String, Value>),
) {
    let mut members = match of.remove(name) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    change(&mut members);
    of.insert(name.to_owned(), Value::Object(members));
}
