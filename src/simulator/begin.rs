//! The world of a seed as it is before its life begins.

use super::bank::Bank;
use super::calendar::{day_of, shift};
use super::cast;
use super::dice::Dice;
use super::make::{DAY_MS, Wanted};
use super::market::{MARKETS, RETIRED, UNLISTED};
use super::payload;
use super::record::{Facts, Kind, Record};

/// Streams of the dice: the beginning of a world is the same whatever its life will be.
pub(super) const BEGINNING: u64 = 1;
const LIFE: u64 = 2;

impl Bank {
    pub(super) fn fill(&mut self) {
        let now_ms = self.clock.now_ms();
        self.begin_accounts(now_ms);
        self.begin_counterparties(now_ms);
        self.begin_transactions(now_ms);
        self.begin_external_payments(now_ms);
        self.begin_direct_debits(now_ms);
        for kind in Kind::ALL {
            self.table_mut(kind).settle();
        }
        for counterparty in self.ids(Kind::Counterparty) {
            self.follow_counterparty(&counterparty);
        }
        if self.settings.traps.pending {
            for _ in 0..self.settings.pending_transactions {
                let own = self.dice.index(self.owners.len());
                // A bank without accounts has none.
                let _ = self.create_pending(own, None, &mut Vec::new());
            }
        }
        self.dice = Dice::new(self.settings.seed, LIFE);
        self.revision = 0;
        for kind in Kind::ALL {
            self.table_mut(kind).forget_revisions();
        }
    }

    fn begin_accounts(&mut self, now_ms: i64) {
        let markets = MARKETS.iter().chain([&UNLISTED, &RETIRED]);
        let banks = markets.map(|market| (market.bank, "BANK", market.bic));
        let services = [("Klarfluss Pay", "PSP", "KLFP"), ("Kartenwerk", "CARD_PROVIDER", "KRTW")];
        let mut third_parties = Vec::new();
        for (name, kind, bic) in banks.chain(services) {
            let id = self.dice.uuid();
            let vendor = bic.get(..4).unwrap_or(bic);
            let text = payload::third_party(&id, name, kind, vendor);
            self.load(Kind::ThirdParty, Record::new(&id, 1, Facts::default(), text));
            third_parties.push(id);
        }
        let entities = [self.dice.uuid(), self.dice.uuid()];
        for index in 0..self.settings.accounts {
            let mut maker = self.maker();
            let entity = entities.get(index % 2).map_or("", String::as_str);
            let own = maker.own(index, &third_parties, entity);
            let (record, balances) = maker.account(&own, now_ms);
            self.load(Kind::Account, record);
            for balance in balances {
                self.load(Kind::Balance, balance);
            }
            self.owners.push(own);
        }
    }

    fn begin_counterparties(&mut self, now_ms: i64) {
        for _ in 0..self.settings.counterparties {
            let party = cast::party(&mut self.dice);
            let created_ms = now_ms - self.dice.between(30, 600) * DAY_MS;
            let record = self.maker().counterparty(&party, created_ms, true);
            self.load(Kind::Counterparty, record);
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
                    && self.maker().may_transfer(own, other)
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
                    self.load(Kind::Transaction, record);
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
                self.load(Kind::ExternalPayment, record);
            }
        }
    }

    fn begin_direct_debits(&mut self, now_ms: i64) {
        for _ in 0..self.settings.direct_debits {
            let own = self.dice.index(self.owners.len());
            if let Some(record) = self.maker().debit(own, now_ms, true) {
                self.load(Kind::DirectDebit, record);
            }
        }
    }

    fn load(&mut self, kind: Kind, record: Record) {
        self.table_mut(kind).load(record);
    }
}
