//! Which generation of Atlar's API a stream is read in (design: `docs/mapping.md`, the part on two
//! generations).
//!
//! The record in the state topic decides. Where there is none, the configured generation is put on
//! record, or v1 if its list is served, else v2. A stream moves to another generation
//!
//! 1. by itself only from v1 to v2, after three answers 404 or 410 of Atlar's own making, at least
//!    a minute apart; by configuration in either direction at once;
//! 2. after one complete listing there, of which only the ids are looked at;
//! 3. if that lacks at most 1 % or 2 of the stream's live ids: the owner puts the new generation on
//!    record in a batch of its own, and all that was diffed before is dropped;
//! 4. the next listing is judged, and records of equal meaning are no difference.

use std::time::Duration;

use tokio::time::Instant;

use super::tree::{ACCOUNTS, Stream};
use crate::domain::Generation;
use crate::ingest::Known;

/// Answers that show that a list is gone.
const PROBES: usize = 3;

/// What a stream's task does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// What it waits for is not known yet.
    NotYet,
    /// Nothing to read: its records come inside those of another stream, or nobody needs them.
    Inside,
    /// Put this generation on record.
    Decide(Generation),
    /// List in this generation. Where nothing is on record, being served is what puts it there.
    List(Generation),
    /// Move to this generation.
    Move(Generation),
}

/// What a stream does next, by what is on record and what is configured.
pub fn turn(stream: &Stream, known: &Known, configured: Option<Generation>) -> Turn {
    if stream.branch.inside == Some(ACCOUNTS) {
        return turn_of_balances(stream, known, configured);
    }
    if let Some(served) = stream.branch.serves {
        return match settled(served, known, configured) {
            None => Turn::NotYet,
            Some(Generation::V1) => Turn::Inside,
            Some(Generation::V2) => Turn::List(Generation::V2),
        };
    }
    if stream.branch.entity.is_none() {
        return Turn::List(Generation::V1);
    }
    let wanted = only(stream).or(configured);
    let turn = match (known.generation(&stream.name), wanted) {
        (None, Some(wanted)) => return Turn::Decide(wanted),
        (None, None) => Turn::List(Generation::V1),
        (Some(on_record), Some(wanted)) if on_record != wanted => Turn::Move(wanted),
        (Some(on_record), _) => Turn::List(on_record),
    };
    after_parent(stream, known, turn)
}

/// Balances go with their accounts: in v1 they are inside them, in v2 they have a list.
fn turn_of_balances(stream: &Stream, known: &Known, configured: Option<Generation>) -> Turn {
    let Some(accounts) = settled(ACCOUNTS, known, configured) else { return Turn::NotYet };
    let listed = stream.routes.of(accounts).is_some();
    let turn = match known.generation(&stream.name) {
        Some(on_record) if on_record != accounts => Turn::Move(accounts),
        Some(_) if listed => Turn::List(accounts),
        None if listed => Turn::Decide(accounts),
        Some(_) | None => Turn::Inside,
    };
    after_parent(stream, known, turn)
}

/// The generation that another stream is read in, and not about to leave.
fn settled(stream: &str, known: &Known, configured: Option<Generation>) -> Option<Generation> {
    let on_record = known.generation(stream)?;
    configured.is_none_or(|configured| configured == on_record).then_some(on_record)
}

/// Lists wait for the list that their records join; a move looks at ids only.
fn after_parent(stream: &Stream, known: &Known, turn: Turn) -> Turn {
    let Turn::List(generation) = turn else { return turn };
    let parent = stream.in_generation(generation).after();
    if parent.is_none_or(|parent| known.has_list(parent)) { turn } else { Turn::NotYet }
}

/// The generation of a list that only one of them has.
fn only(stream: &Stream) -> Option<Generation> {
    match (stream.routes.v1, stream.routes.v2) {
        (Some(_), None) => Some(Generation::V1),
        (None, Some(_)) => Some(Generation::V2),
        _ => None,
    }
}

/// The list to ask for where this one is not offered and nothing is on record.
pub fn alternative(stream: &Stream, known: &Known, configured: Option<Generation>) -> bool {
    configured.is_none()
        && stream.generation == Generation::V1
        && stream.branch.entity.is_some()
        && stream.routes.v2.is_some()
        && known.generation(&stream.name).is_none()
}

/// Counts answers that show that a list is gone, at least so far apart.
#[derive(Debug)]
pub struct Probes {
    spacing: Duration,
    seen: usize,
    last: Option<Instant>,
}

impl Probes {
    pub fn new(spacing: Duration) -> Probes {
        Probes { spacing, seen: 0, last: None }
    }

    /// The list was served.
    pub fn clear(&mut self) {
        self.seen = 0;
        self.last = None;
    }

