//! The owner against a log in memory: what is published, once, whatever fails in between.
//!
//! The log stands in for Kafka where Kafka's own faults are not the point: it can refuse a
//! commit, or take it and lose the answer. Fencing and real transactions are tested against a
//! real broker.

pub(crate) mod bench;
mod generations;
mod letters;
mod rules;
mod standby;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Dropped;
use super::cycles::{STALE_AGE_MIN_MS, STALE_LISTINGS_MIN};
use super::owner::End;
use crate::poll::tree::{self, Stream};
use crate::status::Source;
use bench::{Bench, Fault, SharedLog};

fn stream(name: &str) -> Stream {
    tree::roots().find(|stream| stream.branch.name == name).unwrap()
}

fn counterparty(id: &str, version: i64, name: &str) -> Value {
    json!({"id": id, "organizationId": "o", "name": name, "version": version,
        "updated": format!("2026-01-01T00:00:00.{version:09}Z"), "created": "2026-01-01T00:00:00Z"})
}

fn change(id: &str, change_no: i64, op: &str) -> (String, i64, String) {
    (id.to_owned(), change_no, op.to_owned())
}

#[tokio::test(start_paused = true)]
async fn publishes_differences_and_nothing_else() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let a = counterparty("a", 1, "A");
    bench.list(&list, &[a.clone(), counterparty("b", 1, "B")]).await.unwrap();
    bench.list(&list, &[a.clone(), counterparty("b", 1, "B")]).await.unwrap();
    // A higher version without other content is no difference; a new name and a new record are.
    let third = [counterparty("a", 2, "A"), counterparty("b", 2, "B2"), counterparty("c", 1, "C")];
    bench.list(&list, &third).await.unwrap();
    bench.list(&list, &third).await.unwrap();
    let expected =
        [change("a", 1, "r"), change("b", 1, "r"), change("b", 2, "u"), change("c", 1, "c")];
    assert_eq!(log.changes(), expected);
    let snapshots: Vec<_> =
        log.events().iter().map(|e| e["source"]["snapshot"].as_str().unwrap().to_owned()).collect();
    assert_eq!(snapshots, ["first", "first", "false", "false"]);
    bench.end().await.unwrap();

    // Another process, nothing but the log: nothing comes twice.
    let bench = Bench::start(&log);
    let published = bench.list(&list, &third).await.unwrap();
    assert_eq!((published.tally.same, published.tally.events()), (3, 0));
    assert_eq!(log.changes(), expected);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_commit_and_a_lost_answer_publish_once() {
    for fault in [Fault::Refused, Fault::AnswerLost] {
        let log = SharedLog::default();
        let bench = Bench::start(&log);
        let list = stream("counterparties");
        let records = [counterparty("a", 1, "A"), counterparty("b", 1, "B")];
        log.fail_next(fault);
        assert_eq!(bench.list(&list, &records).await, Err(Dropped), "{fault:?}");
        bench.list_again_if_dropped(&list, &records).await;
        assert_eq!(log.changes(), [change("a", 1, "r"), change("b", 1, "r")], "{fault:?}");
        assert_eq!(log.0.lock().unwrap().acquisitions, 2, "{fault:?}");
        let batches = log.0.lock().unwrap().state.iter().filter(|r| r.key == b"\0M").count();
        assert!(batches <= 2, "{fault:?}");
        let shown = bench.status.snapshot();
        let reason = if fault == Fault::Refused { "fenced" } else { "log" };
        assert_eq!(shown.sessions_ended, [(reason, 1)].into(), "{fault:?}");
        let last = shown.last_session_end.unwrap();
        assert_eq!((last.reason.as_str(), last.error.is_some()), (reason, true));
        assert_eq!(shown.restores, [("topic", 1), ("memory", 1)].into(), "{fault:?}");
        assert_eq!(shown.restored_from, Some(Source::Memory));
        assert!(shown.acquired_ms.is_some());
        bench.end().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_back_before_the_commit_never_happened() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    bench.list(&list, &[counterparty("a", 2, "B"), counterparty("a", 3, "A")]).await.unwrap();
    assert_eq!(log.changes(), [change("a", 1, "r")]);
    // The version is on record all the same: version 2 is older than what was seen.
    let published = bench.list(&list, &[counterparty("a", 2, "B")]).await.unwrap();
    assert_eq!(published.tally.stale, 1);
    // The same for records that carry no version.
    let bare = |name: &str| json!({"id": "b", "organizationId": "o", "name": name});
    bench.list(&list, &[bare("A")]).await.unwrap();
    bench.list(&list, &[bare("B"), bare("A")]).await.unwrap();
    assert_eq!(log.changes(), [change("a", 1, "r"), change("b", 1, "c")]);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_for_an_earlier_session_counts_no_more() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let session_no = bench.session().await;
    log.fail_next(Fault::Refused);
    assert_eq!(bench.list(&list, &[counterparty("a", 1, "A")]).await, Err(Dropped));
    bench.list_again_if_dropped(&list, &[counterparty("a", 2, "A2")]).await;
    bench.page(session_no, &list, &[counterparty("z", 1, "Z")]).await;
    bench.list(&list, &[counterparty("a", 2, "A2")]).await.unwrap();
    assert_eq!(log.changes(), [change("a", 1, "r")]);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_version_that_rises_during_the_commit_does_not_take_the_change_back() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let session_no = bench.session().await;
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    let (open, gate) = std::sync::mpsc::sync_channel(1);
    log.0.lock().unwrap().gate = Some(gate);
    bench.page(session_no, &list, &[counterparty("a", 2, "B")]).await;
    let first = bench.handle.finished(session_no, list.clone(), 1);
    let during = async {
        bench.seen(&list, 2).await;
        bench.page(session_no, &list, &[counterparty("a", 3, "B")]).await;
        bench.seen(&list, 3).await;
        open.send(()).unwrap();
    };
    let (published, ()) = tokio::join!(first, during);
    published.unwrap();
    bench.list(&list, &[counterparty("a", 3, "B")]).await.unwrap();
    let published = bench.list(&list, &[counterparty("a", 2, "Old")]).await.unwrap();
    assert_eq!(published.tally.stale, 1, "version 3 is on record");
    bench.list(&list, &[counterparty("a", 4, "C")]).await.unwrap();
    assert_eq!(log.changes(), [change("a", 1, "r"), change("a", 2, "u"), change("a", 3, "u")]);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lower_version_is_believed_when_it_is_served_long_enough() {
    let log = SharedLog::default();
    let list = stream("counterparties");
    let lower = [counterparty("a", 4, "Old")];
    let mut bench = Bench::start(&log);
    bench.list(&list, &[counterparty("a", 5, "New"), counterparty("b", 5, "New")]).await.unwrap();
    // Served once, long ago: not often enough.
    let once = [counterparty("a", 5, "New"), counterparty("b", 4, "Old")];
    bench.list(&list, &once).await.unwrap();
    *bench.now_ms.lock().unwrap() += STALE_AGE_MIN_MS;
    assert_eq!(bench.list(&list, &once).await.unwrap().tally.stale, 1);
    for listing in 0..STALE_LISTINGS_MIN {
        let published = bench.list(&list, &lower).await.unwrap();
        assert_eq!(published.tally.stale, 1, "listing {listing}");
        // What was counted survives a restart.
        let now_ms = *bench.now_ms.lock().unwrap();
        bench.end().await.unwrap();
        bench = Bench::start(&log);
        *bench.now_ms.lock().unwrap() = now_ms;
    }
    assert_eq!(bench.list(&list, &lower).await.unwrap().tally.stale, 1, "not long enough");
    *bench.now_ms.lock().unwrap() += STALE_AGE_MIN_MS;
    assert_eq!(bench.list(&list, &lower).await.unwrap().tally.changed, 1);
    assert_eq!(log.changes(), [change("a", 1, "r"), change("b", 1, "r"), change("a", 2, "u")]);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_crossed_a_publication_waits_for_the_next_listing() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let before = Instant::now();
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    let other = [counterparty("a", 1, "A2")];
    let crossed = bench.list_requested(&list, &other, before).await.unwrap();
    assert_eq!((crossed.tally.crossed, crossed.tally.changed), (1, 0));
    assert_eq!(bench.list(&list, &other).await.unwrap().tally.changed, 1);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn joins_republish_what_they_change_and_only_that() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let (banks, accounts) = (stream("third-parties"), stream("accounts"));
    let payments = tree::of_account("x").next().unwrap();
    let bank = |name: &str| [json!({"id": "t", "name": name})];
    let account = |id: &str, iban: &str| {
        json!({"id": id, "organizationId": "o", "thirdPartyId": "t", "currency": "EUR", "version": 1,
            "bank": {"id": "", "name": ""}, "balance": {"type": "BOOKED", "version": 1},
            "identifiers": [{"type": "IBAN", "market": "DE", "number": iban}]})
    };
    let payment = |id: &str, iban: &str| {
        json!({"id": id, "organizationId": "o", "account": {"id": "x"}, "version": 1,
            "amount": {"currency": "EUR", "value": 1, "stringValue": "0.01"},
            "counterpartyDetails": {"externalAccount": {"identifier":
                {"type": "IBAN", "market": "DE", "number": iban}}}})
    };
    bench.list(&banks, &bank("Old")).await.unwrap();
    bench.list(&accounts, &[account("x", "DE1")]).await.unwrap();
    let two = [payment("p", "DE2"), payment("q", "DE9")];
    // Three times, so that the short cut of equal bytes is in use.
    for _ in 0..3 {
        bench.list(&payments, &two).await.unwrap();
    }
    // Balances are a stream of their own.
    let events = || -> Vec<Value> {
        log.events().into_iter().filter(|e| e["source"]["stream"] != "balances").collect()
    };
    let changes =
        || -> Vec<_> { log.changes().into_iter().filter(|(id, ..)| !id.contains('/')).collect() };
    assert_eq!(events()[0]["after"]["bank_name"], "Old");
    assert_eq!(events()[1]["after"]["type"], "PAY-IN");
    // A renamed bank re-publishes its accounts, an account's balance nothing, a late own account
    // the payments it turns into transfers.
    bench.list(&banks, &bank("New")).await.unwrap();
    let mut moved = account("x", "DE1");
    moved["balance"]["version"] = json!(2);
    bench.list(&accounts, &[moved, account("y", "DE2")]).await.unwrap();
    bench.list(&payments, &two).await.unwrap();
    bench.list(&payments, &two).await.unwrap();
    let expected = [
        change("x", 1, "r"),
        change("p", 1, "r"),
        change("q", 1, "r"),
        change("x", 2, "u"),
        change("y", 1, "c"),
        change("p", 2, "u"),
    ];
    assert_eq!(changes(), expected);
    assert_eq!(events()[3]["after"]["bank_name"], "New");
    assert_eq!(events()[5]["after"]["type"], "TRANSFER");
    bench.end().await.unwrap();
    // Join facts are in the log: after a restart nothing turns back.
    let bench = Bench::start(&log);
    bench.list(&payments, &two).await.unwrap();
    assert_eq!(changes(), expected);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_lists_that_disagree_the_one_of_the_account_named_wins() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = |account| tree::of_account(account).next().unwrap();
    let payment = |account: &str, text: &str| {
        [json!({"id": "p", "organizationId": "o", "account": {"id": account}, "version": 1,
            "description": text, "amount": {"currency": "EUR", "value": 1, "stringValue": "0.01"}})]
    };
    bench.list(&list("x"), &payment("x", "home")).await.unwrap();
    for _ in 0..3 {
        let foreign = bench.list(&list("y"), &payment("x", "elsewhere")).await.unwrap();
        assert_eq!((foreign.tally.foreign, foreign.tally.changed), (1, 0));
        bench.list(&list("x"), &payment("x", "home")).await.unwrap();
    }
    assert_eq!(log.changes(), [change("p", 1, "r")]);
    // It moved: the record names the other account now.
    bench.list(&list("y"), &payment("y", "moved")).await.unwrap();
    assert_eq!(log.changes(), [change("p", 1, "r"), change("p", 2, "u")]);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_organisation_stops_the_workspace_before_anything_is_published() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    let mut foreign = counterparty("z", 1, "Z");
    foreign["organizationId"] = json!("other");
    let listed = bench.list(&list, &[counterparty("b", 1, "B"), foreign]).await;
    assert_eq!(listed, Err(Dropped));
    assert!(matches!(bench.task.await.unwrap(), Err(End::Refused(_))));
    assert_eq!(log.changes(), [change("a", 1, "r")]);
}

#[tokio::test(start_paused = true)]
async fn odd_records_cost_no_sibling() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let records = [
        json!({"name": "without id"}),
        json!("not an object"),
        json!({"id": "", "name": "x"}),
        json!({"id": "big", "organizationId": "o", "version": 99999999999999999999u128 as f64}),
        counterparty("a", 1, "A"),
        Value::Null,
    ];
    let published = bench.list(&list, &records).await.unwrap();
    assert_eq!((published.tally.seen, published.tally.unconfirmed), (6, 0));
    assert!(log.changes().contains(&change("a", 1, "r")));
    assert!(published.tally.unmapped >= 4, "{:?}", published.tally);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn large_listings_are_split_into_batches_that_are_bounded() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let session_no = bench.session().await;
    let count = 23_000;
    for chunk in 0..count / 500 {
        let records: Vec<Value> =
            (0..500).map(|n| counterparty(&format!("{}", chunk * 500 + n), 1, "N")).collect();
        bench.page(session_no, &list, &records).await;
    }
    bench.handle.finished(session_no, list.clone(), count).await.unwrap();
    assert_eq!(log.changes().len(), 23_000);
    let batches = log.0.lock().unwrap().state.iter().filter(|r| r.key == b"\0M").count();
    assert!((3..=60).contains(&batches), "{batches} batches");
    let timeout = Duration::from_secs(60);
    tokio::time::timeout(timeout, bench.end()).await.unwrap().unwrap();
}
