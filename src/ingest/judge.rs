//! One record as received, and what is to be done about it.
//!
//! The order of the checks is the order of their cost: an id and a hash of the bytes tell for most
//! records of a quiet listing that nothing changed; the rest is parsed, joined, fingerprinted and
//! compared; only what is new or changed is mapped and encoded (`emit`). What a listing says as a
//! whole is in [`streams`].

mod aside;
mod emit;
mod inside;
mod organization;
pub mod streams;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::SeenPage;
use super::building::{Building, InCommit};
use super::cycles::Cycles;
use super::decisions::{Decisions, number};
use super::event::Press;
use super::joins::{Joins, Outcome};
use super::letters::Letters;
use crate::change::{Class, Known, Print, Seen, Tally, classify, fingerprint, rules};
use crate::domain::{Entity, Generation, Record};
use crate::json::Json;
use crate::map;
use crate::poll::tree::{self, Narrowing, Stream};
use crate::state::index::NO_SHORT_CUT;
use crate::state::record::EventLocation;
use crate::state::{EntityKey, StateRecord, View};

pub use organization::Refusal;

/// For how long the times of publications are remembered: longer than any request lasts.
const PUBLICATIONS_KEPT: Duration = Duration::from_secs(600);

/// What stays the same for the life of a workspace.
#[derive(Clone)]
pub struct Rules {
    pub press: Arc<Press>,
    pub include_raw: bool,
    pub narrowing: Arc<Narrowing>,
}

/// See the module.
pub struct Judge {
    pub view: View,
    pub joins: Joins,
    pub decisions: Decisions,
    pub building: Building,
    pub in_commit: Option<InCommit>,
    /// Number of the last order to publish everything once more; 0: none.
    pub resync_no: u32,
    rules: Rules,
    short_cut_seed: u64,
    organization: Option<String>,
    /// A record of this session has named the organisation.
    confirmed: bool,
    cycles: Cycles,
    letters: Letters,
    /// Records seen inside those of another list, in its present listing, by stream.
    inside_listed: HashMap<String, u64>,
    /// When recent batches became readable.
    publications: VecDeque<(u64, Instant)>,
    /// Kinds of oddities already reported, so that each is logged once.
    reported: HashSet<String>,
    /// Odd records published all the same, by kind of oddity, since it was last told.
    pub notes: BTreeMap<&'static str, u64>,
    /// Records that could not be events, by reason, since it was last told.
    pub unmapped_reasons: BTreeMap<&'static str, u64>,
}

/// What became of a page.
#[derive(Debug, Default)]
pub struct Observed {
    /// Counts by stream: of the page's own, and of those whose records came inside.
    pub tallies: Vec<(String, Tally)>,
    /// Records that only their last event can judge.
    pub aside: Vec<Aside>,
}

/// A record whose entity was last judged in another generation of the API, or by other rules: it
/// is compared by its meaning with what was published.
#[derive(Debug)]
pub struct Aside {
    stream: Stream,
    pub entity: Entity,
    item: Bytes,
    home: Option<Home>,
    pub change_no: u64,
    pub location: EventLocation,
}

/// What the last event of an entity says.
#[derive(Debug)]
pub struct LastEvent {
    pub record: Record,
    /// Generation of the API that the record was read in.
    pub generation: Generation,
}

/// The record that another one came inside of.
#[derive(Debug, Clone)]
struct Home {
    account_id: String,
    organization_id: Option<String>,
}

/// A record and where it was found.
struct Item<'a> {
    stream: &'a Stream,
    entity: Entity,
    bytes: Bytes,
    home: Option<Home>,
    requested_at: Instant,
    received_ms: i64,
    /// The present, milliseconds since 1970.
    observed_ms: i64,
}

/// A record that is going to be an event.
struct Found<'a> {
    item: &'a Item<'a>,
    json: &'a Json<'a>,
    seen: Seen,
    outcome: &'a Outcome,
    key: EntityKey,
}

/// Only the id, without looking at the rest twice.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

