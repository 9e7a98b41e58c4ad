//! Events as people and programs read them.

use serde_json::{Value, json};

use super::Output;
use crate::avro::{self, Subject};
use crate::kafka::follower::Followed;
use crate::publish::{Batch, Event, What};

/// One event, decoded. What cannot be decoded is shown as what it is.
pub struct Shown<'a> {
    pub record: &'a Followed,
    pub value: Value,
}

/// One line for people: time, operation, entity, id, what it is about, where it lies.
pub fn line(shown: &Shown<'_>) -> String {
    let value = &shown.value;
    let time = shown.record.appended_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let time =
        time.map_or_else(|| "--:--:--".to_owned(), |time| time.strftime("%H:%M:%S").to_string());
    let place = match shown.record.offset {
        -1 => format!("p{}", shown.record.partition),
        offset => format!("p{}@{offset}", shown.record.partition),
    };
    let key = shown.record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let Some(op) = value.get("op").and_then(Value::as_str) else {
        return format!("{time}  {key}  {value}  {place}");
    };
    let source = |name: &str| value.pointer(&format!("/source/{name}"));
    let entity = source("entity").and_then(Value::as_str).unwrap_or("?");
    let change_no = source("change_no").and_then(Value::as_i64).unwrap_or(0);
    let record =
        value.get("after").filter(|after| !after.is_null()).or_else(|| value.get("before"));
    let about = record.map(about).unwrap_or_default();
    let id = key.get(..8).unwrap_or(&key);
    format!("{time}  {op}  {entity:<16}  {id:<8}  #{change_no:<3}  {about:<58}  {place}")
}

/// Amount, status and text of a record, as far as it has them.
fn about(record: &Value) -> String {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let mut parts: Vec<String> = Vec::new();
    if let (Some(currency), Some(units)) =
        (text("/amount/currency"), record.pointer("/amount/minor_units").and_then(Value::as_i64))
    {
        let exponent = record.pointer("/amount/exponent").and_then(Value::as_u64).unwrap_or(0);
        parts.push(format!("{currency} {:>14}", decimal(units, exponent)));
    }
    for pointer in ["/type", "/raw_status"] {
        parts.extend(text(pointer).map(str::to_owned));
    }
    let name = ["/description", "/name", "/remittance_information"].into_iter().find_map(text);
    parts.extend(name.map(|name| format!("\"{name}\"")));
    let line = parts.join("  ");
    match line.char_indices().nth(58) {
        Some((end, _)) => format!("{}…", &line[..line.floor_char_boundary(end.saturating_sub(1))]),
        None => line,
    }
}

/// Minor units as the decimal number they are; integers only, so nothing is rounded.
fn decimal(units: i64, exponent: u64) -> String {
    let exponent = usize::try_from(exponent.min(18)).unwrap_or(18);
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    let sign = if units < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// One JSON document: the record with everything a consumer gets.
pub fn document(shown: &Shown<'_>) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: serde_json::Map<String, Value> = shown
        .record
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(text(value))))
        .collect();
    json!({
        "topic": shown.record.topic,
        "partition": shown.record.partition,
        "offset": shown.record.offset,
        "timestamp_ms": shown.record.appended_ms,
        "key": shown.record.key.as_deref().map(text),
        "headers": headers,
        "value": shown.value,
    })
}

/// Prints the events of a batch, for `run --dry-run`.
pub fn batch_printer(output: Output) -> impl FnMut(&Batch) + Send {
    move |batch| {
        for event in &batch.events {
            let record = Followed {
                topic: event.topic.clone(),
                partition: event.partition,
                // It was never sent: there is no place to name.
                offset: -1,
                appended_ms: None,
                key: Some(event.key.clone()),
                value: None,
                headers: Vec::new(),
            };
            let value = decode(event);
            let shown = Shown { record: &record, value };
            let text = match output {
                Output::Text => line(&shown),
                Output::Json => document(&shown).to_string(),
            };
            if let Err(failure) = super::print(&format!("{text}\n")) {
                tracing::warn!("{failure}");
            }
        }
    }
}

fn decode(event: &Event) -> Value {
    let subject = match event.what {
        What::Change { entity, .. } => Subject::Entity(entity),
        What::DeadLetter => Subject::DeadLetter,
    };
    let decoded = avro::schema(subject).and_then(|schema| {
        let (_, datum) = avro::wire_format(&event.value)?;
        avro::decode(schema, datum)
    });
    decoded.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_digit() {
        let cases = [
            (-12550, 2, "-125.50"),
            (7, 2, "0.07"),
            (5, 0, "5"),
            (-1, 3, "-0.001"),
            (i64::MIN, 4, "-922337203685477.5808"),
        ];
        for (units, exponent, expected) in cases {
            assert_eq!(decimal(units, exponent), expected);
        }
    }

    #[test]
    fn a_line_names_operation_entity_and_place() {
        let record = Followed {
            topic: "atlar.payment".into(),
            partition: 3,
            offset: 9,
            appended_ms: Some(0),
            key: Some(b"f1b0c3a8-6a55".to_vec()),
            value: None,
            headers: vec![],
        };
        let value = json!({"op": "u", "source": {"entity": "payment", "change_no": 2},
            "after": {"amount": {"currency": "EUR", "minor_units": 184900, "exponent": 2},
                "type": "PAY-IN", "raw_status": "BOOKED", "description": "ü".repeat(90)}});
        let line = line(&Shown { record: &record, value });
        assert!(
            line.starts_with("00:00:00  u  payment           f1b0c3a8  #2    EUR        1849.00")
        );
        assert!(line.ends_with("…  p3@9"), "{line}");
    }
}
