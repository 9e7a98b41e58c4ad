//! Lists that go away, records that v2 lacks, replicas that lag, and each trap on and off.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_retired_list_answers_with_the_error_body_until_it_is_back() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let id = world.ids(Kind::Transaction).remove(0);
    for status in [404, 410] {
        let body = json!({ "route": "/v1/transactions", "status": status }).to_string();
        let (met, listed) = bench.send("POST", "/_simulator/routes", &body).await;
        assert_eq!((met, &listed["/v1/transactions"]), (200, &json!(status)));
        for path in ["/v1/transactions".to_owned(), format!("/v1/transactions/{id}")] {
            let (met, body) = bench.json(&path).await;
            let expected = json!({ "status": status, "message": "The route is not offered." });
            assert_eq!((met, body), (status, expected), "{path}");
        }
        assert_eq!(bench.json("/v1/accounts").await.0, 200);
        assert_eq!(bench.json("/financial-data/v2/transactions").await.0, 200);
    }
    bench.send("DELETE", "/_simulator/routes?route=/v1/transactions", "").await;
    assert_eq!(bench.json("/v1/transactions").await.0, 200);
    for wrong in [json!({ "route": "/v3/x" }), json!({ "route": "/v1/accounts", "status": 500 })] {
        let (status, _) = bench.send("POST", "/_simulator/routes", &wrong.to_string()).await;
        assert!(matches!(status, 400 | 404), "{wrong}");
    }
    world.retire("/financial-data/v2/accounts/-/balances", 410).unwrap();
    assert_eq!(bench.json("/financial-data/v2/accounts/-/balances").await.0, 410);
    assert_eq!(bench.json("/financial-data/v2/accounts").await.0, 200);
    world.retire("/payments/*", 404).unwrap();
    assert_eq!(bench.json("/payments/v2/direct-debits").await.0, 404);
    let (_, all) = bench.send("DELETE", "/_simulator/routes", "").await;
    assert!(all.as_object().unwrap().values().all(|status| status == 200), "{all}");
}

#[tokio::test]
async fn a_generation_goes_and_what_the_other_lacks_stays() {
    let lasting = ["/v1beta/third-parties", "/v1/expected-transactions"];
    for (generations, gone) in [(Generations::V1Only, "/v2/"), (Generations::V2Only, "/v1")] {
        let not_offered = vec!["/v1/external-payments".to_owned()];
        let bench = bench(Options { generations, not_offered, ..options(7) }).await;
        for (path, _) in LISTS {
            let off = path.contains(gone) && !lasting.contains(&path);
            let expected = if off || path == "/v1/external-payments" { 404 } else { 200 };
            assert_eq!(bench.json(path).await.0, expected, "{path} with {generations:?}");
        }
    }
    let bench = bench(options(7)).await;
    bench.world().retire_generation(Generation::V1, 410).unwrap();
    assert_eq!(bench.json("/v1/accounts").await.0, 410);
    assert_eq!(bench.world().retire_generation(Generation::V2, 500), Err(EditError::Status));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unknown = Options { not_offered: vec!["/v1/nothing".to_owned()], ..options(7) };
    assert!(Simulator::start(listener, unknown, fixed_clock()).await.is_err());
}

#[tokio::test]
async fn v2_may_lack_a_share_of_the_records() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let all = world.ids(Kind::Transaction);
    let lost: Vec<_> = all.iter().step_by(50).cloned().collect();
    world.hide_in_v2(Kind::Transaction, &lost);
    let list = "/financial-data/v2/transactions";
    let served = ids(&bench.pages(&format!("{list}?limit=90")).await);
    assert_eq!(served.len(), all.len() - lost.len());
    assert!(lost.iter().all(|id| !served.contains(id)));
    assert_eq!(bench.json(&format!("{list}/{}", lost[0])).await.0, 404);
    assert_eq!(bench.json(&format!("/v1/transactions/{}", lost[0])).await.0, 200);
    assert_eq!(ids(&bench.pages("/v1/transactions").await).len(), all.len());
    let body = json!({ "kind": "transactions", "ids": [] }).to_string();
    bench.send("POST", "/_simulator/hidden", &body).await;
    assert_eq!(ids(&bench.pages(list).await).len(), all.len());
}

#[tokio::test]
async fn a_stale_answer_shows_what_was_before() {
    let bench = bench(Options { traps: Traps::none(), ..options(7) }).await;
    let world = bench.world();
    let id = world.ids(Kind::Counterparty).remove(0);
    let before = world.get(Kind::Counterparty, &id).unwrap();
    world.patch(Kind::Counterparty, &id, &json!({ "name": "New" })).unwrap();
    let made = world.create_transaction(None, Some(5)).unwrap();
    let fault = json!({ "fault": "stale", "lag": 10 }).to_string();
    bench.send("POST", "/_simulator/faults", &fault).await;
    let (_, stale) = bench.json(&format!("/v1/counterparties/{id}")).await;
    assert_eq!(stale, before.payload);
    let (_, stale) = bench.json(&format!("/payments/v2/counterparties/{id}")).await;
    assert_eq!(stale["version"], before.version);
    assert_eq!(bench.json(&format!("/v1/transactions/{made}")).await.0, 404);
    assert!(!ids(&bench.pages("/v1/transactions?limit=500").await).contains(&made));
    let log = bench.client.get(format!("{}/_simulator/served", bench.base));
    let log = log.send().await.unwrap().text().await.unwrap();
    let line: Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&line["items"], &line["fault"]), (&json!([[id, before.version]]), &json!("stale")));
    bench.send("DELETE", "/_simulator/faults", "").await;
    let fault = json!({ "fault": "stale", "lag": 1 }).to_string();
    bench.send("POST", "/_simulator/faults", &fault).await;
    let (_, fresh) = bench.json(&format!("/v1/counterparties/{id}")).await;
    assert_eq!(fresh["name"], "New", "that change is further back");
    bench.send("DELETE", "/_simulator/faults", "").await;
    assert_eq!(bench.json(&format!("/v1/transactions/{made}")).await.0, 200);
}

