//! From a verdict to what is written: an event with its state record, a state record alone, or a
//! dead letter.

use super::{Found, Item, Judge, LastEvent};
use crate::change::{Class, Seen, Tally, is_older};
use crate::domain::{Generation, Op, Record, Snapshot};
use crate::ingest::building::Pending;
use crate::ingest::decisions::number;
use crate::ingest::event::{Change, Unusable};
use crate::ingest::letters::Letters;
use crate::map::{self, Joined, Mapped};
use crate::poll::tree::Stream;
use crate::state::record::{self, EventLocation};
use crate::state::{EntityKey, StateRecord};

/// An event beyond this size does not go through brokers with their usual limit of 1 MB a record,
/// key and headers included.
const EVENT_BYTES_MAX: usize = 900_000;
/// Kinds of oddities that are logged.
const REPORTED_MAX: usize = 1000;

/// Why an event is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Difference,
    /// Everything is published once more.
    Resync,
}

/// The record as its own `before`; without the JSON it came from where two of them are too much.
fn as_before(record: &Record) -> Record {
    let twice = record.raw().map_or(0, str::len) * 2;
    if twice > EVENT_BYTES_MAX { record.clone().without_raw() } else { record.clone() }
}

/// Why a record cannot be an event.
struct Unmappable {
    reason: &'static str,
    detail: Option<String>,
}

impl LastEvent {
    /// Whether this is what the event says of the entity, read in this generation of the API.
    fn tells(&self, record: &Record, generation: Generation) -> bool {
        if self.generation == generation {
            map::same_content(&self.record, record)
        } else {
            map::same_meaning(&self.record, record)
        }
    }
}

impl Judge {
    /// Publishes the record, counted by `counter`; a dead letter if it cannot be an event.
    pub(super) fn publish(
        &mut self,
        found: &Found<'_>,
        id: &str,
        why: Why,
        tally: &mut Tally,
        counter: fn(&mut Tally) -> &mut u64,
    ) {
        let published = self.mapped(found).and_then(|mapped| self.emit(found, id, why, mapped));
        match published {
            Ok(()) => *counter(tally) += 1,
            Err(Unmappable { reason, detail }) => {
                self.dead_letter(found.item, Some(id), reason, detail, tally);
            }
        }
    }

    /// Compares the record with what its entity's last event says, because its fingerprint cannot
    /// be compared: equal, and only the state follows; else it is a difference like any other.
    pub(super) fn compare_published(
        &mut self,
        found: &Found<'_>,
        id: &str,
        published: &LastEvent,
        tally: &mut Tally,
    ) {
        let outcome = self.mapped(found).and_then(|mapped| {
            let older = self.has_older_version(found);
            if !published.tells(&mapped.record, found.item.stream.generation) {
                if older && !self.trusts_older(found) {
                    return Ok(Class::Stale);
                }
                return self.emit(found, id, Why::Difference, mapped).map(|()| Class::Changed);
            }
            if self.is_to_resync(found.key) {
                return self.emit(found, id, Why::Resync, mapped).map(|()| Class::Same);
            }
            // With a lower version it is what was published, as served before: the higher one
            // stays on record.
            if !older {
                self.rebase(found, id);
            }
            Ok(Class::Rebased)
        });
        match outcome {
            Ok(Class::Rebased) => tally.rebased += 1,
            Ok(Class::Same) => tally.resynced += 1,
            Ok(Class::Stale) => {
                tally.stale += 1;
                self.cycles.saw_stale(&found.item.stream.name, found.key);
            }
            Ok(_) => tally.changed += 1,
            Err(Unmappable { reason, detail }) => {
                self.dead_letter(found.item, Some(id), reason, detail, tally);
            }
        }
    }

    /// Versions are counted per generation of the API: those of two are never compared.
    fn has_older_version(&self, found: &Found<'_>) -> bool {
        let entry = self.view.index.get(found.key);
        let entry = entry.filter(|e| e.generation == number(found.item.stream.generation));
        entry.is_some_and(|entry| is_older(entry.version, found.seen.version))
    }

    fn mapped(&mut self, found: &Found<'_>) -> Result<Mapped, Unmappable> {
        let Item { stream, entity, bytes, home, .. } = found.item;
        let raw = std::str::from_utf8(bytes).ok().filter(|_| self.rules.include_raw);
        let joined = Joined {
            bank_name: found.outcome.bank_name.as_deref(),
            own_counterparty: found.outcome.own_counterparty,
            source_resource: stream.name.strip_prefix("external-payments/"),
            account_id: home.as_ref().map(|home| home.account_id.as_str()),
            organization_id: home.as_ref().and_then(|home| home.organization_id.as_deref()),
            external_accounts: &found.outcome.external_accounts,
        };
        let mapped = map::map(*entity, stream.generation, found.json, raw, &joined);
        let mapped = mapped.map_err(|error| Unmappable {
            reason: error.reason(),
            detail: Some(error.to_string()),
        })?;
        for note in &mapped.notes {
            *self.notes.entry(note.kind()).or_default() += 1;
            if self.is_first(format!("{entity} {note}")) {
                tracing::warn!(entity = entity.as_str(), "odd record published: {note}");
            }
        }
        Ok(mapped)
    }

