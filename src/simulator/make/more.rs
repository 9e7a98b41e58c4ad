//! Balances and direct debits.

use super::{DAY_MS, Maker, local_day, remittance, stamp};
use crate::simulator::calendar::{day_of, shift};
use crate::simulator::cast::Party;
use crate::simulator::payload::debit::{self, Debit};
use crate::simulator::payload::{self, Balance};
use crate::simulator::record::{Facts, Record};
use crate::simulator::write::object;

/// The way of a direct debit while all goes well.
pub(in crate::simulator) const DEBIT_WAY: &[&str] =
    &["CREATED", "APPROVED", "PENDING_SUBMISSION", "SENT", "ACCEPTED", "EXECUTED", "RECONCILED"];
/// How it may end otherwise.
const DEBIT_ENDS: &[&str] = &["REJECTED", "FAILED", "RETURNED"];
/// Days before today of which the list of balances still tells.
const OLDER_DAYS: [i64; 3] = [4, 3, 2];

impl Maker<'_> {
    /// The balances of an account by type: those of some days ago, then the present one. The
    /// booked one is given.
    pub(super) fn balances(&mut self, booked: Balance<'_>, now_ms: i64) -> Vec<Record> {
        let scale = 10_i64.pow(booked.money.market.exponent.min(6));
        let credit = self.dice.between(0, 500) * scale;
        let mut made = Vec::with_capacity(2 * OLDER_DAYS.len() + 2);
        for kind in ["BOOKED", "AVAILABLE"] {
            let more = if kind == "BOOKED" { 0 } else { credit };
            for days in OLDER_DAYS {
                let (id, moved) = (self.dice.uuid(), self.dice.between(-900, 900) * scale);
                // Late in the evening of UTC: the day may be another one at the bank.
                let at_ms = now_ms - now_ms.rem_euclid(DAY_MS) - (days - 1) * DAY_MS - 20 * 60_000;
                let at = stamp(self.dice, &self.settings.traps, at_ms);
                let mut money = booked.money;
                money.minor_units = money.minor_units.saturating_add(more + moved);
                let day = local_day(&self.settings.traps, money.market, at_ms);
                made.push(written(&Balance {
                    id: &id,
                    kind,
                    reported: "CLOSE",
                    money,
                    day,
                    at: &at,
                    ..booked
                }));
            }
            let id = self.dice.uuid();
            let mut money = booked.money;
            money.minor_units = money.minor_units.saturating_add(more);
            let id = if kind == "BOOKED" { booked.id } else { id.as_str() };
            made.push(written(&Balance { id, kind, money, ..booked }));
        }
        made
    }

    /// A direct debit into the nth account; none if no counterparty has an account.
    pub(in crate::simulator) fn debit(
        &mut self,
        own: usize,
        now_ms: i64,
        old: bool,
    ) -> Option<Record> {
        let size = self.size(self.owners.get(own)?).max(1);
        let Maker { settings, owners, parties, dice } = self;
        let own = owners.get(own)?;
        let with_account: Vec<&Party> =
            parties.iter().filter(|party| !party.accounts.is_empty()).collect();
        let party = *dice.pick(&with_account)?;
        let held = party.accounts.first()?;
        let (id, mandate_id, booked) = (dice.uuid(), dice.uuid(), dice.uuid());
        let step = dice.index(DEBIT_WAY.len());
        let status = match old {
            true if dice.chance(250) => dice.word(DEBIT_ENDS),
            true => DEBIT_WAY.get(step).copied()?,
            false => "CREATED",
        };
        let steps = DEBIT_WAY.iter().position(|known| *known == status).unwrap_or(4);
        let version = 1 + u32::try_from(steps).unwrap_or(0);
        let created_ms = if old { now_ms - dice.between(2, 30) * DAY_MS } else { now_ms };
        let created = stamp(dice, &settings.traps, created_ms);
        let updated = match version {
            1 => created.clone(),
            _ => stamp(dice, &settings.traps, created_ms + DAY_MS),
        };
        let date = shift(day_of(created_ms), dice.between(1, 6));
        let signed = shift(date, -dice.between(60, 400));
        let (reference, remittance) = (dice.digits(4), remittance(dice, date));
        let debit = Debit {
            id: &id,
            organization_id: &settings.organization_id,
            own,
            party,
            held,
            minor_units: size,
            date,
            status,
            booked_transaction_id: (status == "RECONCILED").then_some(booked.as_str()),
            scheme: dice.word(&["SDD_CORE", "SDD_CORE", "SDD_B2B", "AUTOGIRO"]),
            mandate_id: &mandate_id,
            mandate_reference: &format!("NW-M-{reference}"),
            signed,
            remittance: &remittance,
            created: &created,
            updated: &updated,
            version,
            old,
        };
        let text = debit::direct_debit(&debit, &settings.traps, dice);
        let facts = Facts {
            date: Some(date),
            owner_id: Some(own.id.as_str().into()),
            status: Some(status.into()),
        };
        let record = Record::new(&id, version, facts, text);
        Some(if version > 1 { record.touched(&updated) } else { record })
    }
}

fn written(balance: &Balance<'_>) -> Record {
    let mut text = String::with_capacity(400);
    object(&mut text, |o| payload::balance(o, balance));
    let facts = Facts {
        date: Some(balance.day),
        owner_id: Some(balance.account_id.into()),
        status: Some(balance.kind.into()),
    };
    Record::new(balance.id, 1, facts, text)
}
