//! Makes records: decides what a record says and has it written.

pub(super) mod more;

use jiff::civil::Date;

use super::calendar::{day_of, instant, local_day_of, shift};
use super::cast::{self, Own, Party};
use super::dice::Dice;
use super::market::{MARKETS, Market, RETIRED, UNLISTED};
use super::options::{Settings, Traps};
use super::payload::movement::{self, Awaited, Entry, Other};
use super::payload::{self, Money, Times};
use super::record::{Facts, Record};

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Statuses of an external payment that is still on its way, and those after which it rests.
pub(super) const OPEN_STATUSES: &[&str] =
    &["CREATED", "INITIATED", "PENDING", "SUBMITTED", "INFLIGHT"];
const CLOSED_STATUSES: &[&str] =
    &["RECONCILED", "ARCHIVED", "EXECUTED", "REGISTERED", "FAILED", "REJECTED", "CANCELLED"];
/// Where readers of numbers break: the ends of 64 bits, and what a double cannot hold.
const EXTREMES: &[i64] = &[i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53) - 1];
const SCHEMES: &[&str] = &["SCT", "SCT_INST", "SDD_CORE", "SDD_B2B"];

/// Makes records from the cast of the world and the dice.
pub(super) struct Maker<'a> {
    pub(super) settings: &'a Settings,
    pub(super) owners: &'a [Own],
    pub(super) parties: &'a [Party],
    pub(super) dice: &'a mut Dice,
}

/// A statement entry that is to be made.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) own: usize,
    pub(super) date: Date,
    pub(super) created_ms: i64,
    /// Minor units; absent means that the dice decide.
    pub(super) minor_units: Option<i64>,
    /// An old entry may have been matched already.
    pub(super) old: bool,
}

/// An instant: nanoseconds mostly, sometimes only milliseconds.
pub(super) fn stamp(dice: &mut Dice, traps: &Traps, at_ms: i64) -> String {
    if !traps.odd_instants || dice.chance(100) {
        instant(at_ms, None)
    } else {
        let below = u32::try_from(dice.below(1_000_000)).unwrap_or(0);
        instant(at_ms, Some(below))
    }
}

/// The day of an instant where the market is.
pub(super) fn local_day(traps: &Traps, market: &Market, at_ms: i64) -> Date {
    local_day_of(at_ms, if traps.local_days { market.hours_ahead() } else { 0 })
}

