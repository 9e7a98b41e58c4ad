use std::collections::BTreeSet;

use super::*;
use crate::domain::{Account, ExternalPayment, Identifier, Snapshot, Source, Via};
use crate::state::view::Read;

fn genesis() -> Genesis {
    Genesis {
        id: Uuid::from_u128(7),
        created_ms: 0,
        partitions: BTreeMap::new(),
        group_id: "g".into(),
        base_url_host: "h".into(),
    }
}

fn found(topic: &str, key: &str, offset: i64, batch_no: u64, id: Uuid) -> Followed {
    let headers = [
        ("ce_id", id.to_string()),
        ("atlar_batch", batch_no.to_string()),
        ("atlar_fingerprint", format!("1:{:032x}", offset + 1)),
    ];
    Followed {
        topic: topic.into(),
        partition: 1,
        offset,
        appended_ms: Some(99),
        key: Some(key.into()),
        value: None,
        headers: headers.map(|(name, value)| (name.into(), value.into_bytes())).into(),
    }
}

struct Said<'a> {
    op: Op,
    stream: &'a str,
    change_no: i64,
    generation: Generation,
    organization: &'a str,
}

const FIRST: Said<'_> = Said {
    op: Op::Read,
    stream: "accounts",
    change_no: 1,
    generation: Generation::V1,
    organization: "o",
};

fn envelope(record: Record, said: &Said<'_>) -> Envelope {
    let entity = record.entity();
    Envelope {
        before: None,
        after: Some(record),
        op: said.op,
        ts_ms: 50,
        changed_fields: Vec::new(),
        source: Source {
            connector: "atlar".into(),
            version: "0".into(),
            name: "p".into(),
            ts_ms: 0,
            snapshot: Snapshot::False,
            organization_id: Some(said.organization.into()),
            api_version: said.generation,
            entity,
            stream: said.stream.into(),
            change_no: said.change_no,
            entity_version: Some(said.change_no * 10),
            via: Via::Poll,
        },
    }
}

fn account(id: &str, number: &str) -> Record {
    let identifier = Identifier {
        kind: Some("IBAN".into()),
        number: Some(number.into()),
        ..Identifier::default()
    };
    let raw = r#"{"thirdPartyId":"bank"}"#;
    Record::Account(Box::new(Account {
        id: id.into(),
        identifiers: vec![identifier],
        bank_name: Some(format!("Bank of {number}")),
        raw: Some(raw.into()),
        ..Account::default()
    }))
}

fn external(id: &str) -> Record {
    Record::ExternalPayment(Box::new(ExternalPayment { id: id.into(), ..Default::default() }))
}

fn take(taken: &mut Taken, key: &str, at: (i64, u64), event: &Envelope) -> Result<(), Damage> {
    let entity = event.source.entity;
    taken.event(entity, &found("t", key, at.0, at.1, Uuid::nil()), event)
}

/// The view of a topic that holds these batches.
fn view(batches: Vec<Batch>) -> View {
    let mut view = View::default();
    let writes = batches.into_iter().flat_map(|batch| batch.writes);
    for (offset, write) in (0..).zip(writes) {
        let (key, value) = match write {
            Write::Control(control) => (control.key(), control.value()),
            Write::Entity { key, record, .. } => (key, record.encode()),
        };
        view.apply(&Read { offset, key, value: Some(value) }).unwrap();
    }
    view
}

fn done() -> Rebuild {
    Rebuild { started_ms: 1, finished_ms: Some(2), entities: 0 }
}

#[test]
fn the_last_event_of_an_entity_is_its_state_and_the_latest_batch_that_of_its_stream() {
    let mut taken = Taken::new(genesis());
    take(&mut taken, "a", (0, 1), &envelope(account("a", "DE1"), &FIRST)).unwrap();
    let moved = Said { op: Op::Update, change_no: 2, generation: Generation::V2, ..FIRST };
    take(&mut taken, "a", (4, 9), &envelope(account("a", "DE2"), &moved)).unwrap();
    take(&mut taken, "b", (2, 3), &envelope(account("b", "DE3"), &FIRST)).unwrap();
    let stream = "external-payments/expected-transactions";
    let created = Said { op: Op::Create, stream, ..FIRST };
    take(&mut taken, "x", (5, 4), &envelope(external("x"), &created)).unwrap();
    assert_eq!((taken.events, taken.entities(), taken.streams()), (4, 3, 2));

    let batches: Vec<Batch> = taken.batches(2, done()).collect();
    assert_eq!(batches.iter().map(|batch| batch.batch_no).collect::<Vec<_>>(), [10]);
    let view = view(batches);
    let entry = view.index.get(crate::state::EntityKey::of("account", "a")).unwrap();
    assert_eq!((entry.change_no, entry.version, entry.generation), (2, Some(20), 2));
    assert_eq!(entry.event, Some(EventLocation { partition: 1, offset: 4 }));
    assert_eq!((entry.batch_no, entry.fingerprint.0[15]), (10, 5));
    assert_eq!(view.generations, BTreeMap::from([("accounts".into(), 2), (stream.into(), 1)]));
    assert_eq!(view.organization.as_deref(), Some("o"));
    assert_eq!(view.source.as_deref(), Some("expected-transactions"));
    assert_eq!(view.third_parties["bank"], "Bank of DE2");
    let accounts: BTreeSet<&String> = view.own_identifiers.values().flatten().collect();
    assert_eq!((view.own_identifiers.len(), accounts.len()), (3, 2), "DE1 stays an own one");
    let complete: Vec<_> = view.cycles.keys().map(String::as_str).collect();
    assert_eq!(complete, [stream], "updates and first sights prove no complete listing");
    assert!(view.join_lists.is_empty(), "which lists were complete is not in the events");
    assert!(!view.is_partial());
}