impl Judge {
    pub fn new(view: View, rules: Rules, short_cut_seed: u64) -> Judge {
        Judge {
            joins: Joins::of(&view),
            decisions: Decisions::of(&view),
            building: Building::new(view.batch_no() + 1),
            in_commit: None,
            resync_no: view.resync.as_ref().map_or(0, |resync| resync.number),
            rules,
            short_cut_seed,
            organization: view.organization.clone(),
            confirmed: false,
            cycles: Cycles::of(&view),
            letters: Letters::of(&view),
            inside_listed: HashMap::new(),
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
    pub fn observe(&mut self, page: &SeenPage, observed_ms: i64) -> Result<Observed, Refusal> {
        let mut observed = Observed::default();
        let mut tally = Tally::default();
        if !self.confirmed && page.stream.branch.name != tree::THIRD_PARTIES {
            self.ask_for_organization(&page.items)?;
        }
        // An account of v1 carries a balance, which is judged by itself each time.
        let (stream, generation) = (page.stream.branch.name, page.stream.generation);
        let alone = tree::inside(stream, generation).next().is_none();
        for bytes in &page.items {
            let Some(entity) = page.stream.branch.entity else {
                self.observe_fact(&page.stream, bytes, &mut tally)?;
                continue;
            };
            let item = Item {
                stream: &page.stream,
                entity,
                bytes: bytes.clone(),
                home: None,
                requested_at: page.requested_at,
                received_ms: page.received_ms,
                observed_ms,
            };
            tally.seen += 1;
            if alone && self.knows_bytes(&item) {
                tally.same += 1;
                continue;
            }
            self.judge(&item, None, &mut tally, &mut observed)?;
        }
        for fact in self.joins.take_fresh() {
            self.building.push_control(fact);
        }
        observed.tallies.push((page.stream.name.clone(), tally));
        Ok(observed)
    }

    fn observe_fact(
        &mut self,
        stream: &Stream,
        item: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Refusal> {
        tally.seen += 1;
        let learnt = match Json::parse(item) {
            Ok(json) if stream.branch.name == tree::EXTERNAL_ACCOUNTS => {
                // Other than the banks, these are a company's own.
                if !self.check_organization(json.get("organizationId").text())? {
                    tally.unconfirmed += 1;
                    self.joins.doubt_external_accounts();
                    return Ok(());
                }
                self.joins.learn_external_account(&json, stream.generation)
            }
            Ok(json) => self.joins.learn_third_party(&json),
            Err(_) => false,
        };
        if learnt {
            tally.same += 1;
        } else {
            // Nothing is published of a reference list, so there is no letter either.
            self.count_unmapped("not-a-reference", tally);
        }
        Ok(())
    }

    /// Whether these very bytes were judged before to carry what is published.
    fn knows_bytes(&mut self, item: &Item<'_>) -> bool {
        let Ok(Peek { id: Some(id) }) = serde_json::from_slice(&item.bytes) else { return false };
        let key = EntityKey::of(item.entity.as_str(), &id);
        let short_cut = self.short_cut(item.entity, &item.bytes);
        let known =
            self.view.index.get(key).is_some_and(|entry| {
                entry.short_cut == short_cut && entry.resync >= self.resync_no
            });
        let known = known && !self.is_pending(key);
        if known {
            self.cycles.saw_at_home(key);
            // These bytes were ours: the answers come from the same company.
            self.confirmed = true;
        }
        known
    }

    fn judge(
        &mut self,
        item: &Item<'_>,
        published: Option<&LastEvent>,
        tally: &mut Tally,
        observed: &mut Observed,
    ) -> Result<(), Refusal> {
        let Ok(json) = Json::parse(&item.bytes) else {
            self.dead_letter(item, None, "not-json", None, tally);
            return Ok(());
        };
        let (entity, generation) = (item.entity, item.stream.generation);
        let identity = map::identify(entity, generation, &json);
        let home = item.home.as_ref();
        let organization = home.and_then(|home| home.organization_id.as_deref());
        if !self.check_organization(identity.organization_id.or(organization))? {
            tally.unconfirmed += 1;
            return Ok(());
        }
        let account_id = identity.account_id.or(home.map(|home| home.account_id.as_str()));
        let id = match (&identity.id, home) {
            (Some(id), _) => id.as_ref().to_owned(),
            (None, Some(home)) if json.is_object() => {
                map::balance_id(&home.account_id, json.get("type").text())
            }
            _ => {
                let reason = if json.is_object() { "no-id" } else { "not-an-object" };
                self.dead_letter(item, None, reason, None, tally);
                return Ok(());
            }
        };
        if entity == Entity::Account {
            // Also of accounts that are left out: an own account stays own.
            self.joins.learn_account(&id, &json, generation);
            for fact in self.joins.take_fresh() {
                self.building.push_control(fact);
            }
        }
        if account_id.is_some_and(|account| !self.rules.narrowing.admits(account)) {
            tally.excluded += 1;
            return Ok(());
        }
        let key = EntityKey::of(entity.as_str(), &id);
        let outcome = self.joins.outcome(entity, generation, &json, &id, account_id);
        let embeds = entity == Entity::Account;
        let print = |rules| fingerprint::content(rules, &json, embeds, outcome.compared());
        let seen = Seen {
            print: print(rules::known().written),
            by_stored: self.other_rules(key).map(print),
            version: identity.version,
            requested_at: item.requested_at,
        };
        let found = Found { item, json: &json, seen, outcome: &outcome, key };
        let class = self.verdict(&found, account_id);
        self.act(&found, &id, class, published, tally, observed);
        if embeds {
            self.observe_inside(item, &json, &id, identity.organization_id, observed)?;
        }
        Ok(())
    }

    /// The rules that the committed state of an entity was written by, where they are others than
    /// those written now, and known. What is under way was written by this process.
    fn other_rules(&self, key: EntityKey) -> Option<rules::Rules> {
        let (known, stored) = (rules::known(), self.view.index.get(key)?.algorithm);
        known.numbered(stored).filter(|rules| *rules != known.written)
    }

    fn verdict(&mut self, found: &Found<'_>, account_id: Option<&str>) -> Class {
        let stream = found.item.stream;
        let trust_older = self.trusts_older(found);
        let class = self.classify(found.key, stream.generation, found.seen, trust_older);
        if self.is_foreign(stream, account_id, found.key, class) { Class::Foreign } else { class }
    }

    /// Whether a lower version has been served for so long that it counts.
    fn trusts_older(&self, found: &Found<'_>) -> bool {
        self.cycles.trusts_older(&found.item.stream.name, found.key, found.item.observed_ms)
    }

    fn act(
        &mut self,
        found: &Found<'_>,
        id: &str,
        class: Class,
        published: Option<&LastEvent>,
        tally: &mut Tally,
        observed: &mut Observed,
    ) {
        match class {
            Class::New => self.publish(found, id, emit::Why::Difference, tally, |t| &mut t.new),
            Class::Changed => {
                self.publish(found, id, emit::Why::Difference, tally, |t| &mut t.changed);
            }
            Class::Same | Class::Rebased if self.is_to_resync(found.key) => {
                self.publish(found, id, emit::Why::Resync, tally, |t| &mut t.resynced);
            }
            Class::Same => {
                tally.same += 1;
                if !self.is_pending(found.key) && found.item.home.is_none() {
                    let short_cut = self.short_cut(found.item.entity, &found.item.bytes);
                    self.view.index.set_short_cut(found.key, short_cut);
                }
            }
            Class::Rebased => {
                tally.rebased += 1;
                self.rebase(found, id);
            }
            Class::Stale => {
                tally.stale += 1;
                self.cycles.saw_stale(&found.item.stream.name, found.key);
            }
            Class::Crossed => tally.crossed += 1,
            Class::Foreign => tally.foreign += 1,
            Class::Unknown => match published {
                Some(published) => self.compare_published(found, id, published, tally),
                None => self.set_aside(found, tally, observed),
            },
        }
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
                print: Print { algorithm: entry.algorithm, fingerprint: entry.fingerprint },
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

    /// A batch was read back: it is part of the view now.
    pub fn committed(&mut self, batch_no: u64) {
        let now = Instant::now();
        while self.publications.front().is_some_and(|(_, at)| now - *at > PUBLICATIONS_KEPT) {
            self.publications.pop_front();
        }
        self.publications.push_back((batch_no, now));
    }
}

fn known(record: &StateRecord, generation: Generation) -> Known {
    Known {
        print: Print { algorithm: record.algorithm, fingerprint: record.fingerprint },
        generation_is_ours: record.generation == number(generation),
        version: record.version,
        deleted: record.deleted,
        published_at: None,
        pending: true,
    }
}
