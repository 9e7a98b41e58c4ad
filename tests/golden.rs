//! Golden cases of the mapping: a payload as Atlar may send it, and the record we publish.
//!
//! `tests/golden/<generation>/<entity>/<case>.json` is the payload, `<case>.joined.json` (where
//! there is one) what other lists say about it, `<case>.expected.json` the `after` of the event
//! and the notes, or the reason why there is no event. After a change of the mapping,
//! `GOLDEN_REWRITE=1 cargo test --release --test golden` writes the expected files anew: read the
//! diff. The same payloads feed the property tests below.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use atlar_ingestor::avro::{self, Encoder, Subject};
use atlar_ingestor::domain::{Entity, Envelope, Generation, Op, Record, Snapshot, Source, Via};
use atlar_ingestor::json::Json;
use atlar_ingestor::map::{self, Joined, Mapped};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Cases per entity that the first generation must at least have.
const CASES_MIN: usize = 10;

struct Case {
    name: String,
    generation: Generation,
    entity: Entity,
    payload: String,
    surroundings: Surroundings,
    expected: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Surroundings {
    bank_name: Option<String>,
    own_counterparty: bool,
    source_resource: Option<String>,
    account_id: Option<String>,
    organization_id: Option<String>,
    /// Publish the payload in `raw`.
    raw: bool,
}

/// What an expected file holds.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Event { after: Record, notes: Vec<String> },
    DeadLetter { reason: &'static str, detail: String },
}

impl Case {
    fn map_text(&self, text: &str) -> Result<Mapped, map::Error> {
        let joined = Joined {
            bank_name: self.surroundings.bank_name.as_deref(),
            own_counterparty: self.surroundings.own_counterparty,
            source_resource: self.surroundings.source_resource.as_deref(),
            account_id: self.surroundings.account_id.as_deref(),
            organization_id: self.surroundings.organization_id.as_deref(),
        };
        let raw = self.surroundings.raw.then_some(text);
        map::map(self.entity, self.generation, &parse(text), raw, &joined)
    }

    fn map(&self) -> Result<Mapped, map::Error> {
        self.map_text(&self.payload)
    }
}

fn parse(text: &str) -> Json<'_> {
    Json::parse(text.as_bytes()).expect("a case is JSON")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Every case there is, and every file that belongs to none.
fn cases() -> (Vec<Case>, Vec<PathBuf>) {
    let (mut cases, mut orphans) = (Vec::new(), Vec::new());
    for generation in Generation::ALL {
        for entity in Entity::ALL {
            let folder = folder().join(generation.as_str()).join(entity.as_str());
            let mut files: BTreeSet<PathBuf> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            let payloads: Vec<PathBuf> = files
                .iter()
                .filter(|path| !path.to_string_lossy().ends_with(".joined.json"))
                .filter(|path| !path.to_string_lossy().ends_with(".expected.json"))
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .cloned()
                .collect();
            for path in payloads {
                let joined = path.with_extension("joined.json");
                let expected = path.with_extension("expected.json");
                let surroundings = files.contains(&joined).then(|| {
                    serde_json::from_str(&fs::read_to_string(&joined).unwrap()).expect("joined")
                });
                for file in [&path, &joined, &expected] {
                    files.remove(file);
                }
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                cases.push(Case {
                    name: format!("{generation}/{entity}/{stem}"),
                    generation: *generation,
                    entity: *entity,
                    payload: fs::read_to_string(&path).unwrap().trim_end().to_owned(),
                    surroundings: surroundings.unwrap_or_default(),
                    expected,
                });
            }
            orphans.extend(files);
        }
    }
    (cases, orphans)
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
        let of = |generation| {
            cases
                .iter()
                .filter(|case| (case.entity, case.generation) == (*entity, generation))
                .count()
        };
        assert!(of(Generation::V1) >= CASES_MIN, "{entity}: {}", of(Generation::V1));
        assert!(of(Generation::V2) >= 1, "{entity}");
    }
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

/// The ways a member may go wrong.
fn distortions(value: &Value) -> Vec<Option<Value>> {
    vec![
        None,
        Some(Value::Null),
        Some(json!("")),
        Some(json!({})),
        Some(json!([])),
        Some(json!([null, {}, "", 0, [[]]])),
        Some(json!(0)),
        Some(json!(-1.5e300)),
        Some(json!(u64::MAX)),
        Some(json!(i64::MIN)),
        Some(json!(true)),
        Some(json!("\u{0}\u{1F4B6} -9999999999999999999999999999999999999999.9999999999")),
        Some(json!([value])),
        Some(json!({ "": value, "id": null, "value": [value] })),
    ]
}

fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (escape(name), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        _ => return,
    };
    for (name, child) in children {
        let path = format!("{path}/{name}");
        pointers(child, &path, found);
        found.push(path);
    }
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            items.remove(name.parse().unwrap());
        }
        _ => unreachable!("{pointer}"),
    }
}

