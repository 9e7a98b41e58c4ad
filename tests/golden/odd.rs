//! Payloads gone wrong: no JSON makes the mapping panic, and one odd member costs itself only.

use atlar_ingestor::domain::{Entity, Generation};
use atlar_ingestor::map::{self, Joined};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::cases::{cases, parse};
use super::{encoders, envelope, round_trip};

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
                let huge = distortion == Some(json!(u64::MAX));
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
                    Err(map::Error::OutOfRange { .. }) => assert!(huge, "{what}"),
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
