//! Walking a list by opaque tokens, with the traps of the real API.
//!
//! A token is base64 of a month, a bar and base64 of JSON, as the one sample in public looks. It
//! carries a print of the filters it was made for: with other filters it is refused. Where the
//! traps are on, a page ends with its month, a month may begin with an empty page, pages may be
//! short, and the last page may be empty; a list ends only where no next token is given.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Bound;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Traps;
use super::calendar::month_text;
use super::dice::mix;
use super::record::Record;
use super::table::{Months, Place, Table, day_number, month_number};

/// Bounds and default of `limit`.
const LIMIT_MAX: i64 = 500;
const LIMIT_DEFAULT: i64 = 100;

/// The effective `limit`: out of range is brought to the nearest bound, silence and nonsense to
/// the default. `None` where bounds are strict and it is out of them.
pub(super) fn effective_limit(asked: Option<&str>, coerced: bool) -> Option<usize> {
    let limit = asked.and_then(|text| text.parse::<i64>().ok()).unwrap_or(LIMIT_DEFAULT);
    let within = limit.clamp(1, LIMIT_MAX);
    usize::try_from(within).ok().filter(|_| coerced || within == limit)
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// At the beginning of a month, before its empty page if it has one.
    Before { month: i32 },
    /// So many entries of the month, counted from the newest, are behind.
    Offset { month: i32, behind: usize },
    /// Everything newer than this entry, and the entry, is behind.
    After { month: i32, place: Place },
    /// Nothing is left: the page is empty and the last.
    End,
}

/// What a list may be narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) from: Option<jiff::civil::Date>,
    pub(super) to: Option<jiff::civil::Date>,
    /// One of these, if there are any.
    pub(super) statuses: Vec<String>,
    /// Only the balance that counts, of each type of an account.
    pub(super) most_recent: bool,
    /// Lower-case text that must occur in the record.
    pub(super) query: Option<String>,
    /// Members that must have this value: `type` and `vendorId` of third parties.
    pub(super) members: Vec<(&'static str, String)>,
}

/// One page: rows of the table and where the next page begins.
pub(super) struct Page {
    pub(super) rows: Vec<u32>,
    pub(super) next: Option<Position>,
    /// Where this page began: a fault may send the walk here again.
    pub(super) began: Position,
}

/// What decides the traps of a list: the seed and the list's own print.
pub(super) struct Walk<'a> {
    pub(super) table: &'a Table,
    pub(super) list: Option<&'a Months>,
    pub(super) filter: &'a Filter,
    pub(super) traps: &'a Traps,
    pub(super) seed: u64,
    pub(super) print: &'a str,
    /// The pages of this list are in no order.
    pub(super) unordered: bool,
    /// Records that are not shown.
    pub(super) hidden: Option<&'a HashSet<String>>,
}