/// Whatever one member becomes, the record is published, or refused for its id or a number beyond
/// 64 bits; and what is published fits its schema.
#[test]
fn one_odd_member_never_costs_the_record() {
    let (cases, _) = cases();
    let encoders = encoders();
    let mut maps = 0;
    for case in &cases {
        let payload: Value = serde_json::from_str(&case.payload).unwrap();
        if case.map().is_err() {
            continue;
        }
        let mut found = Vec::new();
        pointers(&payload, "", &mut found);
        for pointer in &found {
            let old = payload.pointer(pointer).unwrap().clone();
            for distortion in distortions(&old) {
                let mut odd = payload.clone();
                let what = format!("{} {pointer} {distortion:?}", case.name);
                let huge =
                    distortion.as_ref().is_some_and(|new| new.to_string() == u64::MAX.to_string());
                let wordy = distortion.as_ref().is_some_and(Value::is_string);
                match distortion {
                    None => remove(&mut odd, pointer),
                    Some(new) => *odd.pointer_mut(pointer).unwrap() = new,
                }
                let text = odd.to_string();
                match case.map_text(&text) {
                    Ok(mapped) => {
                        let event = envelope(mapped.record, case.generation);
                        encoders[&case.entity]
                            .encode_envelope(&event, &mut Vec::new())
                            .expect(&what);
                    }
                    Err(map::Error::NoId) => {
                        assert!(pointer == "/id" || pointer == "/accountId", "{what}");
                    }
                    Err(map::Error::OutOfRange { .. }) => assert!(huge || wordy, "{what}"),
                    Err(map::Error::NotAnObject) => panic!("{what}"),
                }
                joins_are_total(&text, case.entity, case.generation);
                maps += 1;
            }
        }
    }
    assert!(maps > 10_000, "{maps}");
}

fn joins_are_total(text: &str, entity: Entity, generation: Generation) {
    let json = parse(text);
    let _ = map::identify(entity, generation, &json);
    let _ = map::own_identifiers(&json, generation);
    let _ = map::counterparty_identifiers(&json, generation);
    let _ = map::third_party_of(&json);
    let _ = map::third_party(&json);
}

/// Any JSON out of names that Atlar uses.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "id",
        "organizationId",
        "accountId",
        "account",
        "amount",
        "currency",
        "value",
        "stringValue",
        "identifiers",
        "identifier",
        "number",
        "type",
        "market",
        "version",
        "created",
        "date",
        "counterparty",
        "counterpartyDetails",
        "externalAccount",
        "bank",
        "bic",
        "reconciliation",
        "status",
        "characteristics",
        "metadata",
        "externalMetadata",
        "externalAccounts",
        "accounts",
        "routing",
        "contactDetails",
        "address",
        "timestamp",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[-0-9.]{0,25}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["EUR", "JPY", "IBAN", "2026-02-03", "2026-02-03T00:00:00Z"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 12, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..14).prop_map(|map| {
                map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_mapping_panic(value in any_json()) {
        let encoders = encoders();
        let text = value.to_string();
        for generation in Generation::ALL {
            for entity in Entity::ALL {
                let json = parse(&text);
                joins_are_total(&text, *entity, *generation);
                let joined = Joined::default();
                if let Ok(mapped) = map::map(*entity, *generation, &json, None, &joined) {
                    round_trip(&encoders[entity], &envelope(mapped.record, *generation));
                }
            }
        }
    }
}
