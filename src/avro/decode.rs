//! Bytes to records, and to JSON for people.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{NamesRef, ResolvedSchema, UnionSchema};
use apache_avro::types::Value as Avro;
use apache_avro::{Schema, schema::DecimalSchema};
use num_bigint::{BigInt, Sign};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::domain::{
    Account, Balance, Counterparty, Date, Entity, Envelope, ExternalPayment, Op, Payment, Record,
    Source, Timestamp,
};

use super::{Error, detail};

/// Bytes before the datum.
pub(super) const PREFIX: usize = 5;

/// Splits a value on a topic into its schema's id and the datum.
pub fn wire_format(bytes: &[u8]) -> Result<(u32, &[u8]), Error> {
    match bytes {
        [0, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        _ => Err(Error::WireFormat),
    }
}

/// Reads a datum, written under `schema`, as JSON.
///
/// A union is the value itself. `decimal` is a string of the exact number without needless zeros,
/// `timestamp-millis` a string of RFC 3339 with three digits of a second, `date` a string
/// `yyyy-mm-dd`: the same text that the records of [`crate::domain`] have as JSON. Other logical
/// types are the number or text below them; bytes are lower-case hex digits.
pub fn decode(schema: &Schema, datum: &[u8]) -> Result<Value, Error> {
    let resolved = ResolvedSchema::new(schema).map_err(unreadable)?;
    let reader = GenericDatumReader::builder(schema)
        .resolved_writer_schemata(resolved.clone())
        .human_readable(false)
        .build()
        .map_err(unreadable)?;
    let mut rest = datum;
    let value = reader.read_value(&mut rest).map_err(unreadable)?;
    whole(rest)?;
    json(&value, schema, resolved.get_names())
}

/// Reads a change event of `entity`, written under `schema` (any registered version).
pub fn decode_envelope(entity: Entity, schema: &Schema, datum: &[u8]) -> Result<Envelope, Error> {
    match entity {
        Entity::Account => read::<Account>(schema, datum),
        Entity::Counterparty => read::<Counterparty>(schema, datum),
        Entity::Payment => read::<Payment>(schema, datum),
        Entity::ExternalPayment => read::<ExternalPayment>(schema, datum),
        Entity::Balance => read::<Balance>(schema, datum),
    }
}

/// The envelope with its entity's type, as it is in the schema.
#[derive(Deserialize)]
#[serde(rename = "Envelope")]
struct Wire<T> {
    before: Option<T>,
    after: Option<T>,
    op: Op,
    ts_ms: i64,
    #[serde(default)]
    changed_fields: Vec<String>,
    source: Source,
}

fn read<T: DeserializeOwned + Into<Record>>(
    schema: &Schema,
    datum: &[u8],
) -> Result<Envelope, Error> {
    let mut rest = datum;
    let wire: Wire<T> = GenericDatumReader::builder(schema)
        .human_readable(false)
        .build()
        .and_then(|reader| reader.read_deser(&mut rest))
        .map_err(unreadable)?;
    whole(rest)?;
    Ok(Envelope {
        before: wire.before.map(Into::into),
        after: wire.after.map(Into::into),
        op: wire.op,
        ts_ms: wire.ts_ms,
        changed_fields: wire.changed_fields,
        source: wire.source,
    })
}

fn json(value: &Avro, schema: &Schema, names: &NamesRef<'_>) -> Result<Value, Error> {
    let schema = match schema {
        Schema::Ref { name } => *names
            .get(name)
            .ok_or_else(|| Error::Decode { detail: format!("no record {name} in the schema") })?,
        schema => schema,
    };
    Ok(match (value, schema) {
        (Avro::Union(index, value), Schema::Union(union)) => {
            return json(value, variant(union, *index)?, names);
        }
        (Avro::Record(fields), Schema::Record(record)) => {
            let fields = fields.iter().zip(&record.fields).map(|((name, value), field)| {
                Ok((name.clone(), json(value, &field.schema, names)?))
            });
            Value::Object(fields.collect::<Result<Map<_, _>, Error>>()?)
        }
        (Avro::Array(items), Schema::Array(array)) => {
            let items = items.iter().map(|item| json(item, &array.items, names));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        (Avro::Map(map), Schema::Map(schema)) => {
            let entries = map
                .iter()
                .map(|(key, value)| Ok((key.clone(), json(value, &schema.types, names)?)));
            Value::Object(entries.collect::<Result<Map<_, _>, Error>>()?)
        }
        (Avro::Decimal(number), Schema::Decimal(DecimalSchema { scale, .. })) => {
            Value::String(decimal_text(&BigInt::from(number.clone()), *scale))
        }
        (value, _) => scalar(value),
    })
}

fn scalar(value: &Avro) -> Value {
    match value {
        Avro::Boolean(value) => Value::Bool(*value),
        Avro::Int(value) | Avro::TimeMillis(value) => Value::from(*value),
        Avro::Long(value)
        | Avro::TimeMicros(value)
        | Avro::TimestampMicros(value)
        | Avro::TimestampNanos(value)
        | Avro::LocalTimestampMillis(value)
        | Avro::LocalTimestampMicros(value)
        | Avro::LocalTimestampNanos(value) => Value::from(*value),
        Avro::Float(value) => {
            Number::from_f64(f64::from(*value)).map_or(Value::Null, Value::Number)
        }
        Avro::Double(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => Value::String(hex::encode(bytes)),
        Avro::String(text) | Avro::Enum(_, text) => Value::String(text.clone()),
        Avro::Date(days) => Value::String(Date(*days).to_string()),
        Avro::TimestampMillis(ms) => Value::String(Timestamp(*ms).to_string()),
        Avro::Uuid(uuid) => Value::String(uuid.to_string()),
        Avro::BigDecimal(number) => Value::String(number.to_string()),
        _ => Value::Null,
    }
}

fn variant(union: &UnionSchema, index: u32) -> Result<&Schema, Error> {
    usize::try_from(index)
        .ok()
        .and_then(|index| union.variants().get(index))
        .ok_or_else(|| Error::Decode { detail: format!("no variant {index} in a union") })
}

/// `unscaled` × 10^-`scale`, exact, without needless zeros.
fn decimal_text(unscaled: &BigInt, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.magnitude().to_string(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled.sign() == Sign::Minus { "-" } else { "" };
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

fn whole(rest: &[u8]) -> Result<(), Error> {
    match rest.len() {
        0 => Ok(()),
        more => Err(Error::Decode { detail: format!("{more} bytes after the datum") }),
    }
}

fn unreadable(error: apache_avro::Error) -> Error {
    Error::Decode { detail: detail(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_format_is_a_zero_and_an_id() {
        assert_eq!(wire_format(&[0, 0, 0, 1, 2, 9]), Ok((258, &[9][..])));
        assert_eq!(wire_format(&[0, 0xff, 0xff, 0xff, 0xff]), Ok((u32::MAX, &[][..])));
        for bytes in [&[][..], &[0, 0, 0, 1], &[1, 0, 0, 0, 1, 9], b"{\"a\":1}"] {
            assert_eq!(wire_format(bytes), Err(Error::WireFormat), "{bytes:?}");
        }
    }

    #[test]
    fn decimals_are_exact_texts() {
        let check = |number: i128, scale, want: &str| {
            assert_eq!(decimal_text(&BigInt::from(number), scale), want);
        };
        check(-125_500_000_000, 9, "-125.5");
        check(1, 9, "0.000000001");
        check(0, 9, "0");
        check(5, 0, "5");
        check(i128::from(i64::MIN) * 1_000_000_000, 9, "-9223372036854775808");
    }

    #[test]
    fn truncated_and_longer_bytes_are_refused() {
        let schema = crate::avro::schema(crate::avro::Subject::Scan).unwrap();
        assert!(matches!(decode(schema, &[]), Err(Error::Decode { .. })));
        assert!(matches!(decode(schema, &[200; 40]), Err(Error::Decode { .. })));
        let text = Schema::parse_str(r#""string""#).unwrap();
        assert_eq!(decode(&text, &[2, b'a']), Ok(Value::from("a")));
        assert!(matches!(decode(&text, &[2, b'a', 0]), Err(Error::Decode { .. })));
    }
}
