//! From a mapped record to an encoded event.

use std::collections::BTreeMap;

use crate::avro::{self, Encoder};
use crate::change::{Fingerprint, Print};
use crate::domain::{
    DeadLetter, Entity, Envelope, Generation, Op, Record, Snapshot, Source, Timestamp, Via,
};
use crate::kafka::partition;
use crate::publish::headers::{self, Facts, event_id};
use crate::publish::{Event, Names, What};

/// Of a record that is too large for an event, its letter shows this much.
const RAW_BYTES_MAX: usize = 500_000;
/// A letter's header has a hash of the bytes, to which no rules apply: the number stands for that
/// hash, and stays.
const LETTER_HASH: u8 = 1;

/// Encoder of one topic's events, and where its schema is found.
pub struct Form {
    pub encoder: Encoder,
    /// For `ce_dataschema`: without user name and password.
    pub schema_url: String,
}

/// All that turns a record into an event and stays the same for the life of the process.
pub struct Press {
    pub forms: BTreeMap<Entity, Form>,
    pub letters: Form,
    pub names: Names,
    /// Partitions of each event topic.
    pub partitions: i32,
    pub program_version: &'static str,
}

/// One change, decided.
pub struct Change<'a> {
    /// What was published before, where it is published again.
    pub before: Option<Record>,
    pub record: Record,
    pub op: Op,
    pub snapshot: Snapshot,
    pub generation: Generation,
    pub stream: &'a str,
    pub organization_id: &'a str,
    pub change_no: u64,
    pub batch_no: u64,
    pub print: Print,
    /// Milliseconds since 1970: when the record was received.
    pub received_ms: i64,
    /// Milliseconds since 1970: when the difference was observed.
    pub observed_ms: i64,
}

/// A record that cannot become a change.
pub struct Unusable<'a> {
    pub stream: &'a str,
    pub entity: Entity,
    /// The record's id, where it has a readable one.
    pub id: Option<&'a str>,
    /// Last part of the letter's key.
    pub name: &'a str,
    pub reason: &'a str,
    pub detail: Option<String>,
    pub raw: &'a [u8],
    pub organization_id: &'a str,
    pub change_no: u64,
    pub batch_no: u64,
    pub content: Fingerprint,
    /// Milliseconds since 1970.
    pub observed_ms: i64,
}

impl Press {
    /// Encodes the event of a change.
    pub fn event(&self, change: Change<'_>) -> Result<Event, avro::Error> {
        let entity = change.record.entity();
        let id = change.record.id().to_owned();
        let topic = self.names.entity(entity);
        let event_id = event_id(&topic, &id, change.change_no);
        let missing =
            || avro::Error::Schema { detail: format!("no schema was looked up for {entity}") };
        let form = self.forms.get(&entity).ok_or_else(missing)?;
        let source = Source {
            connector: "atlar".to_owned(),
            version: self.program_version.to_owned(),
            name: self.names.prefix().to_owned(),
            ts_ms: change.received_ms,
            snapshot: change.snapshot,
            organization_id: Some(change.organization_id.to_owned()),
            api_version: change.generation,
            entity,
            stream: change.stream.to_owned(),
            change_no: i64::try_from(change.change_no).unwrap_or(i64::MAX),
            entity_version: change.record.version(),
            via: Via::Poll,
        };
        let envelope = Envelope {
            before: change.before,
            after: Some(change.record),
            op: change.op,
            ts_ms: change.observed_ms,
            changed_fields: Vec::new(),
            source,
        };
        let mut value = Vec::with_capacity(1024);
        form.encoder.encode_envelope(&envelope, &mut value)?;
        let what = What::Change { entity, op: change.op };
        let headers = headers::headers(&Facts {
            id: event_id,
            what,
            subject: &id,
            organization_id: change.organization_id,
            time: &rfc3339(change.observed_ms),
            schema_url: &form.schema_url,
            stream: change.stream,
            batch_no: change.batch_no,
            print: change.print,
        });
        let partition = partition::of(id.as_bytes(), self.partitions);
        Ok(Event {
            topic,
            partition,
            key: id.into_bytes(),
            value,
            headers: Some(headers),
            id: event_id,
            what,
            change_no: change.change_no,
        })
    }

    /// Encodes a dead letter.
    pub fn letter(&self, unusable: &Unusable<'_>) -> Result<Event, avro::Error> {
        let topic = self.names.dead_letter();
        let key = format!("{}/{}", unusable.stream, unusable.name);
        let event_id = event_id(&topic, &key, unusable.change_no);
        let shown = unusable.raw.get(..RAW_BYTES_MAX).unwrap_or(unusable.raw);
        let letter = DeadLetter {
            stream: unusable.stream.to_owned(),
            entity: unusable.entity,
            id: unusable.id.map(str::to_owned),
            reason: unusable.reason.to_owned(),
            detail: unusable.detail.clone(),
            // What is not UTF-8 is shown as well as it can be: it is evidence, not data.
            raw: Some(String::from_utf8_lossy(shown).into_owned()),
            observed_at: Timestamp(unusable.observed_ms),
        };
        let mut value = Vec::with_capacity(unusable.raw.len() + 256);
        self.letters.encoder.encode_dead_letter(&letter, &mut value)?;
        let headers = headers::headers(&Facts {
            id: event_id,
            what: What::DeadLetter,
            subject: &key,
            organization_id: unusable.organization_id,
            time: &rfc3339(unusable.observed_ms),
            schema_url: &self.letters.schema_url,
            stream: unusable.stream,
            batch_no: unusable.batch_no,
            print: Print { algorithm: LETTER_HASH, fingerprint: unusable.content },
        });
        Ok(Event {
            topic,
            partition: 0,
            key: key.into_bytes(),
            value,
            headers: Some(headers),
            id: event_id,
            what: What::DeadLetter,
            change_no: unusable.change_no,
        })
    }
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
