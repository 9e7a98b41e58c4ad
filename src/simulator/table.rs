//! All records of one kind, with the lists they are served in.
//!
//! A list is a row of months, newest first (kinds without date have one month only). Inside a
//! month entries are kept oldest first, so that a new entry is appended and a position counted
//! from the newest shifts when one arrives: what a list that is "newest first" does to a walk.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::dice::mix;
use super::record::{Facts, Gone, Kind, Record};

/// Where an entry stands in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Days are compared as `yyyymmdd`; 0 for kinds without date.
    pub(super) day: i32,
    /// Later is newer; for kinds without date a scramble of the id: their order is unspecified.
    pub(super) order: u64,
    pub(super) row: u32,
}

/// One list: its months, newest first.
pub(super) type Months = BTreeMap<Reverse<i32>, Vec<Place>>;

/// The records of a kind.
pub(super) struct Table {
    kind: Kind,
    rows: Vec<Record>,
    row_of: HashMap<Arc<str>, u32>,
    places: Vec<Place>,
    all: Months,
    by_account: HashMap<Arc<str>, Months>,
    /// Texts shared between rows: account ids and statuses.
    shared: HashMap<Arc<str>, ()>,
}

impl Table {
    pub(super) fn new(kind: Kind) -> Table {
        Table {
            kind,
            rows: Vec::new(),
            row_of: HashMap::new(),
            places: Vec::new(),
            all: Months::new(),
            by_account: HashMap::new(),
            shared: HashMap::new(),
        }
    }

    pub(super) fn rows(&self) -> &[Record] {
        &self.rows
    }

    pub(super) fn row(&self, row: u32) -> Option<&Record> {
        self.rows.get(usize::try_from(row).ok()?)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Record> {
        self.row(*self.row_of.get(id)?)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut Record> {
        let row = usize::try_from(*self.row_of.get(id)?).ok()?;
        self.rows.get_mut(row)
    }

    /// The list of an account, or of all. An account without records has no list.
    pub(super) fn list(&self, account_id: Option<&str>) -> Option<&Months> {
        match account_id {
            None => Some(&self.all),
            Some(account_id) => self.by_account.get(account_id),
        }
    }

    /// Adds without sorting: for a world in the making. `settle` must follow.
    pub(super) fn load(&mut self, record: Record) {
        let (row, place) = self.admit(record);
        self.lists_of(row).into_iter().for_each(|months| {
            months.entry(Reverse(month_number(place.day))).or_default().push(place);
        });
    }

    /// Sorts what `load` added.
    pub(super) fn settle(&mut self) {
        let all = self.all.values_mut();
        for month in all.chain(self.by_account.values_mut().flat_map(BTreeMap::values_mut)) {
            month.sort_unstable();
        }
    }

    /// Adds a record, or puts it in the place of the one with its id.
    pub(super) fn put(&mut self, record: Record) {
        let known = self.row_of.get(&record.id).copied();
        let (row, place) = match known {
            None => self.admit(record),
            Some(row) => {
                self.unlist(row);
                let place = place_of(self.kind, &record, row, self.order_of(row));
                let index = usize::try_from(row).unwrap_or(usize::MAX);
                if let (Some(old), Some(spot)) =
                    (self.rows.get_mut(index), self.places.get_mut(index))
                {
                    *old = record;
                    *spot = place;
                }
                self.share(row);
                (row, place)
            }
        };
        if self.row(row).is_some_and(|record| record.gone.is_none()) {
            self.enlist(row, place);
        }
    }

    /// Takes a record out of every list (or, with `None`, back in). False: no such record.
    pub(super) fn set_gone(&mut self, id: &str, gone: Option<Gone>) -> bool {
        let Some(row) = self.row_of.get(id).copied() else { return false };
        self.unlist(row);
        if let Some(record) = self.find_mut(id) {
            record.gone = gone;
        }
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        if let (None, Some(place)) = (gone, self.places.get(index).copied()) {
            self.enlist(row, place);
        }
        true
    }

    fn enlist(&mut self, row: u32, place: Place) {
        for months in self.lists_of(row) {
            let month = months.entry(Reverse(month_number(place.day))).or_default();
            let at = month.partition_point(|other| *other < place);
            month.insert(at, place);
        }
    }

    fn admit(&mut self, record: Record) -> (u32, Place) {
        let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let place = place_of(self.kind, &record, row, u64::from(row));
        self.row_of.insert(record.id.clone(), row);
        self.rows.push(record);
        self.places.push(place);
        self.share(row);
        (row, place)
    }

    fn order_of(&self, row: u32) -> u64 {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        self.places.get(index).map_or(0, |place| place.order)
    }

    /// Rows share the texts they have in common, for the sake of large worlds.
    fn share(&mut self, row: u32) {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        let Some(record) = self.rows.get_mut(index) else { return };
        let Facts { account_id, status, .. } = &mut record.facts;
        for text in [account_id, status].into_iter().flatten() {
            match self.shared.get_key_value(text) {
                Some((known, ())) => *text = known.clone(),
                None => {
                    self.shared.insert(text.clone(), ());
                }
            }
        }
    }

    fn unlist(&mut self, row: u32) {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        let Some(place) = self.places.get(index).copied() else { return };
        for months in self.lists_of(row) {
            let Some(month) = months.get_mut(&Reverse(month_number(place.day))) else { continue };
            if let Ok(at) = month.binary_search(&place) {
                month.remove(at);
            }
            if month.is_empty() {
                months.remove(&Reverse(month_number(place.day)));
            }
        }
    }

    fn lists_of(&mut self, row: u32) -> Vec<&mut Months> {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        let account_id = self.rows.get(index).and_then(|record| record.facts.account_id.clone());
        let own = account_id.map(|account_id| self.by_account.entry(account_id).or_default());
        std::iter::once(&mut self.all).chain(own).collect()
    }
}

fn place_of(kind: Kind, record: &Record, row: u32, order: u64) -> Place {
    match record.facts.date {
        _ if !kind.dated() => Place { day: 0, order: mix(0, &[record.id.as_bytes()]), row },
        Some(date) => Place { day: day_number(date), order, row },
        // A record that lost its date by an edit is the oldest of all, never lost.
        None => Place { day: 1_01_01, order, row },
    }
}

/// `20260203` for 3 February 2026.
pub(super) fn day_number(date: jiff::civil::Date) -> i32 {
    i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day())
}

/// The month a day number lies in, counted from year 0.
pub(super) fn month_number(day: i32) -> i32 {
    if day == 0 { 0 } else { day / 10_000 * 12 + day / 100 % 100 - 1 }
}
