//! The state record of one entity: what was last published of it, in 60 bytes and a stream name.
//!
//! Key: entity as in the topic's name, `\0`, id. Value in format 1, all integers big endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0 | format, 1 |
//! | 1 | flags: 1 deleted, 2 quarantined, 4 has a version, 8 has an event |
//! | 2 | fingerprint algorithm |
//! | 3 | generation of the API it was judged in: 1, 2 |
//! | 4..8 | partition of the last event |
//! | 8..16 | offset of the last event |
//! | 16..24 | `change_no` |
//! | 24..40 | fingerprint |
//! | 40..48 | `version` as Atlar sent it |
//! | 48..56 | `batch_no` |
//! | 56..60 | number of the last resync applied |
//! | 60.. | stream, UTF-8 |

use super::Error;
use super::format::{Format, Formats, formats};
use crate::change::Fingerprint;

const DELETED: u8 = 1;
const QUARANTINED: u8 = 2;
const HAS_VERSION: u8 = 4;
const HAS_EVENT: u8 = 8;
const FIXED_BYTES: usize = 60;

/// Where an event lies in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLocation {
    pub partition: i32,
    pub offset: i64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRecord {
    pub deleted: bool,
    /// The record could not be published as an event; a dead letter stands for it.
    pub quarantined: bool,
    pub algorithm: u8,
    pub generation: u8,
    pub event: Option<EventLocation>,
    pub change_no: u64,
    pub fingerprint: Fingerprint,
    pub version: Option<i64>,
    pub batch_no: u64,
    pub resync: u32,
    pub stream: String,
}

/// Key of an entity's record.
pub fn key(entity: &str, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(entity.len() + 1 + id.len());
    key.extend_from_slice(entity.as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_bytes());
    key
}

impl StateRecord {
    /// Its value in the format that this release writes.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_in(formats().writes)
    }

    fn encode_in(&self, format: Format) -> Vec<u8> {
        match format {
            Format::One => self.encode_one(),
            #[cfg(feature = "crash-points")]
            Format::Next => super::format::next::entity(self),
        }
    }

    fn encode_one(&self) -> Vec<u8> {
        let mut flags = 0;
        flags |= if self.deleted { DELETED } else { 0 };
        flags |= if self.quarantined { QUARANTINED } else { 0 };
        flags |= if self.version.is_some() { HAS_VERSION } else { 0 };
        flags |= if self.event.is_some() { HAS_EVENT } else { 0 };
        let event = self.event.unwrap_or(EventLocation { partition: -1, offset: -1 });
        let mut out = Vec::with_capacity(FIXED_BYTES + self.stream.len());
        out.extend_from_slice(&[Format::One.number(), flags, self.algorithm, self.generation]);
        out.extend_from_slice(&event.partition.to_be_bytes());
        out.extend_from_slice(&event.offset.to_be_bytes());
        out.extend_from_slice(&self.change_no.to_be_bytes());
        out.extend_from_slice(&self.fingerprint.0);
        out.extend_from_slice(&self.version.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&self.batch_no.to_be_bytes());
        out.extend_from_slice(&self.resync.to_be_bytes());
        out.extend_from_slice(self.stream.as_bytes());
        out
    }

    /// Reads the value found at `offset` of the state topic (for the error only).
    pub fn decode(value: &[u8], offset: i64) -> Result<StateRecord, Error> {
        StateRecord::decode_by(formats(), value, offset)
    }

    fn decode_by(formats: Formats, value: &[u8], offset: i64) -> Result<StateRecord, Error> {
        let record = match formats.split(value, offset)? {
            (Format::One, rest) => StateRecord::decode_one(rest),
            #[cfg(feature = "crash-points")]
            (Format::Next, rest) => super::format::next::entity_record(rest),
        };
        record.ok_or(Error::Damaged { offset })
    }

    /// Reads what follows the number of the format.
    fn decode_one(rest: &[u8]) -> Option<StateRecord> {
        let mut reader = Reader { rest };
        let [flags, algorithm, generation] = reader.take::<3>()?;
        let partition = i32::from_be_bytes(reader.take()?);
        let event_offset = i64::from_be_bytes(reader.take()?);
        let change_no = u64::from_be_bytes(reader.take()?);
        let fingerprint = Fingerprint(reader.take()?);
        let version = i64::from_be_bytes(reader.take()?);
        let batch_no = u64::from_be_bytes(reader.take()?);
        let resync = u32::from_be_bytes(reader.take()?);
        let location = EventLocation { partition, offset: event_offset };
        Some(StateRecord {
            deleted: flags & DELETED != 0,
            quarantined: flags & QUARANTINED != 0,
            algorithm,
            generation,
            event: (flags & HAS_EVENT != 0).then_some(location),
            change_no,
            fingerprint,
            version: (flags & HAS_VERSION != 0).then_some(version),
            batch_no,
            resync,
            stream: std::str::from_utf8(reader.rest).ok()?.to_owned(),
        })
    }
}

