//! Golden cases of the mapping: a payload as Atlar may send it, and the record we publish.
//!
//! `tests/golden/<generation>/<entity>/<case>.json` is the payload, `<case>.joined.json` (where
//! there is one) what other lists say about it, `<case>.expected.json` the `after` of the event
//! and the notes, or the reason why there is no event. After a change of the mapping,
//! `GOLDEN_REWRITE=1 cargo test --release --test golden` writes the expected files anew: read the
//! diff. The same payloads feed the property tests below.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use atlar_ingestor::avro::{self, Encoder, Subject};
use atlar_ingestor::domain::{Entity, Envelope, Generation, Op, Record, Snapshot, Source, Via};
use atlar_ingestor::map;
use serde::Serialize;
use serde_json::Value;

use cases::{Case, cases, parse};

#[path = "golden/cases.rs"]
mod cases;
#[path = "golden/odd.rs"]
mod odd;
#[path = "golden/page.rs"]
mod page;
#[path = "golden/simulated.rs"]
mod simulated;

/// Cases that each entity must at least have in each generation.
const CASES_MIN: usize = 15;
/// Cases that there must at least be in all.
const CASES_TOTAL_MIN: usize = 300;

/// What an expected file holds.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Event { after: Record, notes: Vec<String> },
    DeadLetter { reason: &'static str, detail: String },
}

#[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
fn rewriting() -> bool {
    env::var_os("GOLDEN_REWRITE").is_some()
}