    /// The list was gone. `true`: often enough to move.
    pub fn gone(&mut self, now: Instant) -> bool {
        if self.last.is_none_or(|last| now - last >= self.spacing) {
            self.seen += 1;
            self.last = Some(now);
        }
        self.seen >= PROBES
    }

    /// The pause before the next answer can count, however it is jittered.
    pub fn pause(&self) -> Duration {
        self.spacing.mul_f64(1.2)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::poll::tree;

    fn known(lists: &[&str], generations: &[(&str, Generation)]) -> Known {
        let generations: BTreeMap<String, Generation> =
            generations.iter().map(|(stream, g)| ((*stream).to_owned(), *g)).collect();
        Known {
            lists: lists.iter().map(|list| (*list).to_owned()).collect(),
            generations: Arc::new(generations),
            ..Known::default()
        }
    }

    fn root(name: &str) -> Stream {
        tree::roots().find(|stream| stream.name == name).unwrap()
    }

    #[test]
    fn the_record_decides_and_the_configuration_moves() {
        let (v1, v2) = (Generation::V1, Generation::V2);
        let accounts = root("accounts");
        let banks = ["third-parties"];
        let check = |on_record: Option<Generation>, configured, expected| {
            let generations: Vec<_> = on_record.map(|g| ("accounts", g)).into_iter().collect();
            assert_eq!(turn(&accounts, &known(&banks, &generations), configured), expected);
        };
        check(None, None, Turn::List(v1));
        check(None, Some(v2), Turn::Decide(v2));
        check(Some(v1), None, Turn::List(v1));
        check(Some(v2), None, Turn::List(v2));
        check(Some(v1), Some(v2), Turn::Move(v2));
        check(Some(v2), Some(v1), Turn::Move(v1));
        assert_eq!(turn(&accounts, &known(&[], &[]), None), Turn::NotYet);
        let expected = tree::of_source("expected-transactions").unwrap();
        assert_eq!(turn(&expected, &known(&[], &[]), Some(v2)), Turn::Decide(v1));
        let on_record = known(&[], &[(expected.name.as_str(), v1)]);
        assert_eq!(turn(&expected, &on_record, Some(v2)), Turn::List(v1));
    }

    #[test]
    fn balances_follow_their_accounts() {
        let (v1, v2) = (Generation::V1, Generation::V2);
        let balances = root("balances");
        let check = |generations: &[(&str, Generation)], expected| {
            assert_eq!(turn(&balances, &known(&["accounts"], generations), None), expected);
        };
        let moving = known(&["accounts"], &[("accounts", v1), ("balances", v1)]);
        assert_eq!(turn(&balances, &moving, Some(v2)), Turn::NotYet, "accounts move first");
        check(&[], Turn::NotYet);
        check(&[("accounts", v1)], Turn::Inside);
        check(&[("accounts", v1), ("balances", v1)], Turn::Inside);
        check(&[("accounts", v2)], Turn::Decide(v2));
        check(&[("accounts", v2), ("balances", v1)], Turn::Move(v2));
        check(&[("accounts", v2), ("balances", v2)], Turn::List(v2));
        check(&[("accounts", v1), ("balances", v2)], Turn::Move(v1));
    }

    #[test]
    fn counterparties_of_v2_wait_for_their_accounts() {
        let (v1, v2) = (Generation::V1, Generation::V2);
        let (accounts, list) = (root("external-accounts"), root("counterparties"));
        let in_v2 = known(&[], &[("counterparties", v2)]);
        assert_eq!(turn(&list, &in_v2, None), Turn::NotYet);
        assert_eq!(turn(&accounts, &in_v2, None), Turn::List(v2));
        let joined = known(&["external-accounts"], &[("counterparties", v2)]);
        assert_eq!(turn(&list, &joined, None), Turn::List(v2));
        let in_v1 = known(&[], &[("counterparties", v1)]);
        assert_eq!(turn(&list, &in_v1, None), Turn::List(v1));
        assert_eq!(turn(&accounts, &in_v1, None), Turn::Inside);
        assert_eq!(turn(&accounts, &known(&[], &[]), None), Turn::NotYet);
        // A configured move: the counterparties first, then the list that they join.
        assert_eq!(turn(&list, &in_v1, Some(v2)), Turn::Move(v2));
        assert_eq!(turn(&accounts, &in_v1, Some(v2)), Turn::NotYet);
    }

    #[tokio::test(start_paused = true)]
    async fn three_answers_a_minute_apart() {
        let spacing = Duration::from_secs(60);
        let mut probes = Probes::new(spacing);
        let start = Instant::now();
        assert!(!probes.gone(start));
        assert!(!probes.gone(start + Duration::from_secs(1)), "too soon to count");
        assert!(!probes.gone(start + spacing));
        assert!(probes.gone(start + 2 * spacing));
        probes.clear();
        assert!(!probes.gone(start + 3 * spacing));
    }
}
