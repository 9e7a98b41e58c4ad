//! One record as received, and what is to be done about it.
//!
//! The order of the checks is the order of their cost: an id and a hash of the bytes tell for most
//! records of a quiet listing that nothing changed; the rest is parsed, joined, fingerprinted and
//! compared; only what is new or changed is mapped and encoded.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::SeenPage;
use super::building::{Building, InCommit, Pending};
use super::cycles::Cycles;
use super::event::{Change, Press};
use super::joins::Joins;
use crate::change::fingerprint::{self, JoinOutcome};
use crate::change::{ALGORITHM, Class, Known, Seen, Tally, classify};
use crate::domain::{Entity, Generation, Op, Snapshot};
use crate::json::Json;
use crate::map::{self, Joined};
use crate::poll::tree::Stream;
use crate::state::control::ListStatus;
use crate::state::index::NO_SHORT_CUT;
use crate::state::record::{self, EventLocation};
use crate::state::{Control, EntityKey, StateRecord, View};

/// For how long the times of publications are remembered: longer than any request lasts.
const PUBLICATIONS_KEPT: Duration = Duration::from_secs(600);

/// What must stop the workspace before anything of the record is published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Atlar answers for another organisation than the one these topics hold")]
    ForeignOrganization,
}

impl Refusal {
    pub fn hint(&self) -> &'static str {
        "check accessKey and secret; another company's data needs its own kafka.topicPrefix"
    }
}

/// See the module.
pub struct Judge {
    pub view: View,
    pub joins: Joins,
    pub building: Building,
    pub in_commit: Option<InCommit>,
    press: Arc<Press>,
    include_raw: bool,
    short_cut_seed: u64,
    organization: Option<String>,
    cycles: Cycles,
    /// When recent batches became readable.
    publications: VecDeque<(u64, Instant)>,
    /// Kinds of oddities already reported, so that each is logged once.
    reported: HashSet<String>,
    pub notes: BTreeMap<&'static str, u64>,
    /// Events by entity, for counters.
    pub unmapped_reasons: BTreeMap<&'static str, u64>,
}

/// Only the id, without looking at the rest twice.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

impl Judge {
    pub fn new(view: View, press: Arc<Press>, include_raw: bool, short_cut_seed: u64) -> Judge {
        Judge {
            joins: Joins::of(&view),
            building: Building::new(view.batch_no() + 1),
            in_commit: None,
            press,
            include_raw,
            short_cut_seed,
            organization: view.organization.clone(),
            cycles: Cycles::of(&view),
            publications: VecDeque::new(),
            reported: HashSet::new(),
            notes: BTreeMap::new(),
            unmapped_reasons: BTreeMap::new(),
            view,
        }
    }

    /// The view, for the next acquisition; everything not committed is dropped.
    pub fn into_view(self) -> View {
        self.building.fail();
        if let Some(in_commit) = self.in_commit {
            in_commit.fail();
        }
        self.view
    }

    /// Judges every record of a page. `observed_ms`: the present, milliseconds since 1970.
    pub fn observe(&mut self, page: &SeenPage, observed_ms: i64) -> Result<Tally, Refusal> {
        let mut tally = Tally::default();
        for item in &page.items {
            tally.seen += 1;
            match page.stream.branch.entity {
                Some(entity) => self.observe_record(entity, page, item, observed_ms, &mut tally)?,
                None => self.observe_fact(item, &mut tally),
            }
        }
        for fact in self.joins.take_fresh() {
            self.building.push_control(fact);
        }
        Ok(tally)
    }

    fn observe_fact(&mut self, item: &[u8], tally: &mut Tally) {
        match Json::parse(item) {
            Ok(json) if self.joins.learn_third_party(&json) => tally.same += 1,
            _ => self.count_unmapped("third-party", tally),
        }
    }

