//! Payloads gone wrong: no JSON makes the mapping panic, and one odd member costs itself only.

use std::collections::{BTreeMap, BTreeSet};

use atlar_ingestor::domain::{Entity, Generation, Record};
use atlar_ingestor::map::{self, Field, Joined};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::cases::{Case, cases, parse};
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

/// Each member of each payload with each of its distortions: pointer, what it became, payload. A
/// member that another case has in the same place with the same value is gone through once.
fn odd_payloads(cases: &[Case], mut visit: impl FnMut(&Case, &str, &Option<Value>, &Value)) {
    let mut seen = BTreeSet::new();
    for case in cases.iter().filter(|case| case.map().is_ok()) {
        let payload: Value = serde_json::from_str(&case.payload).unwrap();
        let mut found = Vec::new();
        pointers(&payload, "", &mut found);
        for pointer in &found {
            let old = payload.pointer(pointer).unwrap().clone();
            let list = case.surroundings.source_resource.clone();
            if !seen.insert((case.entity, case.generation, list, pointer.clone(), old.to_string()))
            {
                continue;
            }
            for distortion in distortions(&old) {
                let mut odd = payload.clone();
                match &distortion {
                    None => remove(&mut odd, pointer),
                    Some(new) => *odd.pointer_mut(pointer).unwrap() = new.clone(),
                }
                visit(case, pointer, &distortion, &odd);
            }
        }
    }
}

/// Whatever one member becomes, the record is published, or refused for its id or a number beyond
/// 64 bits; what is published fits its schema; and fields that are read from elsewhere stay.
#[test]
fn one_odd_member_costs_itself_only() {
    let (cases, _) = cases();
    let encoders = encoders();
    let mut maps = BTreeMap::new();
    let mut kept = 0;
    odd_payloads(&cases, |case, pointer, distortion, odd| {
        let what = format!("{} {pointer} {distortion:?}", case.name);
        let text = odd.to_string();
        match case.map_text(&text) {
            Ok(mapped) => {
                kept += siblings_stay(case, pointer, &mapped.record, &what);
                let event = envelope(mapped.record, case.generation);
                encoders[&case.entity].encode_envelope(&event, &mut Vec::new()).expect(&what);
            }
            Err(map::Error::NoId) => {
                assert!(pointer == "/id" || pointer == "/accountId", "{what}");
            }
            Err(map::Error::OutOfRange { .. }) => {
                assert_eq!(*distortion, Some(json!(u64::MAX)), "{what}");
            }
            Err(map::Error::NotAnObject) => panic!("{what}"),
        }
        joins_are_total(&text, case.entity, case.generation);
        *maps.entry((case.generation, case.entity)).or_insert(0) += 1;
    });
    assert_eq!(maps.len(), Generation::ALL.len() * Entity::ALL.len());
    assert!(maps.values().all(|maps| *maps > 300), "{maps:?}");
    assert!(kept > 100_000, "{kept}");
}

/// The fields whose members lie elsewhere than under `pointer` are those of the case. How many.
fn siblings_stay(case: &Case, pointer: &str, odd: &Record, what: &str) -> usize {
    let fields_of = |record: &Record| serde_json::to_value(record).unwrap();
    let (usual, odd) = (fields_of(&case.map().unwrap().record), fields_of(odd));
    let names: Vec<&str> = pointer
        .split('/')
        .filter(|name| !name.is_empty() && name.parse::<usize>().is_err())
        .collect();
    // One of the two leads to the other. Which element of a list is read depends on all of it.
    let touches = |path: &str| {
        for (name, pointed) in path.split('.').zip(&names) {
            let (name, one_of_many) =
                name.split_once('[').map_or((name, false), |(name, _)| (name, true));
            if name != *pointed {
                return false;
            }
            if one_of_many {
                break;
            }
        }
        true
    };
    let touched = |field: &Field| field.paths(case.generation).iter().any(|path| touches(path));
    let derived: &[&str] = match case.entity {
        Entity::Account => &["default_asset", "metadata", "raw"],
        Entity::Payment => &["status", "type", "direction", "metadata", "raw"],
        Entity::ExternalPayment => &["status", "counterparty", "metadata", "raw"],
        Entity::Counterparty => &["metadata", "raw"],
        Entity::Balance => &["id", "raw"],
    };
    let mut kept = 0;
    for field in map::fields(case.entity).iter().filter(|field| !touched(field)) {
        if !derived.contains(&field.name) {
            assert_eq!(odd[field.name], usual[field.name], "{what}: {}", field.name);
            kept += 1;
        }
    }
    // Inside the other side of a payment, and in the bank accounts beside an odd one.
    let [(_, of_accounts), (_, of_party)] = map::fields_inside();
    let inside = map::fields(case.entity).iter().find(|field| {
        ["counterparty", "external_accounts"].contains(&field.name)
            && field.paths(case.generation).contains(&names[0])
    });
    if let Some(inside) = inside.filter(|_| names.len() > 1) {
        let fields = if inside.name == "counterparty" { of_party } else { of_accounts };
        let list = inside.name == "external_accounts";
        let at = pointer.split('/').nth(2).and_then(|at| at.parse::<usize>().ok());
        let places = usual[inside.name].as_array().map_or(1, Vec::len);
        for place in 0..places {
            let [odd, usual] = [&odd, &usual].map(|record| match list {
                true => &record[inside.name][place],
                false => &record[inside.name],
            });
            for field in fields {
                let (_, name) = field.name.split_once('.').unwrap();
                let path = |path: &&str| touches(&format!("{}.{path}", names[0]));
                let touched = field.paths(case.generation).iter().any(path);
                if !touched || (list && at != Some(place)) {
                    assert_eq!(odd[name], usual[name], "{what}: {}", field.name);
                    kept += 1;
                }
            }
        }
    }
    kept
}

/// A distorted record on a page leaves the records around it as they are alone.
#[test]
fn one_odd_record_costs_itself_only() {
    let (cases, _) = cases();
    let mut pages = 0;
    odd_payloads(&cases, |case, pointer, distortion, odd| {
        // Each member is distorted in one way here; the ways take turns.
        pages += 1;
        if pages % 11 != 0 {
            return;
        }
        let alone = case.map().unwrap();
        let page = format!(r#"{{"items":[{0},{odd},{0},null,{0}],"nextToken":""}}"#, case.payload);
        let page = parse(&page);
        let items = page.get("items").items();
        assert_eq!(items.len(), 5);
        for (at, item) in items.iter().enumerate() {
            let mapped = case.map_json(item);
            match at {
                0 | 2 | 4 => {
                    let mapped = mapped.unwrap();
                    assert_eq!(mapped.record.without_raw(), alone.record.clone().without_raw());
                    assert_eq!(mapped.notes, alone.notes, "{} {pointer} {distortion:?}", case.name);
                }
                3 => assert_eq!(mapped, Err(map::Error::NotAnObject)),
                _ => {}
            }
        }
    });
    assert!(pages > 10_000, "{pages}");
}

fn joins_are_total(text: &str, entity: Entity, generation: Generation) {
    let json = parse(text);
    let _ = map::identify(entity, generation, &json);
    let _ = map::own_identifiers(&json, generation);
    let _ = map::counterparty_identifiers(&json, generation);
    let _ = map::third_party_of(&json);
    let _ = map::third_party(&json);
    let _ = map::external_account(&json, generation);
    let _ = map::needs_external_accounts(&json, generation);
    let _ = map::embedded_balance(&json);
    let _ = map::embedded_balance_raw(text);
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
