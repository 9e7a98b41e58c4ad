use super::*;
use crate::domain::Generation;
use crate::json::Json;
use crate::map::{Joined, map};

fn record(entity: Entity, generation: Generation, text: &str, joined: &Joined<'_>) -> Record {
    let json = Json::parse(text.as_bytes()).unwrap();
    map(entity, generation, &json, Some(text), joined).unwrap().record
}

struct Pair {
    entity: Entity,
    v1: Value,
    v2: Value,
    joined: Joined<'static>,
}

impl Pair {
    fn records(&self) -> (Record, Record) {
        let map = |generation, payload: &Value| {
            record(self.entity, generation, &payload.to_string(), &self.joined)
        };
        (map(Generation::V1, &self.v1), map(Generation::V2, &self.v2))
    }

    /// Asked both ways, as a workspace may move in either direction.
    fn same(&self) -> bool {
        let (v1, v2) = self.records();
        let forth = same_meaning(&v1, &v2);
        assert_eq!(forth, same_meaning(&v2, &v1));
        assert!(same_meaning(&v1, &v1) && same_meaning(&v2, &v2));
        forth
    }
}

/// What the same entity looks like in both generations. The name begins with the kind of entity.
fn pairs() -> Vec<Pair> {
    let pairs: Value =
        serde_json::from_str(include_str!("../../../tests/golden/pairs.json")).unwrap();
    let pairs = pairs.as_object().unwrap();
    let pair = |(name, pair): (&String, &Value)| {
        let entity = name.split(':').next().unwrap().parse().unwrap();
        let source = pair["sourceResource"].as_str().map(|word| -> &'static str {
            match word {
                "direct-debits" => "direct-debits",
                _ => "external-payments",
            }
        });
        Pair {
            entity,
            v1: pair["v1"].clone(),
            v2: pair["v2"].clone(),
            joined: Joined {
                bank_name: Some("Commerzbank"),
                source_resource: source,
                ..Joined::default()
            },
        }
    };
    pairs.iter().map(pair).collect()
}

#[test]
fn one_entity_means_the_same_in_both_generations() {
    let pairs = pairs();
    for pair in &pairs {
        let (v1, v2) = pair.records();
        assert_ne!(v1, v2, "{:?} shows no difference to see through", pair.entity);
        assert!(pair.same(), "{:?}", pair.entity);
    }
    let entities = pairs.iter().map(|pair| pair.entity);
    assert_eq!(entities.collect::<std::collections::BTreeSet<_>>().len(), Entity::ALL.len());
}

/// Every leaf of v2's payload, distorted, is seen, unless v1 has nothing of the kind.
#[test]
fn anything_else_that_differs_is_a_difference() {
    let mut seen = 0;
    for mut pair in pairs() {
        let mut pointers = Vec::new();
        leaves(&pair.v2, "", &mut pointers);
        for pointer in pointers {
            let old = pair.v2.pointer(&pointer).unwrap().clone();
            let Some(new) = other(&pointer, &old) else { continue };
            let want = is_unseen(pair.entity, &pointer, &pair.v2);
            *pair.v2.pointer_mut(&pointer).unwrap() = new;
            assert_eq!(pair.same(), want, "{:?} {pointer}", pair.entity);
            *pair.v2.pointer_mut(&pointer).unwrap() = old;
            seen += usize::from(!want);
        }
    }
    assert!(seen > 100, "{seen}");
}

fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                leaves(value, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{at}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// Another value of the same kind; none for the id, which makes another entity.
fn other(pointer: &str, old: &Value) -> Option<Value> {
    let time = old.as_str().filter(|text| text.starts_with("2026-02-") && text.len() >= 10);
    match (pointer, old) {
        ("/id", _) => None,
        _ if time.is_some() => time.map(|time| Value::from(time.replace("2026", "2025"))),
        (_, Value::String(text)) => Some(Value::from(format!("{text}9"))),
        (_, Value::Number(number)) => number.as_i64().map(|number| Value::from(number + 1)),
        (_, Value::Bool(said)) => Some(Value::from(!said)),
        _ => None,
    }
}

/// What v1 does not have, and what is not published at all.
fn is_unseen(entity: Entity, pointer: &str, payload: &Value) -> bool {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let routing = parent.contains("/routing/");
    let bic = routing && payload.pointer(&format!("{parent}/type")).is_some_and(|it| it == "BIC");
    let moving = matches!(name, "version" | "etag" | "updated");
    moving
        || (routing && !bic)
        || match entity {
            Entity::Account => matches!(pointer, "/affiliationId" | "/status" | "/type"),
            Entity::Counterparty => {
                pointer == "/alias" || parent == "/entityIds" || pointer == "/accounts/0/name"
            }
            Entity::Payment => {
                pointer == "/references/endToEndId"
                    || pointer == "/virtualAccount/market"
                    || (parent == "/counterparty/nationalIdentifier" && name != "number")
            }
            Entity::ExternalPayment => {
                let of_a_party = matches!(parent, "/source" | "/destination") && name == "type";
                of_a_party
                    || parent == "/sourceHolder"
                    || matches!(pointer, "/source/id" | "/attachedTransactions/0/type")
            }
            // It has no lasting id of its own.
            Entity::Balance => pointer == "/id",
        }
}

#[test]
fn words_outside_the_table_differ() {
    let mut pairs = pairs();
    let account = &mut pairs[1];
    assert_eq!(account.entity, Entity::Account);
    // The types that v2 kept mean themselves; nothing else is another's name.
    for (word, want) in
        [("BBAN", true), ("ACCOUNT_NUMBER", true), ("NUMBER", true), ("IBAN", false)]
    {
        account.v2["identifiers"][0]["type"] = Value::from(word);
        assert_eq!(account.same(), want, "{word}");
    }
    for (word, want) in [("SE_PG", false), ("SE_BG", true)] {
        account.v2["identifiers"][0]["type"] = Value::from("NUMBER");
        account.v2["identifiers"][2]["type"] = Value::from(word);
        assert_eq!(account.same(), want, "{word}");
    }
}

#[test]
fn a_metadata_key_that_the_identifiers_do_not_give_counts() {
    let (v1, v2) = pairs()[1].records();
    let mut tampered = v1.clone();
    if let Record::Account(account) = &mut tampered {
        account.metadata.insert("com.atlar.spec/identifier/SE/BBAN".to_owned(), "5".to_owned());
    }
    assert!(same_meaning(&v1, &v2) && !same_meaning(&tampered, &v2));
    assert!(!same_meaning(&v2, &tampered));
}

#[test]
fn the_kind_of_an_account_counts_where_both_say_it() {
    let mut pair = pairs().remove(0);
    pair.v1["accountType"] = Value::from("SAVINGS");
    assert!(!pair.same());
    pair.v1["accountType"] = pair.v2["type"].clone();
    assert!(pair.same());
}

#[test]
fn reconciliation_is_left_out_of_direct_debits_only() {
    let debit = |word: &str| {
        let mut pairs = pairs();
        let at = pairs.iter().position(|pair| {
            pair.v1.get("reconciliation").is_some() && pair.joined.source_resource == Some(word)
        });
        let mut pair = pairs.remove(at.unwrap());
        pair.v1["reconciliation"]["status"] = Value::from("PARTIALLY_RECONCILED");
        pair.same()
    };
    assert!(debit("direct-debits"));
    assert!(!debit("external-payments"));
}

#[test]
fn another_entity_is_never_the_same() {
    let pairs = pairs();
    let (balance, account) = (pairs.last().unwrap().records().0, pairs[0].records().0);
    assert!(!same_meaning(&balance, &account));
    assert!(!same_content(&balance, &account));
}

#[test]
fn within_a_generation_all_counts_but_what_moves_without_meaning() {
    let joined = Joined { account_id: Some("a"), ..Joined::default() };
    let of = |version: u32, updated: &str, kind: &str| {
        let text = serde_json::json!({"id": "p", "organizationId": "o", "version": version,
            "account": {"id": "a"}, "amount": {"currency": "EUR", "stringValue": "1.00"},
            "created": "2026-01-01T00:00:00Z", "updated": updated,
            "remittanceInformation": {"type": kind, "value": "text"}});
        record(Entity::Payment, Generation::V1, &text.to_string(), &joined)
    };
    let published = of(1, "2026-01-01T00:00:00Z", "UNSTRUCTURED");
    assert!(same_content(&published, &of(2, "2026-01-02T00:00:00Z", "UNSTRUCTURED")));
    let other = of(1, "2026-01-01T00:00:00Z", "STRUCTURED");
    assert!(same_meaning(&published, &other), "left out between generations");
    assert!(!same_content(&published, &other) && !same_content(&other, &published));
    for pair in pairs() {
        let (v1, v2) = pair.records();
        assert!(same_content(&v1, &v1.clone().without_raw()) && same_content(&v2, &v2));
    }
}

/// A field that Atlar documents in one generation only is not compared, and no other is left out
/// under that reason.
#[test]
fn what_one_generation_does_not_have_is_left_out() {
    for entity in Entity::ALL {
        let (inside, places) = match entity {
            Entity::Counterparty => ("ExternalAccount", ["externalAccounts", "accounts"]),
            _ => ("Party", ["counterpartyDetails", "counterparty"]),
        };
        let documented = |generation: Generation, place: &str, field: &crate::map::Field| {
            field.paths(generation).iter().any(|path| {
                crate::map::is_documented(*entity, generation, &format!("{place}{path}"))
            })
        };
        let mut of_one = Vec::new();
        for field in crate::map::fields(*entity) {
            if documented(Generation::V1, "", field) != documented(Generation::V2, "", field) {
                of_one.push(field.name);
            }
        }
        let has_inside = matches!(entity, Entity::Counterparty | Entity::Payment);
        let tables = crate::map::fields_inside();
        for field in tables.iter().filter(|(name, _)| has_inside && *name == inside) {
            for field in field.1 {
                let [v1, v2] = places.map(|place| format!("{place}."));
                if documented(Generation::V1, &v1, field) != documented(Generation::V2, &v2, field)
                {
                    of_one.push(field.name);
                }
            }
        }
        // The list of third parties says it in both.
        of_one.retain(|name| (*entity, *name) != (Entity::Account, "bank_name"));
        let left_out = |name: &str| {
            let mut of = LEFT_OUT.iter().filter(|(of, ..)| of.is_none_or(|of| of == *entity));
            of.any(|(_, path, _)| *path == name)
        };
        for name in &of_one {
            assert!(left_out(name), "{entity}: {name} is compared");
        }
        for (of, name, why) in LEFT_OUT {
            let told = *of == Some(*entity) && [V1_ONLY, V2_ONLY].contains(why);
            let read = crate::map::fields(*entity).iter().any(|field| field.name == *name);
            assert!(!told || !read || of_one.contains(name), "{entity}: {name} is in both");
        }
    }
}