    fn observe_record(
        &mut self,
        entity: Entity,
        page: &SeenPage,
        item: &[u8],
        observed_ms: i64,
        tally: &mut Tally,
    ) -> Result<(), Refusal> {
        let short_cut = self.short_cut(entity, item);
        if let Ok(Peek { id: Some(id) }) = serde_json::from_slice(item) {
            let key = EntityKey::of(entity.as_str(), &id);
            let known = self.view.index.get(key).is_some_and(|entry| entry.short_cut == short_cut);
            if known && !self.is_pending(key) {
                self.cycles.saw_at_home(key);
                tally.same += 1;
                return Ok(());
            }
        }
        let generation = page.stream.generation;
        let Ok(json) = Json::parse(item) else {
            self.count_unmapped("not-json", tally);
            return Ok(());
        };
        let identity = map::identify(entity, generation, &json);
        let Some(id) = identity.id.as_deref() else {
            self.count_unmapped("no-id", tally);
            return Ok(());
        };
        self.check_organization(identity.organization_id)?;
        if entity == Entity::Account {
            self.joins.learn_account(id, &json, generation);
            for fact in self.joins.take_fresh() {
                self.building.push_control(fact);
            }
        }
        let key = EntityKey::of(entity.as_str(), id);
        // The bank's name is owned, as the joins stay borrowed no longer than this line.
        let outcome = self.joins.outcome(entity, generation, &json, identity.account_id);
        let bank_name = outcome.bank_name.map(str::to_owned);
        let outcome = JoinOutcome { bank_name: bank_name.as_deref(), ..outcome };
        let seen = Seen {
            fingerprint: fingerprint::content(&json, entity == Entity::Account, outcome),
            version: identity.version,
            requested_at: page.requested_at,
        };
        let trust_older = self.cycles.trusts_older(&page.stream.name, key, observed_ms);
        let mut class = self.classify(key, generation, seen, trust_older);
        if self.is_foreign(&page.stream, identity.account_id, key, class) {
            class = Class::Foreign;
        }
        match class {
            Class::New => tally.new += 1,
            Class::Changed => tally.changed += 1,
            Class::Same => {
                tally.same += 1;
                if !self.is_pending(key) {
                    self.view.index.set_short_cut(key, short_cut);
                }
            }
            Class::Rebased => {
                tally.rebased += 1;
                self.rebase(entity, id, key, &page.stream, seen);
            }
            Class::Stale => {
                tally.stale += 1;
                self.cycles.saw_stale(&page.stream.name, key);
            }
            Class::Crossed => tally.crossed += 1,
            Class::Foreign => tally.foreign += 1,
            Class::Unknown => self.count_unmapped("other-release", tally),
        }
        if matches!(class, Class::New | Class::Changed) {
            let found = Found { entity, json: &json, raw: item, seen, outcome, key };
            if let Err(reason) = self.publish(&found, page, observed_ms) {
                match class {
                    Class::New => tally.new -= 1,
                    _ => tally.changed -= 1,
                }
                self.count_unmapped(reason, tally);
            }
        }
        Ok(())
    }

    /// Hash of the bytes, bound to the join facts they are judged with.
    fn short_cut(&self, entity: Entity, item: &[u8]) -> [u8; 16] {
        let seed = self.short_cut_seed ^ self.joins.epoch(entity);
        let hash = xxh3_128_with_seed(item, seed).to_le_bytes();
        if hash == NO_SHORT_CUT { [1; 16] } else { hash }
    }

    fn is_pending(&self, key: EntityKey) -> bool {
        self.building.get(key).is_some() || self.committing(key).is_some()
    }

    fn committing(&self, key: EntityKey) -> Option<&StateRecord> {
        self.in_commit.as_ref()?.get(key)
    }

    /// Compares with the change being built, if there is one, and then with what lies below it: the
    /// change being built is not out yet and gives way.
    fn classify(
        &mut self,
        key: EntityKey,
        generation: Generation,
        seen: Seen,
        trust_older: bool,
    ) -> Class {
        let below = match self.committing(key) {
            Some(record) => Some(known(record, generation)),
            None => self.view.index.get(key).map(|entry| Known {
                fingerprint: entry.fingerprint,
                algorithm_is_ours: entry.algorithm == ALGORITHM,
                generation_is_ours: entry.generation == number(generation),
                version: entry.version,
                deleted: entry.deleted,
                published_at: self.published_at(entry.batch_no),
                pending: false,
            }),
        };
        let Some(above) = self.building.get(key).map(|record| known(record, generation)) else {
            return classify(below, seen, trust_older);
        };
        match classify(Some(above), seen, trust_older) {
            Class::Changed | Class::Rebased => {
                let class = classify(below, seen, true);
                if matches!(class, Class::Same | Class::Rebased) {
                    // Back to what is published: the change being built never happened.
                    self.building.remove(key);
                }
                class
            }
            verdict => verdict,
        }
    }

