//! Dead letters, balances inside accounts, narrowing, organisations, and publishing once more.

use serde_json::{Value, json};

use super::bench::{Bench, Fault, SharedLog};
use super::{change, counterparty, stream};
use crate::ingest::Dropped;
use crate::poll::tree::{self, Narrowing};

fn letters(log: &SharedLog) -> Vec<(String, Value)> {
    let letters = log.0.lock().unwrap().letters.clone();
    letters
        .into_iter()
        .map(|l| (l["reason"].as_str().unwrap().to_owned(), l["id"].clone()))
        .collect()
}

/// A version beyond 64 bits, which no event can carry.
fn too_large(id: &str, name: &str) -> Value {
    let text = format!(
        r#"{{"id":"{id}","organizationId":"o","name":"{name}","version":99999999999999999999}}"#
    );
    // A number of this size survives only as text.
    json!({ "raw": text })
}

/// Lists records given as they are, `{"raw": text}` as that text.
async fn list(bench: &Bench, records: &[Value]) -> crate::change::Tally {
    let texts: Vec<String> = records
        .iter()
        .map(|record| record["raw"].as_str().map_or_else(|| record.to_string(), str::to_owned))
        .collect();
    bench.list_texts(&stream("counterparties"), &texts).await.unwrap().tally
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_an_event_has_one_letter_per_content_until_it_is_repaired() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let broken = too_large("big", "A");
    let page = [
        json!({"name": "no id", "organizationId": "o"}),
        json!(7),
        broken.clone(),
        counterparty("a", 1, "A"),
    ];
    for _ in 0..2 {
        let tally = list(&bench, &page).await;
        assert_eq!((tally.seen, tally.unmapped), (4, 3));
    }
    let expected = [
        ("no-id".to_owned(), Value::Null),
        ("not-an-object".to_owned(), Value::Null),
        ("out-of-range".to_owned(), json!("big")),
    ];
    assert_eq!(letters(&log), expected);
    let first = log.0.lock().unwrap().letters[2].clone();
    assert_eq!(
        (&first["stream"], &first["entity"]),
        (&json!("counterparties"), &json!("counterparty"))
    );
    assert_eq!(first["raw"], broken["raw"]);
    assert_eq!(first["detail"], "version is an integer beyond 64 bits");
    // Another fault is another letter; a restart forgets nothing.
    bench.end().await.unwrap();
    let bench = Bench::start(&log);
    list(&bench, &[too_large("big", "B")]).await;
    assert_eq!(letters(&log).len(), 4);
    // Repaired: published, and the letter is cleared; broken again: a letter again.
    list(&bench, &[counterparty("big", 1, "B")]).await;
    assert!(log.changes().contains(&change("big", 1, "c")));
    list(&bench, &[counterparty("big", 1, "B")]).await;
    list(&bench, &[too_large("big", "B")]).await;
    assert_eq!(letters(&log).len(), 5);
    let raw = log.0.lock().unwrap().raw.clone();
    let keys: Vec<_> =
        raw.iter().filter(|event| event.key.starts_with(b"counterparties/")).collect();
    assert_eq!(keys[2].key, b"counterparties/big");
    assert!(keys[0].key.starts_with(b"counterparties/#"));
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_letter_whose_commit_failed_is_published_again() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    log.fail_next(Fault::Refused);
    let list_of = stream("counterparties");
    let texts = vec![counterparty("a", 1, "A").to_string(), "7".to_owned()];
    assert_eq!(bench.list_texts(&list_of, &texts).await, Err(Dropped));
    while bench.list_texts(&list_of, &texts).await.is_err() {}
    assert_eq!(letters(&log).len(), 1);
    bench.end().await.unwrap();
}

fn account(balance: &Value) -> Value {
    json!({"id": "x", "organizationId": "o", "currency": "EUR", "version": 1, "name": "X",
        "balance": balance})
}

fn balance(units: i64, version: i64) -> Value {
    json!({"type": "BOOKED", "version": version, "timestamp": "2026-02-03T14:02:11.5Z",
        "amount": {"currency": "EUR", "value": units, "stringValue": format!("{units}")}})
}