#[test]
fn payloads_become_the_expected_records() {
    let (cases, _) = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let outcome = match case.map() {
            Ok(mapped) => Outcome::Event {
                after: mapped.record,
                notes: mapped.notes.iter().map(ToString::to_string).collect(),
            },
            Err(error) => Outcome::DeadLetter { reason: error.reason(), detail: error.to_string() },
        };
        let text = serde_json::to_string_pretty(&outcome).unwrap() + "\n";
        if rewriting() {
            fs::write(&case.expected, &text).unwrap();
        } else if fs::read_to_string(&case.expected).unwrap_or_default() != text {
            wrong.push(format!("{}\n{text}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_file_belongs_to_a_case_and_every_entity_has_enough() {
    let (cases, orphans) = cases();
    assert_eq!(orphans, Vec::<PathBuf>::new());
    for entity in Entity::ALL {
        for generation in Generation::ALL {
            let of = |case: &&Case| (case.entity, case.generation) == (*entity, *generation);
            let count = cases.iter().filter(of).count();
            assert!(count >= CASES_MIN, "{entity} of {generation}: {count}");
        }
    }
    assert!(cases.len() >= CASES_TOTAL_MIN, "{}", cases.len());
}

/// An event as the ingestor would publish it.
fn envelope(record: Record, generation: Generation) -> Envelope {
    Envelope {
        source: Source {
            connector: "atlar".to_owned(),
            version: "0.1.0".to_owned(),
            name: "atlar".to_owned(),
            ts_ms: 1_770_110_127_104,
            snapshot: Snapshot::First,
            organization_id: record.organization_id().map(str::to_owned),
            api_version: generation,
            entity: record.entity(),
            stream: "accounts".to_owned(),
            change_no: 2,
            entity_version: record.version(),
            via: Via::Poll,
        },
        before: Some(record.clone().without_raw()),
        after: Some(record),
        op: Op::Update,
        ts_ms: 1_770_110_127_105,
        changed_fields: vec!["amount".to_owned(), "metadata.com.atlar.spec/name".to_owned()],
    }
}

fn encoders() -> BTreeMap<Entity, Encoder> {
    let encoder = |entity: &Entity| Encoder::new(Subject::Entity(*entity), 258).unwrap();
    Entity::ALL.iter().map(|entity| (*entity, encoder(entity))).collect()
}

/// Writes and reads back; returns the event as JSON.
fn round_trip(encoder: &Encoder, envelope: &Envelope) -> Value {
    let mut bytes = vec![7];
    encoder.encode_envelope(envelope, &mut bytes).unwrap();
    let (id, datum) = avro::wire_format(&bytes[1..]).unwrap();
    assert_eq!(id, 258);
    let schema = avro::schema(Subject::Entity(envelope.source.entity)).unwrap();
    let back = avro::decode_envelope(envelope.source.entity, schema, datum).unwrap();
    assert_eq!(&back, envelope);
    let decoded = avro::decode(schema, datum).unwrap();
    assert_eq!(decoded, serde_json::to_value(envelope).unwrap());
    decoded
}

/// The names of a JSON value's members that are not null, dotted, without list positions.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| paths(item, path, found)),
        Value::Object(members) => {
            found.insert(path.to_owned());
            for (name, value) in members {
                paths(value, &format!("{path}.{name}"), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// The dotted paths a schema allows below a field.
fn schema_paths(
    node: &Value,
    path: &str,
    named: &mut BTreeMap<String, Value>,
    found: &mut BTreeSet<String>,
) {
    let known = node.as_str().and_then(|name| named.get(name).cloned());
    match known.as_ref().unwrap_or(node) {
        Value::Array(union) => union
            .iter()
            .filter(|variant| *variant != "null")
            .for_each(|variant| schema_paths(variant, path, named, found)),
        Value::Object(schema) if schema["type"] == "record" => {
            let name = format!("{}.{}", schema["namespace"], schema["name"]).replace('"', "");
            named.insert(name, Value::Object(schema.clone()));
            for field in schema["fields"].as_array().unwrap() {
                let path = format!("{path}.{}", field["name"].as_str().unwrap());
                schema_paths(&field["type"], &path, named, found);
            }
        }
        Value::Object(schema) if schema["type"] == "array" => {
            schema_paths(&schema["items"], path, named, found);
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn records_survive_avro_and_every_schema_field_is_used() {
    let (cases, _) = cases();
    let encoders = encoders();
    for entity in Entity::ALL {
        let mut used = BTreeSet::new();
        for case in cases.iter().filter(|case| case.entity == *entity) {
            let Ok(mapped) = case.map() else { continue };
            let event = round_trip(&encoders[entity], &envelope(mapped.record, case.generation));
            paths(&event, "", &mut used);
        }
        let schema = serde_json::from_str(avro::schema_text(Subject::Entity(*entity))).unwrap();
        let mut allowed = BTreeSet::new();
        schema_paths(&schema, "", &mut BTreeMap::new(), &mut allowed);
        let unused: Vec<&String> = allowed
            .iter()
            .filter(|path| !used.contains(*path) && !path.ends_with(".raw"))
            .collect();
        assert!(unused.is_empty(), "{entity}: no case fills {unused:?}");
        assert!(used.contains(".after.raw"), "{entity}");
    }
}

#[test]
fn the_mapping_tables_name_the_schema_fields() {
    let derived: &[(Entity, &[&str])] = &[
        (Entity::Account, &["default_asset", "metadata", "raw"]),
        (Entity::Counterparty, &["metadata", "raw"]),
        (Entity::Payment, &["status", "metadata", "raw"]),
        (Entity::ExternalPayment, &["source_resource", "status", "metadata", "raw"]),
        (Entity::Balance, &["id", "raw"]),
    ];
    for (entity, derived) in derived {
        let schema: Value =
            serde_json::from_str(avro::schema_text(Subject::Entity(*entity))).unwrap();
        let fields = schema["fields"][0]["type"][1]["fields"].as_array().unwrap();
        let published: BTreeSet<&str> =
            fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        let read: BTreeSet<&str> = map::fields(*entity).iter().map(|field| field.name).collect();
        assert!(read.is_disjoint(&derived.iter().copied().collect()), "{entity}");
        let covered: BTreeSet<&str> = read.iter().chain(derived.iter()).copied().collect();
        assert_eq!(covered, published, "{entity}");
    }
}

#[test]
fn the_identity_is_that_of_the_mapped_record() {
    let (cases, _) = cases();
    for case in &cases {
        let Ok(mapped) = case.map() else { continue };
        let json = parse(&case.payload);
        let identity = map::identify(case.entity, case.generation, &json);
        // What the surroundings name, the record itself does not.
        if case.surroundings.account_id.is_none() {
            assert_eq!(identity.id.as_deref(), Some(mapped.id.as_str()), "{}", case.name);
            assert_eq!(
                identity.organization_id,
                mapped.organization_id.as_deref(),
                "{}",
                case.name
            );
        }
        assert_eq!(identity.version, mapped.version, "{}", case.name);
        let account_id = match &mapped.record {
            Record::Account(account) => Some(account.id.as_str()),
            Record::Counterparty(_) => None,
            Record::Payment(payment) => payment.account_id.as_deref(),
            Record::ExternalPayment(payment) => payment.account_id.as_deref(),
            Record::Balance(_) => continue,
        };
        assert_eq!(identity.account_id, account_id, "{}", case.name);
    }
}
