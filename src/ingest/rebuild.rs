//! A lost state, taken from the events: what the state topic would say of what they say.
//!
//! Folded are the events of each entity in their order, so that the last one counts, and of all
//! accounts each one, because an own account stays own. What only listings tell is not in the
//! events, and is left out rather than guessed: which lists were completed once (so the next run
//! waits for them before it judges anything that joins them), a version that moved without content,
//! a move of a stream that published nothing. The next listing of each stream tells it again, and
//! publishes nothing for it.
//!
//! A stream was listed completely once if something was published in it that is no first sight, or
//! if a scan marker says so. A dead letter counts as unusable still: the next listing clears it.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use uuid::Uuid;

use super::decisions::number;
use super::joins::Joins;
use crate::change::Fingerprint;
use crate::domain::{Entity, Envelope, Generation, Op, Record};
use crate::json::Json;
use crate::kafka::follower::Followed;
use crate::map;
use crate::poll::tree::{self, ACCOUNTS, EXTERNAL_PAYMENTS};
use crate::publish::headers::event_id;
use crate::publish::{Batch, Write};
use crate::state::control::{Cycle, ExternalAccount, Genesis, Letter, Rebuild};
use crate::state::record::EventLocation;
use crate::state::{Control, StateRecord, View, record};

/// Records of one batch, its manifest left out.
pub const RECORDS_MAX: usize = 10_000;
/// Letters of one record that the topic may have forgotten by now.
const FORGOTTEN_LETTERS_MAX: u64 = 10_000;

/// The events are not what a workspace of ours publishes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("the record at {place} was not written by this program")]
    Foreign { place: String },
    #[error("the event at {place} does not follow the one before of its entity")]
    Gap { place: String },
    #[error("the event at {place} is of another organisation than those before")]
    Organization { place: String },
}

/// Of one entity the last event.
struct Last {
    partition: i32,
    offset: i64,
    change_no: u64,
    algorithm: u8,
    fingerprint: Fingerprint,
    version: Option<i64>,
    generation: u8,
    deleted: bool,
    /// Index of its name.
    stream: usize,
}

/// What is known of one stream's complete listings.
struct Complete {
    listings: u64,
    /// As the last marker says.
    listed: Option<u64>,
    finished_ms: i64,
}

/// See the module.
pub struct Taken {
    joins: Joins,
    organization: Option<String>,
    /// By the keys of their state records.
    entities: HashMap<Vec<u8>, Last>,
    streams: Vec<String>,
    stream_numbers: HashMap<String, usize>,
    /// With the number of the batch that tells it: the latest one counts.
    generations: BTreeMap<String, (u64, Generation)>,
    source: Option<(u64, &'static str)>,
    third_parties: BTreeMap<String, (u64, String)>,
    /// By counterparty: its accounts from a list of their own.
    external_accounts: BTreeMap<String, (u64, Vec<(String, Value)>)>,
    complete: BTreeMap<String, Complete>,
    letters: BTreeMap<(String, String), Letter>,
    /// Number of the last batch that published something.
    last_batch: u64,
    /// Events read.
    pub events: u64,
}

impl Taken {
    /// Hashes of identifiers are made under the key of this genesis.
    pub fn new(genesis: Genesis) -> Taken {
        let mut view = View::default();
        view.genesis = Some(genesis);
        Taken {
            joins: Joins::of(&view),
            organization: None,
            entities: HashMap::new(),
            streams: Vec::new(),
            stream_numbers: HashMap::new(),
            generations: BTreeMap::new(),
            source: None,
            third_parties: BTreeMap::new(),
            external_accounts: BTreeMap::new(),
            complete: BTreeMap::new(),
            letters: BTreeMap::new(),
            last_batch: 0,
            events: 0,
        }
    }

    /// Entities known so far.
    pub fn entities(&self) -> u64 {
        self.entities.len() as u64
    }

