//! Avro: the registered schemas, the bytes on the topics, and the registry that holds the one
//! for the other.
//!
//! `schemas/<topic>-value.avsc` is the contract, one self-contained text per subject; the records
//! of [`crate::domain`] are written against it field by field. A value on a topic is Confluent's
//! wire format: a zero byte, the schema's id in the registry (4 bytes, big endian), the datum.

pub mod embedded;
pub mod registry;

mod decode;
mod encode;
mod schema;

pub use decode::{decode, decode_envelope, wire_format};
pub use encode::Encoder;
pub use schema::{Subject, schema, schema_text};

use apache_avro::error::Details;

/// Why bytes could not be written or read. Names fields and schemas, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A schema text is not a schema.
    #[error("not an Avro schema: {detail}")]
    Schema { detail: String },
    /// A record does not fit the schema it is written against.
    #[error("the {subject} record does not fit its schema: {detail}")]
    Encode { subject: Subject, detail: String },
    /// Bytes are not what their schema says.
    #[error("the bytes do not fit their schema: {detail}")]
    Decode { detail: String },
    /// Not Confluent's wire format.
    #[error("not in Confluent's wire format: it starts with a zero byte and a 4-byte schema id")]
    WireFormat,
}

/// What went wrong, without the whole schema that `apache_avro` prints along.
fn detail(error: apache_avro::Error) -> String {
    match error.into_details() {
        Details::SerializeValueWithSchema { value_type, value, .. }
        | Details::DeserializeSchemaAware { value_type, value, .. } => {
            format!("{value_type}: {value}")
        }
        Details::SerializeRecordFieldWithSchema { field_name, record_schema, .. } => {
            format!("field {field_name} of {}", record_schema.name)
        }
        other => other.to_string(),
    }
}
