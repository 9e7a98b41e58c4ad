//! Streams that move from one generation of the API to the other.

use serde_json::{Value, json};

use super::{How, LIMIT, bank, each_once, good, live, of, once, start};
use crate::domain::Generation;
use crate::ingest::Phase;
use crate::ingest::tests::bench::SharedLog;
use crate::poll::driver::Outcome;
use crate::simulator::{self, Kind};

/// Ids of the events from `first` on that a move does not explain. A move brings balances that v1
/// has no place for, and the more exact words that v2 has for what an entry was matched with.
fn news(log: &SharedLog, first: usize) -> Vec<Value> {
    let events = log.events();
    let before = |event: &Value| {
        let (id, change_no) = (&event["after"]["id"], event["source"]["change_no"].as_i64());
        let last = |e: &&Value| {
            e["after"]["id"] == *id && e["source"]["change_no"].as_i64() == change_no.map(|n| n - 1)
        };
        events.iter().find(last).cloned().unwrap_or_default()
    };
    let explained = |event: &&Value| {
        let (old, new) = (&before(event)["after"], &event["after"]);
        let word = |record: &Value| record["reconciled_with_type"].clone();
        let matched = word(old) != word(new) && (word(old) == "PAYMENT" || word(new) == "PAYMENT");
        let same = ["amount", "status", "description", "reconciled_with_id"];
        let renamed = matched && same.iter().all(|name| old[*name] == new[*name]);
        let fresh = event["op"] == "c" && event["source"]["entity"] == "balance";
        renamed || fresh
    };
    let news = events[first..].iter().filter(|event| !explained(event));
    news.map(|event| event["after"]["id"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_move_publishes_only_differences_in_either_direction() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let world = bank.world();
    let read = async |generation| {
        let how = How { generation: Some(generation), ..How::default() };
        good(&once(&log, &bank, how).await);
    };
    read(Generation::V1).await;
    let first = log.events().len();
    read(Generation::V2).await;
    assert!(log.events().len() > first, "v2 tells balances that v1 has no place for");
    assert_eq!(news(&log, first), Vec::<Value>::new());
    let second = log.events().len();
    read(Generation::V2).await;
    assert_eq!(log.events().len(), second);
    // A difference is one across the move, too.
    let id = world.ids(Kind::Transaction)[0].clone();
    world.patch(Kind::Transaction, &id, &json!({"description": "edited"})).unwrap();
    read(Generation::V1).await;
    assert_eq!(news(&log, second), [json!(id)]);
    let third = log.events().len();
    read(Generation::V1).await;
    assert_eq!(log.events().len(), third);
    read(Generation::V2).await;
    assert_eq!(news(&log, third), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_without_v1_begins_in_v2() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let world = bank.world();
    world.retire_generation(simulator::Generation::V1, 404).unwrap();
    good(&once(&log, &bank, How::default()).await);
    assert_eq!(each_once(&log, "payment"), live(&world, Kind::Transaction));
    assert_eq!(each_once(&log, "counterparty"), live(&world, Kind::Counterparty));
    assert!(log.events().iter().all(|event| event["source"]["api_version"] == "v2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_taken_away_moves_to_v2_without_news() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let world = bank.world();
    good(&once(&log, &bank, How::default()).await);
    let first = log.events().len();
    world.retire_generation(simulator::Generation::V1, 410).unwrap();
    let running = start(&log, &bank, How { once: false, ..How::default() });
    let streams: Vec<String> = {
        let payments = world.ids(Kind::Account).into_iter().map(|id| format!("payments/{id}"));
        let roots =
            ["accounts", "balances", "counterparties", "external-payments/external-payments"];
        roots.map(str::to_owned).into_iter().chain(payments).collect()
    };
    let mut phase = running.bench.handle.phase();
    let all_moved = phase.wait_for(|phase| match phase {
        Phase::Ready { known, .. } => {
            streams.iter().all(|stream| known.generation(stream) == Some(Generation::V2))
        }
        _ => false,
    });
    tokio::time::timeout(LIMIT, all_moved).await.unwrap().unwrap();
    let id = world.ids(Kind::Transaction)[0].clone();
    world.patch(Kind::Transaction, &id, &json!({"description": "edited"})).unwrap();
    let seen = || {
        let events = log.events();
        events[first..].iter().any(|event| event["after"]["id"] == json!(id))
    };
    let waiting = async {
        while !seen() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap();
    running.stop().await;
    assert_eq!(news(&log, first), [json!(id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_v2_moves_nothing() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let world = bank.world();
    good(&once(&log, &bank, How::default()).await);
    let count = log.events().len();
    let hidden: Vec<String> = world.ids(Kind::Counterparty).into_iter().take(3).collect();
    world.hide_in_v2(Kind::Counterparty, &hidden);
    let how = How { generation: Some(Generation::V2), ..How::default() };
    let outcomes = once(&log, &bank, how).await;
    let Outcome::Failed { what, hint } = &outcomes["counterparties"] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(what, "v2 lacks 3 of the 8 live records of this stream");
    assert!(hint.contains("accept-generation"), "{hint}");
    let held = |log: &SharedLog| {
        let state = log.0.lock().unwrap().state.clone();
        let last = state.iter().rev().find(|read| read.key == b"\0H/counterparties");
        String::from_utf8_lossy(last.unwrap().value.as_deref().unwrap()).into_owned()
    };
    assert!(held(&log).contains(r#""missing":3"#), "{}", held(&log));
    let edited = world.ids(Kind::Counterparty)[7].clone();
    world.patch(Kind::Counterparty, &edited, &json!({"name": "edited"})).unwrap();
    once(&log, &bank, How { generation: Some(Generation::V2), ..How::default() }).await;
    let told = |event: &Value| event["after"]["id"] == json!(edited);
    assert_eq!(of(&log, "counterparty").iter().filter(|e| told(e)).count(), 2, "it is read on");
    assert!(of(&log, "counterparty").iter().all(|e| e["source"]["api_version"] == "v1"));
    // The others have moved.
    assert_eq!(news(&log, count), [json!(edited)]);
    assert!(log.events()[count..].iter().any(|event| event["source"]["api_version"] == "v2"));
    world.show_in_v2(Kind::Counterparty);
    good(&once(&log, &bank, How { generation: Some(Generation::V2), ..How::default() }).await);
    assert!(held(&log).ends_with("null"), "{}", held(&log));
}