    /// Streams seen so far.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Takes in a change event. Those of an entity come in their order.
    pub fn event(
        &mut self,
        entity: Entity,
        found: &Followed,
        envelope: &Envelope,
    ) -> Result<(), Damage> {
        let foreign = || Damage::Foreign { place: place(found) };
        let source = &envelope.source;
        let id = found.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let id = id.ok_or_else(foreign)?;
        let shown = envelope.after.as_ref().or(envelope.before.as_ref());
        if source.entity != entity || shown.is_some_and(|record| record.id() != id) {
            return Err(foreign());
        }
        let (algorithm, fingerprint) = fingerprint_of(found).ok_or_else(foreign)?;
        let batch_no = batch_no_of(found).ok_or_else(foreign)?;
        let change_no = u64::try_from(source.change_no).map_err(|_| foreign())?;
        let key = record::key(entity.as_str(), id);
        let before = self.entities.get(&key).map_or(0, |last| last.change_no);
        if change_no != before + 1 {
            return Err(Damage::Gap { place: place(found) });
        }
        self.check_organization(source.organization_id.as_deref(), found)?;
        let last = Last {
            partition: found.partition,
            offset: found.offset,
            change_no,
            algorithm,
            fingerprint,
            version: source.entity_version,
            generation: number(source.api_version),
            deleted: envelope.op == Op::Delete,
            stream: self.stream(&source.stream),
        };
        self.entities.insert(key, last);
        self.learn_stream(envelope, batch_no);
        match &envelope.after {
            Some(Record::Account(account)) => {
                self.joins.learn_published_account(account);
                let raw = account.raw.as_deref().and_then(|raw| Json::parse(raw.as_bytes()).ok());
                let bank = raw.as_ref().and_then(map::third_party_of);
                if let (Some(bank), Some(name)) = (bank, &account.bank_name) {
                    let known = self.third_parties.entry(bank.to_owned()).or_default();
                    if known.0 <= batch_no {
                        *known = (batch_no, name.clone());
                    }
                }
            }
            Some(Record::Counterparty(counterparty)) => {
                let raw = counterparty.raw.as_deref();
                let raw = raw.and_then(|raw| Json::parse(raw.as_bytes()).ok());
                let joined =
                    raw.is_some_and(|raw| map::needs_external_accounts(&raw, source.api_version));
                let accounts = counterparty.external_accounts.iter().filter(|_| joined);
                // Strings and numbers only: serialising cannot fail.
                let facts = accounts.filter_map(|account| {
                    Some((account.id.clone()?, serde_json::to_value(account).unwrap_or_default()))
                });
                self.external_accounts.insert(id.to_owned(), (batch_no, facts.collect()));
            }
            _ => {}
        }
        self.last_batch = self.last_batch.max(batch_no);
        self.events += 1;
        Ok(())
    }

    fn check_organization(&mut self, named: Option<&str>, found: &Followed) -> Result<(), Damage> {
        let Some(named) = named.filter(|named| !named.is_empty()) else { return Ok(()) };
        match &self.organization {
            Some(known) if known != named => Err(Damage::Organization { place: place(found) }),
            Some(_) => Ok(()),
            None => {
                self.organization = Some(named.to_owned());
                Ok(())
            }
        }
    }

    fn stream(&mut self, name: &str) -> usize {
        if let Some(number) = self.stream_numbers.get(name) {
            return *number;
        }
        self.streams.push(name.to_owned());
        let number = self.streams.len() - 1;
        self.stream_numbers.insert(name.to_owned(), number);
        number
    }

