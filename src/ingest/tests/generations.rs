//! A stream that moves from one generation of the API to the other publishes only differences.

use bytes::Bytes;
use serde_json::{Value, json};

use super::bench::{Bench, SharedLog};
use super::{change, stream};
use crate::domain::Generation;
use crate::ingest::{Coverage, Ids, Moved};
use crate::poll::tree::{self, Stream};

const V2: Generation = Generation::V2;

fn v1(id: &str, name: &str) -> Value {
    json!({"id": id, "organizationId": "o", "name": name, "version": 7,
        "created": "2026-01-01T00:00:00Z", "updated": "2026-01-02T00:00:00Z",
        "contactDetails": {}, "externalAccounts": [account(&format!("e-{id}"), "BBAN")]})
}

fn v2(id: &str, name: &str) -> Value {
    json!({"id": id, "organizationId": "o", "legalName": name, "version": 2, "etag": "version:2",
        "created": "2026-01-01T00:00:00Z", "updated": "2026-01-02T00:00:00Z"})
}

fn account(id: &str, kind: &str) -> Value {
    json!({"id": id, "created": "2026-01-01T00:00:00Z",
        "identifiers": [{"type": kind, "market": "SE", "number": "123"}]})
}

fn external(id: &str, counterparty: &str) -> Value {
    let mut external = account(id, "NUMBER");
    external["counterpartyId"] = json!(counterparty);
    external["organizationId"] = json!("o");
    external
}

fn ids(stream: &Stream, records: &[Value]) -> Ids {
    let items: Vec<Bytes> = records.iter().map(|record| record.to_string().into()).collect();
    let mut ids = Ids::default();
    ids.add(stream, &items);
    ids
}

#[tokio::test(start_paused = true)]
async fn records_of_equal_meaning_are_no_difference() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let old = [v1("a", "A"), v1("b", "B"), v1("c", "C")];
    let session = bench.session().await;
    bench.handle.decide(session, list.clone()).await.unwrap();
    bench.list(&list, &old).await.unwrap();
    let in_v2 = list.in_generation(V2);
    let new = [v2("a", "A"), v2("b", "B2"), v2("c", "C"), v2("d", "D")];
    let moved = bench.handle.move_to(session, in_v2.clone(), ids(&in_v2, &new)).await.unwrap();
    assert_eq!(moved, Moved::Accepted);
    bench.session_after(session).await;
    assert_eq!(bench.known().await.generation("counterparties"), Some(V2));
    let accounts = stream("external-accounts").in_generation(V2);
    let facts = ["a", "b", "c"].map(|id| external(&format!("e-{id}"), id));
    bench.list(&accounts, &facts).await.unwrap();
    // The new generation is a batch of its own.
    let state = log.0.lock().unwrap().state.clone();
    let at = state
        .iter()
        .position(|read| read.key.starts_with(b"\0V/") && read.value.as_deref() == Some(b"\x012"))
        .unwrap();
    assert_eq!(
        (state[at - 1].key.as_slice(), state[at + 1].key.as_slice()),
        (&b"\0S"[..], &b"\0M"[..])
    );
    let before = log.changes().len();
    // A page of the old generation that was on its way is not judged any more.
    assert!(bench.list(&list, &old).await.is_err());
    let tally = bench.list(&in_v2, &new).await.unwrap().tally;
    let counted = (tally.seen, tally.new, tally.changed, tally.rebased);
    assert_eq!(counted, (4, 1, 1, 2), "{tally:?}");
    let mut later: Vec<_> = log.changes().into_iter().skip(before).collect();
    later.sort();
    assert_eq!(later, [change("b", 2, "u"), change("d", 1, "c")]);
    assert_eq!(bench.list(&in_v2, &new).await.unwrap().tally.same, 4);
    // An account that comes or goes in the list of accounts is a difference of its counterparty.
    bench.list(&accounts, &facts[1..]).await.unwrap();
    assert_eq!(bench.list(&in_v2, &new).await.unwrap().tally.changed, 1);
    assert_eq!(log.changes().pop(), Some(change("a", 2, "u")));
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lacks_too_much_moves_nothing() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let session = bench.session().await;
    bench.handle.decide(session, list.clone()).await.unwrap();
    let records: Vec<Value> = (0..10).map(|n| v1(&n.to_string(), "N")).collect();
    bench.list(&list, &records).await.unwrap();
    let in_v2 = list.in_generation(V2);
    let few = ids(&in_v2, &records[..7]);
    let moved = bench.handle.move_to(session, in_v2.clone(), few).await.unwrap();
    assert_eq!(moved, Moved::Held(Coverage { live: 10, missing: 3 }));
    assert_eq!(bench.known().await.generation("counterparties"), Some(Generation::V1));
    let most = ids(&in_v2, &records[..8]);
    assert_eq!(bench.handle.move_to(session, in_v2, most).await.unwrap(), Moved::Accepted);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn balances_move_from_inside_their_accounts_to_a_list() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    bench.list(&stream("third-parties"), &[]).await.unwrap();
    let inner = json!({"type": "BOOKED", "version": 1, "reportedType": "INTERIM",
        "localDate": "2026-02-03", "timestamp": "2026-02-03T14:02:11.530Z",
        "amount": {"currency": "EUR", "value": 5, "stringValue": "0.05"}});
    let accounts = [json!({"id": "x", "organizationId": "o", "version": 1, "balance": inner})];
    bench.list(&stream("accounts"), &accounts).await.unwrap();
    assert_eq!(bench.known().await.generation("balances"), Some(Generation::V1));
    let balances =
        tree::roots().find(|stream| stream.name == "balances").unwrap().in_generation(V2);
    let mut listed = inner.clone();
    for (name, value) in [("id", "b1"), ("accountId", "x"), ("organizationId", "o")] {
        listed[name] = json!(value);
    }
    let mut available = listed.clone();
    available["type"] = json!("AVAILABLE");
    let session = bench.session().await;
    let both = [listed, available];
    let moved = bench.handle.move_to(session, balances.clone(), ids(&balances, &both)).await;
    assert_eq!(moved, Ok(Moved::Accepted));
    bench.session_after(session).await;
    let tally = bench.list(&balances, &both).await.unwrap().tally;
    assert_eq!(tally.new, 1, "{tally:?}");
    let expected = [change("x", 1, "r"), change("x/BOOKED", 1, "r"), change("x/AVAILABLE", 1, "c")];
    assert_eq!(log.changes(), expected);
    // What comes inside accounts counts no more.
    let mut moved_on = accounts[0].clone();
    moved_on["balance"]["amount"]["value"] = json!(6);
    bench.list(&stream("accounts"), &[moved_on]).await.unwrap();
    assert_eq!(log.changes(), expected);
    bench.end().await.unwrap();
}