    fn published_at(&self, batch_no: u64) -> Option<Instant> {
        let first = self.publications.front()?.0;
        let place = usize::try_from(batch_no.checked_sub(first)?).ok()?;
        self.publications.get(place).map(|(_, at)| *at)
    }

    fn check_organization(&mut self, organization_id: Option<&str>) -> Result<(), Refusal> {
        match (&self.organization, organization_id) {
            (_, None) => Ok(()),
            (Some(known), Some(found)) if known == found => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::ForeignOrganization),
            (None, Some(found)) => {
                self.organization = Some(found.to_owned());
                self.building.push_control(Control::Organization(found.to_owned()));
                Ok(())
            }
        }
    }

    /// Records a version without an event.
    fn rebase(&mut self, entity: Entity, id: &str, key: EntityKey, stream: &Stream, seen: Seen) {
        // While a change is in commit, the place of its event is not known: the next listing will
        // find the same difference.
        if self.committing(key).is_some() {
            return;
        }
        let Some(entry) = self.view.index.get(key) else { return };
        let (change_no, event) = (entry.change_no, entry.event);
        let record = self.state_record(stream, seen, change_no, event);
        let state_key = record::key(entity.as_str(), id);
        self.building.put(key, Pending { state_key, record, event: None });
    }

    /// Number of the last change that is committed or in commit.
    fn last_change_no(&self, key: EntityKey) -> Option<u64> {
        match self.committing(key) {
            Some(record) => Some(record.change_no),
            None => self.view.index.get(key).map(|entry| entry.change_no),
        }
    }

    fn state_record(
        &self,
        stream: &Stream,
        seen: Seen,
        change_no: u64,
        event: Option<EventLocation>,
    ) -> StateRecord {
        StateRecord {
            deleted: false,
            quarantined: false,
            algorithm: ALGORITHM,
            generation: number(stream.generation),
            event,
            change_no,
            fingerprint: seen.fingerprint,
            version: seen.version,
            batch_no: self.building.batch_no(),
            resync: 0,
            stream: stream.name.clone(),
        }
    }

    fn publish(
        &mut self,
        found: &Found<'_>,
        page: &SeenPage,
        observed_ms: i64,
    ) -> Result<(), &'static str> {
        let stream = &page.stream;
        let raw = self.include_raw.then(|| std::str::from_utf8(found.raw).ok()).flatten();
        let joined = Joined {
            bank_name: found.outcome.bank_name,
            own_counterparty: found.outcome.own_counterparty,
            source_resource: stream.name.strip_prefix("external-payments/"),
            ..Joined::default()
        };
        let mapped = map::map(found.entity, stream.generation, found.json, raw, &joined)
            .map_err(map::Error::reason)?;
        for note in &mapped.notes {
            *self.notes.entry(note.kind()).or_default() += 1;
            if self.reported.insert(format!("{} {note}", found.entity)) {
                tracing::warn!(entity = found.entity.as_str(), "odd record published: {note}");
            }
        }
        let before = self.last_change_no(found.key);
        let change_no = before.unwrap_or(0) + 1;
        let first = !self.cycles.has(&stream.name);
        let (op, snapshot) = match before {
            None if first => (Op::Read, Snapshot::First),
            None => (Op::Create, Snapshot::False),
            Some(_) if self.is_deleted(found.key) => (Op::Create, Snapshot::False),
            Some(_) => (Op::Update, Snapshot::False),
        };
        let organization_id = mapped.organization_id.or_else(|| self.organization.clone());
        let id = mapped.id;
        let event = self
            .press
            .event(Change {
                record: mapped.record,
                op,
                snapshot,
                generation: stream.generation,
                stream: &stream.name,
                organization_id: organization_id.as_deref().unwrap_or_default(),
                change_no,
                batch_no: self.building.batch_no(),
                fingerprint: found.seen.fingerprint,
                received_ms: page.received_ms,
                observed_ms,
            })
            .map_err(|error| {
                if self.reported.insert("encode".to_owned()) {
                    tracing::error!(%error, "a record could not be encoded");
                }
                "not-encodable"
            })?;
        let record = self.state_record(stream, found.seen, change_no, None);
        let state_key = record::key(found.entity.as_str(), &id);
        self.building.put(found.key, Pending { state_key, record, event: Some(event) });
        Ok(())
    }

    fn is_deleted(&self, key: EntityKey) -> bool {
        match self.committing(key) {
            Some(record) => record.deleted,
            None => self.view.index.get(key).is_some_and(|entry| entry.deleted),
        }
    }

    fn count_unmapped(&mut self, reason: &'static str, tally: &mut Tally) {
        tally.unmapped += 1;
        *self.unmapped_reasons.entry(reason).or_default() += 1;
        if self.reported.insert(format!("unmapped {reason}")) {
            tracing::warn!(reason, "a record cannot become an event; the stream goes on");
        }
    }

    /// Whether the difference comes from another account's list than the record names, while the
    /// account named serves the entity itself: two lists that disagree would take turns for ever.
    fn is_foreign(
        &mut self,
        stream: &Stream,
        account_id: Option<&str>,
        key: EntityKey,
        class: Class,
    ) -> bool {
        let (Some(list), Some(named)) = (stream.account_id.as_deref(), account_id) else {
            return false;
        };
        if list == named {
            self.cycles.saw_at_home(key);
            return false;
        }
        if class != Class::Changed {
            return false;
        }
        let home = format!("{}/{named}", stream.branch.name);
        let known = self.building.get(key).or_else(|| self.committing(key));
        let last = match (known, self.view.index.get(key)) {
            (Some(record), _) => record.stream.as_str(),
            (None, Some(entry)) => self.view.index.stream_name(entry.stream),
            (None, None) => return false,
        };
        last == home && self.cycles.home_wins(key, &home)
    }

    /// A complete listing of the stream has been observed.
    pub fn finish(&mut self, stream: &Stream, listed: u64, now_ms: i64) {
        if stream.branch.entity.is_none() || stream.branch.name == crate::poll::tree::ACCOUNTS {
            self.record_list(stream, ListStatus::Complete);
        }
        if stream.branch.entity.is_none() {
            return;
        }
        if let Some(cycle) = self.cycles.finish(&stream.name, listed, now_ms) {
            self.building.push_control(Control::Cycle(cycle));
        }
    }

    /// A reference list was completed, or is not offered.
    pub fn record_list(&mut self, stream: &Stream, status: ListStatus) {
        self.joins.record_list(stream.branch.name, status);
        for fact in self.joins.take_fresh() {
            self.building.push_control(fact);
        }
    }

    /// A batch was read back: it is part of the view now.
    pub fn committed(&mut self, batch_no: u64) {
        let now = Instant::now();
        while self.publications.front().is_some_and(|(_, at)| now - *at > PUBLICATIONS_KEPT) {
            self.publications.pop_front();
        }
        self.publications.push_back((batch_no, now));
    }
}

/// A record that is going to be an event.
struct Found<'a> {
    entity: Entity,
    json: &'a Json<'a>,
    raw: &'a [u8],
    seen: Seen,
    outcome: JoinOutcome<'a>,
    key: EntityKey,
}

fn known(record: &StateRecord, generation: Generation) -> Known {
    Known {
        fingerprint: record.fingerprint,
        algorithm_is_ours: record.algorithm == ALGORITHM,
        generation_is_ours: record.generation == number(generation),
        version: record.version,
        deleted: record.deleted,
        published_at: None,
        pending: true,
    }
}

/// A generation as state records write it.
pub fn number(generation: Generation) -> u8 {
    match generation {
        Generation::V1 => 1,
        Generation::V2 => 2,
    }
}