/// Takes fields off the front of a value.
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

impl Reader<'_> {
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::format::RELEASED;

    fn any_record() -> impl Strategy<Value = StateRecord> {
        let location = proptest::option::of((0..1000i32, 0..i64::MAX));
        let flags = (any::<bool>(), any::<bool>(), any::<u8>(), any::<u8>());
        let numbers = (any::<u64>(), any::<[u8; 16]>(), any::<Option<i64>>(), any::<u64>());
        (flags, location, numbers, any::<u32>(), ".{0,60}").prop_map(
            |(flags, location, numbers, resync, stream)| StateRecord {
                deleted: flags.0,
                quarantined: flags.1,
                algorithm: flags.2,
                generation: flags.3,
                event: location.map(|(partition, offset)| EventLocation { partition, offset }),
                change_no: numbers.0,
                fingerprint: Fingerprint(numbers.1),
                version: numbers.2,
                batch_no: numbers.3,
                resync,
                stream,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in any_record()) {
            prop_assert_eq!(StateRecord::decode(&record.encode(), 0), Ok(record));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = StateRecord::decode(&bytes, 7);
        }
    }

    #[test]
    fn the_layout_is_fixed() {
        let record = StateRecord {
            deleted: false,
            quarantined: false,
            algorithm: 1,
            generation: 2,
            event: Some(EventLocation { partition: 3, offset: 258 }),
            change_no: 4,
            fingerprint: Fingerprint([0xab; 16]),
            version: Some(-2),
            batch_no: 5,
            resync: 6,
            stream: "accounts".into(),
        };
        let expected = concat!(
            "010c0102",
            "00000003",
            "0000000000000102",
            "0000000000000004",
            "abababababababababababababababab",
            "fffffffffffffffe",
            "0000000000000005",
            "00000006",
            "6163636f756e7473"
        );
        assert_eq!(hex::encode(record.encode()), expected);
    }

    #[cfg(feature = "crash-points")]
    mod next {
        use super::*;

        const NEXT: Formats = Formats { newest: Format::Next, ..RELEASED };

        proptest! {
            #[test]
            fn the_release_that_introduces_a_format_reads_both(record in any_record()) {
                for format in [Format::One, Format::Next] {
                    let value = record.encode_in(format);
                    prop_assert_eq!(value[0], format.number());
                    let read = StateRecord::decode_by(NEXT, &value, 0);
                    prop_assert_eq!(read.as_ref(), Ok(&record));
                }
                let value = record.encode_in(Format::Next);
                let refused = StateRecord::decode_by(RELEASED, &value, 0);
                prop_assert_eq!(refused, Err(Error::NewerFormat { found: 2 }));
            }

            #[test]
            fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
                let value = [&[2], bytes.as_slice()].concat();
                let _ = StateRecord::decode_by(NEXT, &value, 7);
            }

            #[test]
            fn a_changed_byte_is_damage(record in any_record(), at in any::<prop::sample::Index>()) {
                let mut value = record.encode_in(Format::Next);
                let at = 1 + at.index(value.len() - 1);
                value[at] ^= 1;
                let read = StateRecord::decode_by(NEXT, &value, 7);
                prop_assert_eq!(read, Err(Error::Damaged { offset: 7 }));
            }
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        assert_eq!(StateRecord::decode(&[9, 9], 1), Err(Error::NewerFormat { found: 9 }));
        assert_eq!(StateRecord::decode(&[1, 0, 0], 5), Err(Error::Damaged { offset: 5 }));
        assert_eq!(StateRecord::decode(&[], 5), Err(Error::Damaged { offset: 5 }));
    }
}