    fn learn_stream(&mut self, envelope: &Envelope, batch_no: u64) {
        let source = &envelope.source;
        let told = (batch_no, source.api_version);
        self.learn_generation(&source.stream, told);
        if source.entity == Entity::Balance {
            // They go with their accounts, which may have published nothing since they moved.
            self.learn_generation(ACCOUNTS, told);
        }
        // An update alone proves nothing: a first listing may have broken off before it.
        if matches!(envelope.op, Op::Create | Op::Delete) {
            let first = Complete { listings: 1, listed: None, finished_ms: envelope.ts_ms };
            self.complete.entry(source.stream.clone()).or_insert(first);
        }
        let name = source.stream.strip_prefix(EXTERNAL_PAYMENTS);
        let name = name.and_then(|rest| rest.strip_prefix('/'));
        let list = tree::SOURCES.iter().find(|list| Some(list.name) == name && list.automatic);
        if let Some(list) = list
            && self.source.is_none_or(|(known, _)| known <= batch_no)
        {
            self.source = Some((batch_no, list.name));
        }
    }

    fn learn_generation(&mut self, stream: &str, told: (u64, Generation)) {
        match self.generations.get_mut(stream) {
            Some(known) if known.0 > told.0 => {}
            Some(known) => *known = told,
            None => {
                self.generations.insert(stream.to_owned(), told);
            }
        }
    }

    /// Takes in a dead letter, decoded.
    pub fn letter(&mut self, found: &Followed, letter: &Value) -> Result<(), Damage> {
        let foreign = || Damage::Foreign { place: place(found) };
        let stream = letter["stream"].as_str().ok_or_else(foreign)?;
        let key = found.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let key = key.ok_or_else(foreign)?;
        let name = key.strip_prefix(stream).and_then(|rest| rest.strip_prefix('/'));
        let name = name.ok_or_else(foreign)?;
        let (_, content) = fingerprint_of(found).ok_or_else(foreign)?;
        let batch_no = batch_no_of(found).ok_or_else(foreign)?;
        let id = header(found, "ce_id").and_then(|id| id.parse::<Uuid>().ok());
        let id = id.ok_or_else(foreign)?;
        let place = (stream.to_owned(), name.to_owned());
        let known = self.letters.get(&place).map_or(0, |letter| letter.change_no);
        // The number is in the id alone, and the topic may have forgotten the letters before.
        let numbers = known + 1..=known + FORGOTTEN_LETTERS_MAX;
        let change_no = numbers.into_iter().find(|no| event_id(&found.topic, key, *no) == id);
        let change_no = change_no.ok_or_else(foreign)?;
        let letter = Letter { content: content.to_string(), change_no, live: true };
        self.letters.insert(place, letter);
        self.last_batch = self.last_batch.max(batch_no);
        Ok(())
    }

    /// Takes in a scan marker, decoded.
    pub fn marker(&mut self, found: &Followed, marker: &Value) -> Result<(), Damage> {
        let foreign = || Damage::Foreign { place: place(found) };
        let stream = marker["stream"].as_str().ok_or_else(foreign)?;
        let listed = marker["listed"].as_u64().ok_or_else(foreign)?;
        let known = self.complete.get(stream).filter(|known| known.listed.is_some());
        let complete = Complete {
            listings: known.map_or(0, |known| known.listings) + 1,
            listed: Some(listed),
            finished_ms: found.appended_ms.unwrap_or_default(),
        };
        self.complete.insert(stream.to_owned(), complete);
        Ok(())
    }

    /// The batches to commit, in their order. `done` belongs in the last one: it says that nothing
    /// is missing. Numbers go on from `known_batch_no` and from what was published.
    pub fn batches(mut self, known_batch_no: u64, done: Rebuild) -> impl Iterator<Item = Batch> {
        let first = known_batch_no.max(self.last_batch) + 1;
        let controls = self.controls().into_iter().map(Write::Control);
        let streams = self.streams;
        let mut entities: Vec<(Vec<u8>, Last)> = self.entities.into_iter().collect();
        entities.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let entities = entities.into_iter().map(move |(key, last)| {
            let stream = streams.get(last.stream).cloned().unwrap_or_default();
            Write::Entity { key, record: last.record(stream), event: None }
        });
        let last = std::iter::once(Write::Control(Control::Rebuild(done)));
        let mut writes = controls.chain(entities).chain(last);
        (first..).map_while(move |batch_no| {
            let mut writes: Vec<Write> = writes.by_ref().take(RECORDS_MAX).collect();
            for write in &mut writes {
                if let Write::Entity { record, .. } = write {
                    record.batch_no = batch_no;
                }
            }
            (!writes.is_empty()).then(|| Batch { batch_no, events: Vec::new(), writes })
        })
    }