impl Walk<'_> {
    /// The page of at most `limit` entries that begins at `position`.
    pub(super) fn page(&self, position: Option<Position>, limit: usize) -> Page {
        let first = self.list.and_then(|months| months.keys().next().map(|month| month.0));
        let began = match (position, first) {
            (Some(position), _) => position,
            (None, Some(month)) => Position::Before { month },
            (None, None) => Position::End,
        };
        let (mut rows, next) = self.collect(began, limit);
        if self.unordered {
            let print = self.print.as_bytes();
            rows.sort_by_key(|row| mix(self.seed, &[print, &row.to_be_bytes()]));
        }
        let next = next.or_else(|| {
            let ended = began == Position::End || !self.rolls("tail", 3);
            if ended || !self.traps.empty_pages { None } else { Some(Position::End) }
        });
        Page { rows, next, began }
    }

    fn collect(&self, began: Position, limit: usize) -> (Vec<u32>, Option<Position>) {
        let mut rows = Vec::with_capacity(limit);
        let month = match began {
            Position::End => return (rows, None),
            Position::Before { month }
            | Position::Offset { month, .. }
            | Position::After { month, .. } => month,
        };
        if let Position::Before { month } = began
            && self.traps.empty_pages
            && self.rolls(&format!("empty {month}"), 4)
        {
            return (rows, Some(Position::Offset { month, behind: 0 }));
        }
        let Some(list) = self.list else { return (rows, None) };
        let mut months = list.range((Bound::Included(Reverse(month)), Bound::Unbounded)).peekable();
        while let Some((Reverse(month), places)) = months.next() {
            let start = match began {
                Position::Offset { month: began, behind } if began == *month => behind,
                Position::After { month: began, place } if began == *month => {
                    places.len() - places.partition_point(|other| *other < place)
                }
                _ => 0,
            };
            for (behind, place) in places.iter().rev().enumerate().skip(start) {
                if self.keeps(*place) {
                    rows.push(place.row);
                }
                let last_of_all = behind + 1 == places.len() && months.peek().is_none();
                if last_of_all {
                    return (rows, None);
                }
                let short = self.traps.short_pages
                    && !rows.is_empty()
                    && self.rolls(&format!("short {}", place.order), 60);
                if rows.len() >= limit || short {
                    return (rows, Some(self.after(*month, behind, *place)));
                }
            }
            if let (true, Some((Reverse(next), _))) = (self.traps.month_pages, months.peek())
                && !self.out_of_days(*next)
            {
                return (rows, Some(Position::Before { month: *next }));
            }
            if months.peek().is_some_and(|(Reverse(next), _)| self.before_from(*next)) {
                break;
            }
        }
        (rows, None)
    }

    fn after(&self, month: i32, behind: usize, place: Place) -> Position {
        if self.traps.shifting_pages && place.day != 0 {
            Position::Offset { month, behind: behind + 1 }
        } else {
            Position::After { month, place }
        }
    }

    /// True once in `of` times, always the same for the same list.
    fn rolls(&self, what: &str, of: u64) -> bool {
        mix(self.seed, &[self.print.as_bytes(), what.as_bytes()]).is_multiple_of(of)
    }

    /// No page is spent on months outside the days that were asked for.
    fn out_of_days(&self, month: i32) -> bool {
        self.before_from(month)
            || self.filter.to.is_some_and(|to| month > month_number(day_number(to)))
    }

    fn before_from(&self, month: i32) -> bool {
        self.filter.from.is_some_and(|from| month < month_number(day_number(from)))
    }

    fn keeps(&self, place: Place) -> bool {
        let Filter { from, to, statuses, most_recent, query, members } = self.filter;
        if from.is_some_and(|from| place.day < day_number(from))
            || to.is_some_and(|to| place.day > day_number(to))
        {
            return false;
        }
        let plain = statuses.is_empty() && query.is_none() && members.is_empty() && !most_recent;
        if plain && self.hidden.is_none() {
            return true;
        }
        self.table.row(place.row).is_some_and(|record| {
            let status = record.facts.status.as_deref();
            (statuses.is_empty() || statuses.iter().any(|wanted| status == Some(wanted)))
                && (!most_recent || self.is_newest(record))
                && self.hidden.is_none_or(|hidden| !hidden.contains(&*record.id))
                && query.as_deref().is_none_or(|query| contains(record, query))
                && members.iter().all(|(member, value)| has_member(record, member, value))
        })
    }

    fn is_newest(&self, record: &Record) -> bool {
        let (Some(owner), Some(status)) = (&record.facts.owner_id, &record.facts.status) else {
            return false;
        };
        self.table.newest(owner, status).is_some_and(|newest| newest.id == record.id)
    }
}

fn contains(record: &Record, query: &str) -> bool {
    std::str::from_utf8(&record.v1).is_ok_and(|text| text.to_lowercase().contains(query))
}

fn has_member(record: &Record, member: &str, value: &str) -> bool {
    let read = serde_json::from_slice::<serde_json::Value>(&record.v1);
    read.is_ok_and(|read| read.get(member).and_then(|found| found.as_str()) == Some(value))
}

/// The token of a position. `nonce` makes a second token for the same position differ in text.
pub(super) fn token(position: Position, print: u64, nonce: u64) -> String {
    let (month, day, at) = match position {
        Position::Before { month } => (month, 0, serde_json::json!({ "b": 1 })),
        Position::Offset { month, behind } => (month, 0, serde_json::json!({ "o": behind })),
        Position::After { month, place } => {
            (month, place.day, serde_json::json!({ "k": place.order, "r": place.row }))
        }
        Position::End => (0, 0, serde_json::json!({ "e": 1 })),
    };
    let mut state = serde_json::json!({ "date": day, "m": month, "f": print, "at": at });
    if nonce != 0 {
        state["n"] = nonce.into();
    }
    let inner = STANDARD.encode(state.to_string());
    STANDARD.encode(format!("{}|{inner}", month_text(month)))
}

/// The position a token stands for; `None` if it is not one of ours for these filters.
pub(super) fn position(token: &str, print: u64) -> Option<Position> {
    let outer = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let inner = STANDARD.decode(outer.split_once('|')?.1).ok()?;
    let state: serde_json::Value = serde_json::from_slice(&inner).ok()?;
    if state.get("f")?.as_u64()? != print {
        return None;
    }
    let month = i32::try_from(state.get("m")?.as_i64()?).ok()?;
    let at = state.get("at")?;
    if at.get("b").is_some() {
        return Some(Position::Before { month });
    }
    if at.get("e").is_some() {
        return Some(Position::End);
    }
    if let Some(behind) = at.get("o") {
        return Some(Position::Offset { month, behind: usize::try_from(behind.as_u64()?).ok()? });
    }
    let day = i32::try_from(state.get("date")?.as_i64()?).ok()?;
    let order = at.get("k")?.as_u64()?;
    let row = u32::try_from(at.get("r")?.as_u64()?).ok()?;
    Some(Position::After { month, place: Place { day, order, row } })
}
