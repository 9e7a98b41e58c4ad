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
    /// Later is newer; for kinds without date possibly a scramble of the id: their order is
    /// unspecified.
    pub(super) order: u64,
    pub(super) row: u32,
}

/// One list: its months, newest first.
pub(super) type Months = BTreeMap<Reverse<i32>, Vec<Place>>;

/// The records of a kind.
pub(super) struct Table {
    kind: Kind,
    /// Kinds without date are in no order; otherwise in that of their making.
    unordered: bool,
    rows: Vec<Record>,
    row_of: HashMap<Arc<str>, u32>,
    places: Vec<Place>,
    all: Months,
    by_owner: HashMap<Arc<str>, Months>,
    /// Texts shared between rows: ids of owners and statuses.
    shared: HashMap<Arc<str>, ()>,
}

impl Table {
    pub(super) fn new(kind: Kind, unordered: bool) -> Table {
        Table {
            kind,
            unordered,
            rows: Vec::new(),
            row_of: HashMap::new(),
            places: Vec::new(),
            all: Months::new(),
            by_owner: HashMap::new(),
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

    /// The list of an account or counterparty, or of all. One without records has no list.
    pub(super) fn list(&self, owner_id: Option<&str>) -> Option<&Months> {
        match owner_id {
            None => Some(&self.all),
            Some(owner_id) => self.by_owner.get(owner_id),
        }
    }

    /// How many are not deleted.
    pub(super) fn listed(&self) -> usize {
        self.all.values().map(Vec::len).sum()
    }

    /// The newest record of an owner with this status: of an account's balances of one type, the
    /// one that counts.
    pub(super) fn newest(&self, owner_id: &str, status: &str) -> Option<&Record> {
        let places = self.list(Some(owner_id))?.values().flat_map(|month| month.iter().rev());
        let mut rows = places.filter_map(|place| self.row(place.row));
        rows.find(|record| record.facts.status.as_deref() == Some(status))
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
        for month in all.chain(self.by_owner.values_mut().flat_map(BTreeMap::values_mut)) {
            month.sort_unstable();
        }
    }

    /// The present state is the oldest that is known.
    pub(super) fn forget_revisions(&mut self) {
        for record in &mut self.rows {
            (record.born, record.since, record.before) = (0, 0, None);
        }
    }

    /// Adds a record, or puts it in the place of the one with its id.
    pub(super) fn put(&mut self, record: Record) {
        let known = self.row_of.get(&record.id).copied();
        let (row, place) = match known {
            None => self.admit(record),
            Some(row) => {
                self.unlist(row);
                let place = self.place_of(&record, row, self.order_of(row));
                let index = usize::try_from(row).unwrap_or(usize::MAX);
                if let (Some(old), Some(spot)) =
                    (self.rows.get_mut(index), self.places.get_mut(index))
                {
                    let mut before = std::mem::replace(old, record);
                    before.before = None;
                    old.born = before.born;
                    old.before = Some(Box::new(before));
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
        let place = self.place_of(&record, row, u64::from(row));
        self.row_of.insert(record.id.clone(), row);
        self.rows.push(record);
        self.places.push(place);
        self.share(row);
        (row, place)
    }

    fn place_of(&self, record: &Record, row: u32, order: u64) -> Place {
        if self.kind.dated() {
            // A record that lost its date by an edit is the oldest of all, never lost.
            return Place { day: record.facts.date.map_or(1_01_01, day_number), order, row };
        }
        let scrambled = self.unordered.then(|| mix(0, &[record.id.as_bytes()]));
        Place { day: 0, order: scrambled.unwrap_or(u64::from(row)), row }
    }

    fn order_of(&self, row: u32) -> u64 {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        self.places.get(index).map_or(0, |place| place.order)
    }

    /// Rows share the texts they have in common, for the sake of large worlds.
    fn share(&mut self, row: u32) {
        let index = usize::try_from(row).unwrap_or(usize::MAX);
        let Some(record) = self.rows.get_mut(index) else { return };
        let Facts { owner_id, status, .. } = &mut record.facts;
        for text in [owner_id, status].into_iter().flatten() {
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
        let owner_id = self.rows.get(index).and_then(|record| record.facts.owner_id.clone());
        let own = owner_id.map(|owner_id| self.by_owner.entry(owner_id).or_default());
        std::iter::once(&mut self.all).chain(own).collect()
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
