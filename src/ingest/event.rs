//! From a mapped record to an encoded event.

use std::collections::BTreeMap;

use crate::avro::{self, Encoder};
use crate::change::Fingerprint;
use crate::domain::{Entity, Envelope, Generation, Op, Record, Snapshot, Source, Via};
use crate::kafka::partition;
use crate::publish::headers::{self, Facts, event_id};
use crate::publish::{Event, Names};

/// Encoder of one entity's events, and where its schema is found.
pub struct Form {
    pub encoder: Encoder,
    /// For `ce_dataschema`: without user name and password.
    pub schema_url: String,
}

/// All that turns a record into an event and stays the same for the life of the process.
pub struct Press {
    pub forms: BTreeMap<Entity, Form>,
    pub names: Names,
    /// Partitions of each event topic.
    pub partitions: i32,
    pub program_version: &'static str,
}

/// One change, decided.
pub struct Change<'a> {
    pub record: Record,
    pub op: Op,
    pub snapshot: Snapshot,
    pub generation: Generation,
    pub stream: &'a str,
    pub organization_id: &'a str,
    pub change_no: u64,
    pub batch_no: u64,
    pub fingerprint: Fingerprint,
    /// Milliseconds since 1970: when the record was received.
    pub received_ms: i64,
    /// Milliseconds since 1970: when the difference was observed.
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
            before: None,
            after: Some(change.record),
            op: change.op,
            ts_ms: change.observed_ms,
            changed_fields: Vec::new(),
            source,
        };
        let mut value = Vec::with_capacity(1024);
        form.encoder.encode_envelope(&envelope, &mut value)?;
        let time = jiff::Timestamp::from_millisecond(change.observed_ms)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_string();
        let headers = headers::headers(&Facts {
            id: event_id,
            entity,
            entity_id: &id,
            op: change.op,
            organization_id: change.organization_id,
            time: &time,
            schema_url: &form.schema_url,
            stream: change.stream,
            batch_no: change.batch_no,
            fingerprint: change.fingerprint,
        });
        let partition = partition::of(id.as_bytes(), self.partitions);
        Ok(Event {
            topic,
            partition,
            key: id.into_bytes(),
            value,
            headers: Some(headers),
            id: event_id,
            entity,
            op: change.op,
            change_no: change.change_no,
        })
    }
}