/// What a world shows of each trap.
async fn seen(traps: Traps) -> BTreeSet<&'static str> {
    let bench = bench(Options { traps, direct_debits: 60, ..options(7) }).await;
    let mut seen = BTreeSet::new();
    let mut all = std::collections::BTreeMap::new();
    for (path, kind) in LISTS {
        let pages = bench.pages(&format!("{path}?limit=300")).await;
        let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap().clone());
        let items: Vec<Value> = items.collect();
        all.insert(path, (kind, items));
    }
    let of = |path: &str| all[path].1.as_slice();
    let mut note = |name, is: bool| {
        if is {
            seen.insert(name);
        }
    };
    let decimals = |amount: &Value| {
        let text = amount["stringValue"].as_str().unwrap();
        text.split_once('.').map_or(0, |(_, part)| part.len())
    };
    let (accounts, entries) = (of("/v1/accounts"), of("/v1/transactions"));
    let codes: BTreeSet<_> = accounts.iter().map(|a| a["currency"].as_str().unwrap()).collect();
    note("retired currency", codes.contains("DEM"));
    note("unknown currency", codes.contains("USDC"));
    note("no decimals", codes.contains("JPY"));
    let mut scales = BTreeSet::new();
    for entry in entries {
        let currency = entry["amount"]["currency"].as_str().unwrap();
        scales.insert((currency, decimals(&entry["amount"])));
    }
    let currencies: BTreeSet<_> = scales.iter().map(|(currency, _)| currency).collect();
    note("odd decimals", scales.len() > currencies.len());
    let rate = "/characteristics/currencyExchange/exchangeRate";
    note("exchange", entries.iter().any(|e| e.pointer(rate).is_some_and(Value::is_string)));
    note("no updated", entries.iter().all(|entry| entry.get("updated").is_none()));
    note("no version", of("/v1/external-accounts").iter().all(|a| a.get("version").is_none()));
    note("nanoseconds", entries.iter().any(|e| e["created"].as_str().unwrap().len() > 24));
    note("milliseconds", entries.iter().any(|e| e["created"].as_str().unwrap().len() == 24));
    let days =
        |one: &Value| one["localDate"].as_str() != one["timestamp"].as_str().map(|at| &at[..10]);
    note("local days", of("/financial-data/v2/accounts/-/balances").iter().any(days));
    note("pending", !of("/financial-data/v2/pending-transactions").is_empty());
    let name_of = |id: &Value| &accounts.iter().find(|a| a["id"] == *id).unwrap()["name"];
    let frozen = |e: &Value| e["account"]["name"] != *name_of(&e["account"]["id"]);
    note("frozen", entries.iter().any(frozen));
    let debits = of("/payments/v2/direct-debits");
    note("reconciled in v2", debits.iter().any(|one| one["status"] == "RECONCILED"));
    let without = |party: &Value| party.get("accounts").is_none();
    note("accounts left out", of("/payments/v2/counterparties").iter().any(without));
    let to_end = "/references/endToEndId";
    let v2 = of("/financial-data/v2/transactions");
    note("more in v2", v2.iter().any(|entry| entry.pointer(to_end).is_some()));
    note("bare 404", bench.json("/v1/accounts/nobody").await.1.is_string());
    note("coerced", bench.json("/v1/accounts?limit=900").await.0 == 200);
    let ascending = |one: &Value| one["date"].as_str().unwrap().to_owned();
    note("unordered", !v2.iter().map(ascending).is_sorted_by(|one, next| one >= next));
    seen
}

#[tokio::test]
async fn each_trap_can_be_met_and_can_be_switched_off() {
    let always = BTreeSet::from(["milliseconds"]);
    let tidy = BTreeSet::from(["reconciled in v2"]);
    let off = seen(Traps::none()).await;
    assert_eq!(off, &always | &tidy);
    let on = seen(Traps::all()).await;
    let expected = [
        "accounts left out",
        "bare 404",
        "coerced",
        "exchange",
        "frozen",
        "local days",
        "milliseconds",
        "more in v2",
        "nanoseconds",
        "no decimals",
        "no updated",
        "no version",
        "odd decimals",
        "pending",
        "retired currency",
        "unknown currency",
        "unordered",
    ];
    assert_eq!(on, BTreeSet::from(expected));
}

#[tokio::test]
async fn amounts_at_the_edges_are_an_option() {
    for extreme_amounts in [false, true] {
        let bench = bench(Options { extreme_amounts, ..options(7) }).await;
        let pages = bench.pages("/financial-data/v2/transactions?limit=500").await;
        let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap());
        let values: BTreeSet<_> =
            items.map(|item| item["amount"]["value"].as_i64().unwrap()).collect();
        for edge in [i64::MAX, i64::MIN, (1 << 53) + 1] {
            assert_eq!(values.contains(&edge), extreme_amounts, "{edge}");
        }
        bench.world().create_transaction(None, Some(i64::MIN)).unwrap();
        bench.world().create_transaction(None, Some(i64::MIN)).unwrap();
    }
}