impl Maker<'_> {
    /// The nth account of the organisation.
    pub(super) fn own(&mut self, index: usize, third_parties: &[String], entity_id: &str) -> Own {
        let traps = &self.settings.traps;
        let usual = MARKETS.iter().enumerate();
        let usual: Vec<_> =
            usual.filter(|(_, market)| traps.currencies || market.exponent == 2).collect();
        let place = index.checked_rem(usual.len()).unwrap_or(0);
        // Banks are third parties in the order of the markets, then these two.
        let (bank, market) = match index.checked_sub(MARKETS.len()) {
            Some(0) if traps.unknown_values => (MARKETS.len(), &UNLISTED),
            Some(1) if traps.currencies => (MARKETS.len() + 1, &RETIRED),
            _ => usual.get(place).copied().unwrap_or((MARKETS.len(), &UNLISTED)),
        };
        let twice = index % 4 == 3;
        Own {
            id: self.dice.uuid(),
            name: format!("{} {}", cast::OWNER, market.currency),
            former_name: (index % 5 == 2).then(|| format!("{} alt", market.currency)),
            entity_id: entity_id.to_owned(),
            owner: cast::OWNER.to_owned(),
            third_party_id: third_parties.get(bank).cloned().unwrap_or_default(),
            market,
            numbers: market.numbers(self.dice, twice),
            bank_named: self.dice.chance(150),
        }
    }

    /// An account and its balances, the older ones first.
    pub(super) fn account(&mut self, own: &Own, now_ms: i64) -> (Record, Vec<Record>) {
        let Maker { settings, dice, .. } = self;
        let traps = &settings.traps;
        let (age_days, rest_s) = (dice.between(400, 900), dice.between(1, 3600));
        let created = stamp(dice, traps, now_ms - age_days * DAY_MS);
        let updated = stamp(dice, traps, now_ms - rest_s * 1000);
        let version = u32::try_from(1 + dice.below(60)).unwrap_or(1);
        let scale = 10_i64.pow(own.market.exponent.min(6));
        let minor_units = dice.between(-2_000, 900_000) * scale + dice.between(0, scale);
        let balance_id = dice.uuid();
        let has_balance = !(traps.missing_balance && dice.chance(150));
        let alias = dice.chance(700).then(|| dice.word(cast::ALIASES));
        let fictive = dice.chance(100);
        // What was the bank's last word: a closed day, or the running one.
        let closed = traps.local_days && dice.chance(250);
        let today = local_day(traps, own.market, now_ms - rest_s * 1000);
        let booked = payload::Balance {
            id: &balance_id,
            account_id: &own.id,
            organization_id: &settings.organization_id,
            kind: "BOOKED",
            reported: if closed { "CLOSE" } else { "INTERIM" },
            money: Money { market: own.market, minor_units },
            day: if closed { shift(today, -1) } else { today },
            at: &updated,
        };
        let facts = payload::AccountFacts {
            organization_id: &settings.organization_id,
            entity_id: &own.entity_id,
            alias,
            balance: has_balance.then_some(booked),
            fictive,
            created: &created,
            updated: &updated,
            version,
        };
        let text = payload::account(own, &facts, traps, dice);
        let balances = self.balances(booked, now_ms);
        (Record::new(&own.id, version, Facts::default(), text), balances)
    }

    pub(super) fn counterparty(&mut self, party: &Party, created_ms: i64, old: bool) -> Record {
        let Maker { settings, dice, .. } = self;
        let created = stamp(dice, &settings.traps, created_ms);
        let version = if old { u32::try_from(1 + dice.below(4)).unwrap_or(1) } else { 1 };
        let updated = match version {
            1 => created.clone(),
            _ => stamp(dice, &settings.traps, created_ms + DAY_MS / 3),
        };
        let times = Times { created: &created, updated: &updated, version };
        let text =
            payload::counterparty(party, &settings.organization_id, &times, &settings.traps, dice);
        Record::new(&party.id, version, Facts::default(), text)
    }

    /// One statement entry on one account.
    pub(super) fn entry(&mut self, wanted: Wanted) -> Option<Record> {
        let own = self.owners.get(wanted.own)?;
        let extreme = self.settings.extreme_amounts && self.dice.chance(30);
        let minor_units =
            wanted.minor_units.or_else(|| extreme.then(|| *self.dice.pick(EXTREMES).unwrap_or(&0)));
        let movement = match minor_units {
            None => cast::movement_of(self.dice)?,
            Some(units) => cast::MOVEMENTS.iter().find(|known| known.incoming == (units >= 0))?,
        };
        let minor_units = minor_units.unwrap_or_else(|| {
            let size = self.size(own);
            if movement.incoming { size } else { -size }
        });
        let other = match self.dice.pick(self.parties) {
            Some(party) if !movement.of_bank => {
                Other::Party(party, self.dice.pick(&party.accounts))
            }
            _ => Other::Bank,
        };
        Some(self.written(wanted, own, other, movement, minor_units, None))
    }

    /// Money moves between accounts of one currency, and of two where there are exchanges.
    pub(super) fn may_transfer(&self, from: usize, to: usize) -> bool {
        let currency = |own: usize| self.owners.get(own).map(|own| own.market.currency);
        from != to && (self.settings.traps.exchange || currency(from) == currency(to))
    }

    /// A transfer between two accounts of the organisation: an entry on each.
    pub(super) fn transfer(&mut self, out: Wanted, into: usize) -> Option<[Record; 2]> {
        let (from, to) = (self.owners.get(out.own)?, self.owners.get(into)?);
        let paid = cast::MOVEMENTS.iter().find(|known| !known.incoming)?;
        let received = cast::MOVEMENTS.iter().find(|known| known.incoming)?;
        let size = self.size(from);
        let sent = self.written(out, from, Other::Own(to), paid, -size, None);
        let arrival = Wanted { own: into, ..out };
        let exchanged = from.market.currency != to.market.currency;
        let exchange = exchanged.then_some(Money { market: from.market, minor_units: size });
        let size = if exchanged { self.size(to) } else { size };
        let arrived = self.written(arrival, to, Other::Own(from), received, size, exchange);
        Some([sent, arrived])
    }

    fn size(&mut self, own: &Own) -> i64 {
        let scale = 10_i64.pow(own.market.exponent.min(6));
        match self.dice.below(200) {
            0 => 0,
            1..=20 => self.dice.between(1, 100 * scale),
            _ => self.dice.between(1, 20_000) * scale + self.dice.between(0, scale),
        }
    }

    fn written(
        &mut self,
        wanted: Wanted,
        own: &Own,
        other: Other<'_>,
        movement: &cast::Movement,
        minor_units: i64,
        exchange: Option<Money>,
    ) -> Record {
        let Maker { settings, dice, .. } = self;
        let traps = &settings.traps;
        let id = dice.uuid();
        let matched_id = dice.uuid();
        let reconciled = wanted.old && dice.chance(300);
        let status = match reconciled {
            true => "RECONCILED",
            false if traps.unknown_values && dice.chance(4) => "SUGGESTED",
            false => "BOOKED",
        };
        let kind = if dice.chance(500) { "PAYMENT" } else { "EXPECTED_TRANSACTION" };
        let remittance = remittance(dice, wanted.date);
        let rate = format!("{}.{}", dice.below(12), dice.digits(7));
        let created = stamp(dice, traps, wanted.created_ms);
        let updated =
            if reconciled { stamp(dice, traps, wanted.created_ms + 1) } else { created.clone() };
        let version = if reconciled { 2 } else { 1 };
        let entry = Entry {
            id: &id,
            organization_id: &settings.organization_id,
            own,
            other,
            movement,
            minor_units,
            date: wanted.date,
            value_date: (!dice.chance(50)).then(|| shift(wanted.date, dice.between(-1, 2))),
            remittance_type: match dice.below(100) {
                0 if traps.unknown_values => "QR_REFERENCE",
                0..=10 => "OCR",
                11..=25 => "STRUCTURED",
                _ => "UNSTRUCTURED",
            },
            remittance: &remittance,
            returned: if dice.chance(25) { dice.pick(cast::RETURNS).copied() } else { None },
            exchange: exchange.map(|money| (money, rate.as_str())),
            virtual_account: movement.incoming && dice.chance(40),
            status,
            matched: reconciled.then_some((kind, matched_id.as_str())),
            created: &created,
            updated: &updated,
            version,
            old: wanted.old,
            odd_decimals: traps.odd_decimals && dice.chance(4),
        };
        let text = movement::transaction(&entry, traps, dice);
        let facts = Facts {
            date: Some(wanted.date),
            owner_id: Some(own.id.as_str().into()),
            status: Some(status.into()),
        };
        let record = Record::new(&id, version, facts, text);
        if reconciled { record.touched(&updated) } else { record }
    }

    /// An external payment: an incoming movement that is awaited.
    pub(super) fn awaited(&mut self, own: usize, now_ms: i64, old: bool) -> Option<Record> {
        let size = self.size(self.owners.get(own)?).max(1);
        let Maker { settings, owners, parties, dice } = self;
        let own = owners.get(own)?;
        let id = dice.uuid();
        let plain = dice.chance(400);
        let status = match old {
            true if dice.chance(500) && plain => dice.word(&["RECONCILED", "ARCHIVED"]),
            true if dice.chance(500) => dice.word(CLOSED_STATUSES),
            _ if plain => "CREATED",
            _ => dice.word(OPEN_STATUSES),
        };
        let booked = dice.uuid();
        let scheme = (!plain).then(|| dice.word(SCHEMES));
        let other = if plain { None } else { dice.pick(parties) };
        let mandate = format!("NW-M-{}", dice.digits(4));
        let created_ms = if old { now_ms - dice.between(1, 40) * DAY_MS } else { now_ms };
        let created = stamp(dice, &settings.traps, created_ms);
        let date = shift(day_of(created_ms), dice.between(0, 12));
        let remittance = remittance(dice, date);
        let awaited = Awaited {
            id: &id,
            organization_id: &settings.organization_id,
            own,
            minor_units: size,
            date,
            status,
            booked_transaction_id: (status == "RECONCILED").then_some(booked.as_str()),
            remittance: &remittance,
            scheme,
            other,
            old,
            mandate_reference: scheme
                .is_some_and(|scheme| scheme.starts_with("SDD"))
                .then_some(mandate.as_str()),
            times: Times { created: &created, updated: &created, version: 1 },
        };
        let text = movement::external_payment(&awaited, &settings.traps, dice);
        let facts = Facts {
            date: Some(date),
            owner_id: Some(own.id.as_str().into()),
            status: Some(status.into()),
        };
        Some(Record::new(&id, 1, facts, text))
    }
}

fn remittance(dice: &mut Dice, day: Date) -> String {
    let number = dice.digits(5);
    match dice.below(6) {
        0 => format!("RF18 INV {}-{number}", day.year()),
        1 => format!("Invoice {number}"),
        2 => format!("E2E-{number}-{}", day.month()),
        3 => "NOTPROVIDED".to_owned(),
        4 => format!("Löhne & Gehälter / \"{number}\""),
        _ => format!("INV {}-{number}", day.year()),
    }
}