#[test]
fn hashes_of_identifiers_are_those_that_listings_give() {
    let mut taken = Taken::new(genesis());
    take(&mut taken, "a", (0, 1), &envelope(account("a", "de 1"), &FIRST)).unwrap();
    let rebuilt = view(taken.batches(0, done()).collect());
    let mut known = View::default();
    known.genesis = Some(genesis());
    let mut listed = Joins::of(&known);
    let json = r#"{"id":"a","identifiers":[{"type":"IBAN","number":"DE1"}]}"#;
    listed.learn_account("a", &Json::parse(json.as_bytes()).unwrap(), Generation::V1);
    let fresh = listed.take_fresh();
    let [Control::OwnIdentifier { hash, .. }] = &fresh[..] else { panic!("{fresh:?}") };
    assert_eq!(rebuilt.own_identifiers.keys().collect::<Vec<_>>(), [hash]);
}

#[test]
fn only_the_last_batch_says_that_nothing_is_missing() {
    let mut taken = Taken::new(genesis());
    let many = i64::try_from(RECORDS_MAX).unwrap() + 5;
    for number in 0..many {
        let id = number.to_string();
        let event = envelope(external(&id), &Said { stream: "external-payments/x", ..FIRST });
        take(&mut taken, &id, (number, 1), &event).unwrap();
    }
    let batches: Vec<Batch> = taken.batches(6, done()).collect();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.writes.len()).collect();
    assert_eq!((sizes[0], sizes.len(), batches[1].batch_no), (RECORDS_MAX, 2, 8));
    let says = |batch: &Batch| {
        let done = |write: &Write| matches!(write, Write::Control(Control::Rebuild(_)));
        batch.writes.iter().position(done)
    };
    assert_eq!((says(&batches[0]), says(&batches[1])), (None, Some(sizes[1] - 1)));
    assert_eq!(view(batches).index.len() as i64, many);
}

#[test]
fn a_history_that_is_not_whole_or_not_ours_is_refused() {
    let mut taken = Taken::new(genesis());
    let second = Said { change_no: 2, ..FIRST };
    let gap = take(&mut taken, "a", (3, 1), &envelope(account("a", "DE1"), &second));
    assert!(matches!(gap, Err(Damage::Gap { .. })), "{gap:?}");
    take(&mut taken, "a", (4, 1), &envelope(account("a", "DE1"), &FIRST)).unwrap();
    let again = take(&mut taken, "a", (5, 1), &envelope(account("a", "DE1"), &FIRST));
    assert!(matches!(again, Err(Damage::Gap { .. })), "{again:?}");
    let other = Said { organization: "other", ..FIRST };
    let other = take(&mut taken, "b", (6, 1), &envelope(account("b", "DE1"), &other));
    assert!(matches!(other, Err(Damage::Organization { .. })), "{other:?}");
    let event = envelope(account("c", "DE1"), &FIRST);
    let named = take(&mut taken, "d", (7, 1), &event);
    assert!(matches!(named, Err(Damage::Foreign { .. })), "another key: {named:?}");
    let mut bare = found("t", "c", 8, 1, Uuid::nil());
    bare.headers.clear();
    let bare = taken.event(Entity::Account, &bare, &event);
    assert!(matches!(bare, Err(Damage::Foreign { .. })), "no headers: {bare:?}");
}

#[test]
fn letters_are_numbered_as_they_were_although_the_first_are_forgotten() {
    let mut taken = Taken::new(genesis());
    let (topic, key) = ("p.dead-letter", "payments/a/x/1");
    let letter = serde_json::json!({ "stream": "payments/a" });
    for (offset, change_no) in [(0, 3), (2, 4)] {
        let id = event_id(topic, key, change_no);
        taken.letter(&found(topic, key, offset, 5, id), &letter).unwrap();
    }
    let foreign = taken.letter(&found(topic, key, 4, 5, Uuid::nil()), &letter);
    assert!(matches!(foreign, Err(Damage::Foreign { .. })), "{foreign:?}");
    let view = view(taken.batches(0, done()).collect());
    let letter = &view.letters["payments/a"]["x/1"];
    assert_eq!((letter.change_no, letter.live), (4, true));
    assert_eq!(letter.content, format!("{:032x}", 3));
}

#[test]
fn a_marker_says_that_a_stream_was_complete() {
    let mut taken = Taken::new(genesis());
    take(&mut taken, "a", (0, 1), &envelope(account("a", "DE1"), &FIRST)).unwrap();
    for listed in [5, 6] {
        let marker = serde_json::json!({ "stream": "accounts", "listed": listed });
        taken.marker(&found("p.scan", "accounts", 0, 1, Uuid::nil()), &marker).unwrap();
    }
    let view = view(taken.batches(0, done()).collect());
    let cycle = &view.cycles["accounts"];
    assert_eq!((cycle.listings, cycle.listed, cycle.finished_ms), (2, 6, 99));
}