    fn emit(
        &mut self,
        found: &Found<'_>,
        id: &str,
        why: Why,
        mapped: Mapped,
    ) -> Result<(), Unmappable> {
        let stream = found.item.stream;
        let before = self.last_change_no(found.key);
        let change_no = before.unwrap_or(0) + 1;
        let first = !self.cycles.has(&stream.name);
        let (op, snapshot) = match before {
            _ if why == Why::Resync => (Op::Update, Snapshot::Resync),
            None if first => (Op::Read, Snapshot::First),
            None => (Op::Create, Snapshot::False),
            Some(_) if self.is_deleted(found.key) => (Op::Create, Snapshot::False),
            Some(_) => (Op::Update, Snapshot::False),
        };
        let organization_id = mapped.organization_id.or_else(|| self.organization.clone());
        let event = self.rules.press.event(Change {
            before: (why == Why::Resync).then(|| as_before(&mapped.record)),
            record: mapped.record,
            op,
            snapshot,
            generation: stream.generation,
            stream: &stream.name,
            organization_id: organization_id.as_deref().unwrap_or_default(),
            change_no,
            batch_no: self.building.batch_no(),
            print: found.seen.print,
            received_ms: found.item.received_ms,
            observed_ms: found.item.observed_ms,
        });
        // The library's text may quote a value, so it goes no further.
        let event = event.map_err(|_| Unmappable { reason: "not-encodable", detail: None })?;
        if event.value.len() > EVENT_BYTES_MAX {
            let detail = format!("the event has more than {EVENT_BYTES_MAX} bytes");
            return Err(Unmappable { reason: "too-large", detail: Some(detail) });
        }
        let record = self.state_record(stream, found.seen, change_no, None, self.resync_no);
        let state_key = record::key(found.item.entity.as_str(), id);
        self.building.put(found.key, Pending { state_key, record, event: Some(event) });
        Ok(())
    }

    /// Records a version, or a generation, without an event.
    pub(super) fn rebase(&mut self, found: &Found<'_>, id: &str) {
        // While a change is in commit, the place of its event is not known: the next listing will
        // find the same difference.
        if self.committing(found.key).is_some() {
            return;
        }
        let Some(entry) = self.view.index.get(found.key) else { return };
        let (change_no, event, resync_no) = (entry.change_no, entry.event, entry.resync);
        let record = self.state_record(found.item.stream, found.seen, change_no, event, resync_no);
        let state_key = record::key(found.item.entity.as_str(), id);
        self.building.put(found.key, Pending { state_key, record, event: None });
    }

    /// A record that cannot be an event: its bytes are published as they are, once.
    pub(super) fn dead_letter(
        &mut self,
        item: &Item<'_>,
        id: Option<&str>,
        reason: &'static str,
        detail: Option<String>,
        tally: &mut Tally,
    ) {
        self.count_unmapped(reason, tally);
        let content = Letters::content(&item.bytes);
        let name = id.map_or_else(|| format!("#{content}"), str::to_owned);
        if !self.confirmed {
            // Whose record this is will be known later; it is still there.
            self.letters.saw(&item.stream.name, &name);
            return;
        }
        let Some((change_no, control)) = self.letters.observe(&item.stream.name, &name, content)
        else {
            return;
        };
        let event = self.rules.press.letter(&Unusable {
            stream: &item.stream.name,
            entity: item.entity,
            id,
            name: &name,
            reason,
            detail,
            raw: &item.bytes,
            organization_id: self.organization.as_deref().unwrap_or_default(),
            change_no,
            batch_no: self.building.batch_no(),
            content,
            observed_ms: item.observed_ms,
        });
        match event {
            Ok(event) => self.building.push_letter(event, control),
            Err(_) => tracing::error!(reason, "a dead letter could not be encoded"),
        }
    }

    pub(super) fn count_unmapped(&mut self, reason: &'static str, tally: &mut Tally) {
        tally.unmapped += 1;
        *self.unmapped_reasons.entry(reason).or_default() += 1;
        if self.is_first(format!("unmapped {reason}")) {
            tracing::warn!(
                reason,
                hint = "see the topic of dead letters; the stream goes on",
                "a record cannot become an event"
            );
        }
    }

    /// Whether an oddity was not reported yet. Beyond a bound nothing is: the words in it come from
    /// outside.
    fn is_first(&mut self, oddity: String) -> bool {
        self.reported.len() < REPORTED_MAX && self.reported.insert(oddity)
    }

    /// Whether an order to publish everything once more has not reached this entity.
    pub(super) fn is_to_resync(&self, key: EntityKey) -> bool {
        let pending = self.building.get(key).or_else(|| self.committing(key));
        let applied = match pending {
            Some(record) => Some(record.resync),
            None => self.view.index.get(key).map(|entry| entry.resync),
        };
        applied.is_some_and(|applied| applied < self.resync_no)
    }

    /// Number of the last change that is committed or in commit.
    fn last_change_no(&self, key: EntityKey) -> Option<u64> {
        match self.committing(key) {
            Some(record) => Some(record.change_no),
            None => self.view.index.get(key).map(|entry| entry.change_no),
        }
    }

    fn is_deleted(&self, key: EntityKey) -> bool {
        match self.committing(key) {
            Some(record) => record.deleted,
            None => self.view.index.get(key).is_some_and(|entry| entry.deleted),
        }
    }

    fn state_record(
        &self,
        stream: &Stream,
        seen: Seen,
        change_no: u64,
        event: Option<EventLocation>,
        resync: u32,
    ) -> StateRecord {
        StateRecord {
            deleted: false,
            quarantined: false,
            algorithm: seen.print.algorithm,
            generation: number(stream.generation),
            event,
            change_no,
            fingerprint: seen.print.fingerprint,
            version: seen.version,
            batch_no: self.building.batch_no(),
            resync,
            stream: stream.name.clone(),
        }
    }
}
