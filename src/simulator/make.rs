//! Makes records: decides what a record says and has it written.

use bytes::Bytes;
use jiff::civil::Date;

use super::Settings;
use super::calendar::{day_of, instant, shift};
use super::cast::{self, Own, Party};
use super::dice::Dice;
use super::market::{MARKETS, UNLISTED};
use super::payload::movement::{self, Awaited, Entry, Other};
use super::payload::{self, Money, Times};
use super::record::{Facts, Record};

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Statuses of an external payment that is still on its way, and those after which it rests.
pub(super) const OPEN_STATUSES: &[&str] =
    &["CREATED", "INITIATED", "PENDING", "SUBMITTED", "INFLIGHT"];
const CLOSED_STATUSES: &[&str] =
    &["RECONCILED", "ARCHIVED", "EXECUTED", "REGISTERED", "FAILED", "REJECTED", "CANCELLED"];
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
pub(super) fn stamp(dice: &mut Dice, at_ms: i64) -> String {
    if dice.chance(100) {
        instant(at_ms, None)
    } else {
        let below = u32::try_from(dice.below(1_000_000)).unwrap_or(0);
        instant(at_ms, Some(below))
    }
}

impl Maker<'_> {
    /// The nth account of the organisation.
    pub(super) fn own(&mut self, index: usize, third_parties: &[String]) -> Own {
        let unlisted = self.settings.traps.unknown_values && index == MARKETS.len();
        let place = index.checked_rem(MARKETS.len()).unwrap_or(0);
        let market = if unlisted { &UNLISTED } else { MARKETS.get(place).unwrap_or(&UNLISTED) };
        let bank = if unlisted { MARKETS.len() } else { place };
        let twice = index % 4 == 3;
        Own {
            id: self.dice.uuid(),
            name: format!("{} {}", cast::OWNER, market.currency),
            owner: cast::OWNER.to_owned(),
            third_party_id: third_parties.get(bank).cloned().unwrap_or_default(),
            market,
            numbers: market.numbers(self.dice, twice),
            bank_named: self.dice.chance(150),
        }
    }

    pub(super) fn account(&mut self, own: &Own, entity_id: &str, now_ms: i64) -> Record {
        let Maker { settings, dice, .. } = self;
        let (age_days, rest_s) = (dice.between(400, 900), dice.between(1, 3600));
        let created = stamp(dice, now_ms - age_days * DAY_MS);
        let updated = stamp(dice, now_ms - rest_s * 1000);
        let version = u32::try_from(1 + dice.below(60)).unwrap_or(1);
        let scale = 10_i64.pow(own.market.exponent.min(6));
        let minor_units = dice.between(-2_000, 900_000) * scale + dice.between(0, scale);
        let balance_id = dice.uuid();
        let has_balance = !(settings.traps.missing_balance && dice.chance(150));
        let alias = dice.chance(700).then(|| dice.word(cast::ALIASES));
        let facts = payload::AccountFacts {
            organization_id: &settings.organization_id,
            entity_id,
            alias,
            balance: has_balance.then(|| payload::Balance {
                id: &balance_id,
                money: Money { market: own.market, minor_units },
                day: day_of(now_ms),
                at: &updated,
            }),
            fictive: dice.chance(100),
            created: &created,
            updated: &updated,
            version,
        };
        let text = payload::account(own, &facts, &settings.traps, dice);
        Record::new(&own.id, version, Facts::default(), Bytes::from(text))
    }

    pub(super) fn counterparty(&mut self, party: &Party, created_ms: i64, old: bool) -> Record {
        let Maker { settings, dice, .. } = self;
        let created = stamp(dice, created_ms);
        let version = if old { u32::try_from(1 + dice.below(4)).unwrap_or(1) } else { 1 };
        let updated =
            if version == 1 { created.clone() } else { stamp(dice, created_ms + DAY_MS / 3) };
        let times = Times { created: &created, updated: &updated, version };
        let text =
            payload::counterparty(party, &settings.organization_id, &times, &settings.traps, dice);
        Record::new(&party.id, version, Facts::default(), Bytes::from(text))
    }

    /// One statement entry on one account.
    pub(super) fn entry(&mut self, wanted: Wanted) -> Option<Record> {
        let own = self.owners.get(wanted.own)?;
        let movement = match wanted.minor_units {
            None => cast::movement_of(self.dice)?,
            Some(units) => cast::MOVEMENTS.iter().find(|known| known.incoming == (units >= 0))?,
        };
        let minor_units = wanted.minor_units.unwrap_or_else(|| {
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
        let created = stamp(dice, wanted.created_ms);
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
            version,
        };
        let text = movement::transaction(&entry, traps, dice);
        let facts = Facts {
            date: Some(wanted.date),
            account_id: Some(own.id.as_str().into()),
            status: Some(status.into()),
        };
        Record::new(&id, version, facts, Bytes::from(text))
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
        let created = stamp(dice, created_ms);
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
            mandate_reference: scheme
                .is_some_and(|scheme| scheme.starts_with("SDD"))
                .then_some(mandate.as_str()),
            times: Times { created: &created, updated: &created, version: 1 },
        };
        let text = movement::external_payment(&awaited, &settings.traps, dice);
        let facts = Facts {
            date: Some(date),
            account_id: Some(own.id.as_str().into()),
            status: Some(status.into()),
        };
        Some(Record::new(&id, 1, facts, Bytes::from(text)))
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
