//! Format 2, for tests only: a format that a later release could have. It differs from format 1 in
//! everything but the first byte, so that a reader that guessed would be found out.
//!
//! Behind the number, in both kinds of record: the first 8 bytes of BLAKE3 over the rest. The rest
//! of an entity record, integers little endian: length of the stream's name (2 bytes), the name,
//! `batch_no`, `change_no`, fingerprint, its rules, generation, resync, a byte that says whether
//! there is a version, version, a byte that says whether there is an event, offset, partition,
//! deleted, quarantined. The rest of a control record: its JSON inside `{"is":` and `}`.

use super::Format;
use crate::change::Fingerprint;
use crate::state::record::{EventLocation, Reader, StateRecord};

const CHECKSUM_BYTES: usize = 8;
const OPENING: &[u8] = b"{\"is\":";
const CLOSING: &[u8] = b"}";

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut value = vec![Format::Next.number()];
    value.extend_from_slice(&checksum(body));
    value.extend_from_slice(body);
    value
}

fn opened(rest: &[u8]) -> Option<&[u8]> {
    let (sum, body) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    (*sum == checksum(body)).then_some(body)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::hash(body);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&hash.as_bytes()[..CHECKSUM_BYTES]);
    sum
}

pub fn control(json: &[u8]) -> Vec<u8> {
    sealed(&[OPENING, json, CLOSING].concat())
}

pub fn control_json(rest: &[u8]) -> Option<&[u8]> {
    opened(rest)?.strip_prefix(OPENING)?.strip_suffix(CLOSING)
}

pub fn entity(record: &StateRecord) -> Vec<u8> {
    let mut body = Vec::new();
    let length = u16::try_from(record.stream.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(record.stream.as_bytes());
    body.extend_from_slice(&record.batch_no.to_le_bytes());
    body.extend_from_slice(&record.change_no.to_le_bytes());
    body.extend_from_slice(&record.fingerprint.0);
    body.extend_from_slice(&[record.algorithm, record.generation]);
    body.extend_from_slice(&record.resync.to_le_bytes());
    body.push(u8::from(record.version.is_some()));
    body.extend_from_slice(&record.version.unwrap_or(0).to_le_bytes());
    let event = record.event.unwrap_or(EventLocation { partition: 0, offset: 0 });
    body.push(u8::from(record.event.is_some()));
    body.extend_from_slice(&event.offset.to_le_bytes());
    body.extend_from_slice(&event.partition.to_le_bytes());
    body.extend_from_slice(&[u8::from(record.deleted), u8::from(record.quarantined)]);
    sealed(&body)
}

pub fn entity_record(rest: &[u8]) -> Option<StateRecord> {
    let body = opened(rest)?;
    let (length, body) = body.split_first_chunk::<2>()?;
    let (stream, body) = body.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let mut reader = Reader { rest: body };
    let batch_no = u64::from_le_bytes(reader.take()?);
    let change_no = u64::from_le_bytes(reader.take()?);
    let fingerprint = Fingerprint(reader.take()?);
    let [algorithm, generation] = reader.take()?;
    let resync = u32::from_le_bytes(reader.take()?);
    let [has_version] = reader.take()?;
    let version = i64::from_le_bytes(reader.take()?);
    let [has_event] = reader.take()?;
    let offset = i64::from_le_bytes(reader.take()?);
    let partition = i32::from_le_bytes(reader.take()?);
    let [deleted, quarantined] = reader.take()?;
    reader.rest.is_empty().then_some(())?;
    Some(StateRecord {
        deleted: deleted != 0,
        quarantined: quarantined != 0,
        algorithm,
        generation,
        event: (has_event != 0).then_some(EventLocation { partition, offset }),
        change_no,
        fingerprint,
        version: (has_version != 0).then_some(version),
        batch_no,
        resync,
        stream: std::str::from_utf8(stream).ok()?.to_owned(),
    })
}