#[tokio::test(start_paused = true)]
async fn balances_inside_accounts_are_a_stream_of_their_own() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let (banks, accounts) = (stream("third-parties"), stream("accounts"));
    bench.list(&banks, &[]).await.unwrap();
    bench.list(&accounts, &[account(&balance(1, 1))]).await.unwrap();
    bench.list(&accounts, &[account(&balance(1, 1))]).await.unwrap();
    bench.list(&accounts, &[account(&balance(2, 2))]).await.unwrap();
    // Back to what it was: the account's bytes were seen before, the balance is another one.
    bench.list(&accounts, &[account(&balance(1, 3))]).await.unwrap();
    bench.list(&accounts, &[account(&Value::Null)]).await.unwrap();
    bench.list(&accounts, &[account(&json!({}))]).await.unwrap();
    let expected = [
        change("x", 1, "r"),
        change("x/BOOKED", 1, "r"),
        change("x/BOOKED", 2, "u"),
        change("x/BOOKED", 3, "u"),
    ];
    assert_eq!(log.changes(), expected);
    let event = &log.events()[2];
    assert_eq!(event["source"]["stream"], "balances");
    assert_eq!(event["after"]["account_id"], "x");
    assert_eq!(event["after"]["organization_id"], "o");
    assert_eq!(event["after"]["raw"], balance(2, 2).to_string(), "the embedded object");
    let status = bench.status.snapshot();
    assert_eq!((status.streams["balances"].total.seen, status.entities), (4, 2));
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_neither_published_nor_forgotten() {
    let log = SharedLog::default();
    let accounts = |narrowing: &str| {
        json!({"id": narrowing, "organizationId": "o", "version": 1,
        "identifiers": [{"type": "IBAN", "market": "DE", "number": format!("DE{narrowing}")}],
        "balance": {"type": "BOOKED"}})
    };
    let payment = |id: &str, account: &str| {
        json!({"id": id, "organizationId": "o", "account": {"id": account}, "version": 1,
            "amount": {"currency": "EUR", "value": 1, "stringValue": "0.01"},
            "counterpartyDetails": {"externalAccount": {"identifier":
                {"type": "IBAN", "market": "DE", "number": "DEb"}}}})
    };
    let narrowing = Narrowing { exclude: vec!["b".into()], ..Narrowing::default() };
    let bench = Bench::narrowed(&log, narrowing);
    bench.list(&stream("third-parties"), &[]).await.unwrap();
    bench.list(&stream("accounts"), &[accounts("a"), accounts("b")]).await.unwrap();
    let of_a = tree::of_account("a").next().unwrap();
    let tally = bench.list(&of_a, &[payment("p", "a"), payment("q", "b")]).await.unwrap().tally;
    assert_eq!(tally.excluded, 1);
    let expected = [change("a", 1, "r"), change("a/BOOKED", 1, "r"), change("p", 1, "r")];
    assert_eq!(log.changes(), expected);
    assert_eq!(log.events()[2]["after"]["type"], "TRANSFER", "an account left out stays our own");
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_record_without_organisation_waits_until_the_session_has_seen_the_right_one() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let bare = json!({"id": "n", "name": "N", "version": 1});
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    bench.end().await.unwrap();
    // Another company's credentials: nothing but records without organisation at first.
    let bench = Bench::start(&log);
    let tally = bench.list(&list, std::slice::from_ref(&bare)).await.unwrap().tally;
    assert_eq!((tally.unconfirmed, tally.new), (1, 0));
    bench.list_texts(&list, &["7".to_owned()]).await.unwrap();
    assert!(letters(&log).is_empty(), "no letter about somebody else's data");
    bench.list(&list, &[counterparty("a", 1, "A"), bare]).await.unwrap();
    assert_eq!(log.changes(), [change("a", 1, "r"), change("n", 1, "c")]);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_order_to_publish_everything_once_more_reaches_each_entity_once() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let records = [counterparty("a", 1, "A"), counterparty("b", 1, "B")];
    for _ in 0..2 {
        bench.list(&list, &records).await.unwrap();
    }
    let session = bench.session().await;
    assert_eq!(bench.commands.resync().await, Ok(1));
    bench.session_after(session).await;
    log.fail_next(Fault::AnswerLost);
    bench.list_again_if_dropped(&list, &records).await;
    bench.list(&list, &records).await.unwrap();
    let expected =
        [change("a", 1, "r"), change("b", 1, "r"), change("a", 2, "u"), change("b", 2, "u")];
    assert_eq!(log.changes(), expected);
    let event = &log.events()[2];
    assert_eq!(event["source"]["snapshot"], "resync");
    assert_eq!(event["before"], event["after"]);
    // The number is in the log: a restart does not begin again, and the next order has the next.
    bench.end().await.unwrap();
    let bench = Bench::start(&log);
    bench.list(&list, &records).await.unwrap();
    assert_eq!(log.changes(), expected);
    let session = bench.session().await;
    assert_eq!(bench.commands.resync().await, Ok(2));
    bench.session_after(session).await;
    bench.list(&list, &[counterparty("a", 2, "A2")]).await.unwrap();
    let event = log.events().pop().unwrap();
    assert_eq!((&event["source"]["snapshot"], &event["before"]), (&json!("false"), &Value::Null));
    bench.list(&list, &[counterparty("a", 2, "A2")]).await.unwrap();
    assert_eq!(log.changes().len(), 5);
    bench.end().await.unwrap();
}