    fn controls(&mut self) -> Vec<Control> {
        let mut controls: Vec<Control> =
            self.organization.take().map(Control::Organization).into_iter().collect();
        controls.extend(self.joins.take_fresh());
        let banks = std::mem::take(&mut self.third_parties).into_iter();
        controls.extend(banks.map(|(id, (_, name))| Control::ThirdParty { id, name }));
        let mut accounts: Vec<_> =
            std::mem::take(&mut self.external_accounts).into_iter().collect();
        // An account that has moved belongs to the counterparty that was published last with it.
        accounts.sort_by_key(|(_, (batch_no, _))| *batch_no);
        controls.extend(accounts.into_iter().flat_map(|(counterparty_id, (_, accounts))| {
            accounts.into_iter().map(move |(id, account)| {
                let counterparty_id = counterparty_id.clone();
                let fact = Some(ExternalAccount { counterparty_id, account });
                Control::ExternalAccount { id, fact }
            })
        }));
        let generations = std::mem::take(&mut self.generations).into_iter();
        controls.extend(generations.map(|(stream, (_, generation))| Control::Generation {
            stream,
            generation: number(generation),
        }));
        controls.extend(self.source.map(|(_, name)| Control::Source(name.to_owned())));
        let mut live: HashMap<&str, u64> = HashMap::new();
        for last in self.entities.values().filter(|last| !last.deleted) {
            let stream = self.streams.get(last.stream).map_or("", String::as_str);
            *live.entry(stream).or_default() += 1;
        }
        controls.extend(self.complete.iter().map(|(stream, complete)| {
            let counted = live.get(stream.as_str()).copied().unwrap_or(0);
            Control::Cycle(Cycle {
                stream: stream.clone(),
                listings: complete.listings,
                listed: complete.listed.unwrap_or(counted),
                finished_ms: complete.finished_ms,
                stale: BTreeMap::new(),
            })
        }));
        let letters = std::mem::take(&mut self.letters).into_iter();
        controls.extend(letters.map(|((stream, id), letter)| Control::DeadLetter {
            stream,
            id,
            letter: Some(letter),
        }));
        controls
    }
}

impl Last {
    fn record(&self, stream: String) -> StateRecord {
        StateRecord {
            deleted: self.deleted,
            quarantined: false,
            algorithm: self.algorithm,
            generation: self.generation,
            event: Some(EventLocation { partition: self.partition, offset: self.offset }),
            change_no: self.change_no,
            fingerprint: self.fingerprint,
            version: self.version,
            batch_no: 0,
            resync: 0,
            stream,
        }
    }
}

fn header<'a>(found: &'a Followed, name: &str) -> Option<&'a str> {
    let (_, value) = found.headers.iter().find(|(key, _)| key == name)?;
    std::str::from_utf8(value).ok()
}

fn batch_no_of(found: &Followed) -> Option<u64> {
    header(found, "atlar_batch")?.parse().ok()
}

/// Number of the fingerprint's rules, and the fingerprint.
fn fingerprint_of(found: &Followed) -> Option<(u8, Fingerprint)> {
    let (algorithm, hash) = header(found, "atlar_fingerprint")?.split_once(':')?;
    let mut bytes = [0; 16];
    hex::decode_to_slice(hash, &mut bytes).ok()?;
    Some((algorithm.parse().ok()?, Fingerprint(bytes)))
}

fn place(found: &Followed) -> String {
    format!("{} partition {} offset {}", found.topic, found.partition, found.offset)
}

#[cfg(test)]
mod tests;
