//! Records to bytes.

use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;

use crate::domain::{DeadLetter, Envelope, ScanCompleted};

use super::schema::{Subject, schema};
use super::{Error, decode, detail};

/// Writes the values of one topic. Made once per topic and schema id, then reused: resolving a
/// schema costs more than writing a record.
pub struct Encoder {
    subject: Subject,
    prefix: [u8; decode::PREFIX],
    writer: GenericDatumWriter<'static>,
}

impl Encoder {
    /// An encoder of `subject`'s own schema, which the registry knows as `schema_id`.
    pub fn new(subject: Subject, schema_id: u32) -> Result<Encoder, Error> {
        let writer = GenericDatumWriter::builder(schema(subject)?)
            .human_readable(false)
            .build()
            .map_err(|error| Error::Schema { detail: detail(error) })?;
        let [a, b, c, d] = schema_id.to_be_bytes();
        Ok(Encoder { subject, prefix: [0, a, b, c, d], writer })
    }

    /// Appends a change event. On an error `out` is as before.
    pub fn encode_envelope(&self, envelope: &Envelope, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.subject != Subject::Entity(envelope.source.entity) {
            return Err(self.misfit("an event of another entity".to_owned()));
        }
        self.encode(envelope, out)
    }

    /// Appends a scan marker. On an error `out` is as before.
    pub fn encode_scan(&self, scan: &ScanCompleted, out: &mut Vec<u8>) -> Result<(), Error> {
        self.encode(scan, out)
    }

    /// Appends a dead letter. On an error `out` is as before.
    pub fn encode_dead_letter(&self, letter: &DeadLetter, out: &mut Vec<u8>) -> Result<(), Error> {
        self.encode(letter, out)
    }

    fn encode(&self, record: &impl Serialize, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        out.extend_from_slice(&self.prefix);
        self.writer.write_ser(out, record).map(drop).map_err(|error| {
            out.truncate(start);
            self.misfit(detail(error))
        })
    }

    fn misfit(&self, detail: String) -> Error {
        Error::Encode { subject: self.subject, detail }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("subject", &self.subject).finish_non_exhaustive()
    }
}
