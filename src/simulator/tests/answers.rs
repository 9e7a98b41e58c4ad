//! What single answers look like: credentials, errors, payloads, and one world per seed.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::*;

fn signed(path: &str, query: &str, timestamp: &str, secret: &str) -> String {
    let body = hex::encode(Sha256::digest(b""));
    let message = format!("GET\n{path}\n{query}\n{timestamp}\n{body}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!("HMAC-SHA256 credential={KEY},signature={signature}")
}

async fn status_with(bench: &Bench, target: &str, authorization: &str, timestamp: &str) -> u16 {
    let request = bench.client.get(format!("{}{target}", bench.base));
    let request = request.header("authorization", authorization);
    let answer = request.header("atlar-request-timestamp", timestamp).send().await.unwrap();
    answer.status().as_u16()
}

const AT: &str = "2026-02-03T09:15:27.104Z";

#[tokio::test]
async fn a_signed_request_is_accepted_and_any_change_of_it_refused() {
    let bench = bench(options(7)).await;
    let query = "limit=25&token=";
    let good = signed("/v1/accounts", query, AT, SECRET);
    let target = format!("/v1/accounts?{query}");
    assert_eq!(status_with(&bench, &target, &good, AT).await, 200);
    assert_eq!(status_with(&bench, "/v1/accounts?limit=26&token=", &good, AT).await, 401);
    assert_eq!(status_with(&bench, "/v1/accounts?token=&limit=25", &good, AT).await, 401);
    assert_eq!(status_with(&bench, &format!("/v1/counterparties?{query}"), &good, AT).await, 401);
    assert_eq!(status_with(&bench, &target, &good, "2026-02-03T09:15:27.105Z").await, 401);
    assert_eq!(status_with(&bench, &target, &good.to_uppercase(), AT).await, 401);
    let wrong = signed("/v1/accounts", query, AT, "another");
    assert_eq!(status_with(&bench, &target, &wrong, AT).await, 401);
    for (timestamp, expected) in [
        ("2026-02-03T09:10:27.104Z", 200),
        ("2026-02-03T09:10:27.103Z", 401),
        ("2026-02-03T09:20:27.104Z", 200),
        ("2026-02-03T09:20:27.105Z", 401),
        ("yesterday", 401),
    ] {
        let signed = signed("/v1/accounts", query, timestamp, SECRET);
        assert_eq!(status_with(&bench, &target, &signed, timestamp).await, expected, "{timestamp}");
    }
}

#[tokio::test]
async fn refusals_have_the_documented_body_and_a_request_id() {
    let bench = bench(options(7)).await;
    let url = format!("{}/v1/accounts", bench.base);
    for request in [
        bench.client.get(&url),
        bench.client.get(&url).basic_auth(KEY, Some("wrong")),
        bench.client.get(&url).basic_auth("wrong", Some(SECRET)),
        bench.client.get(&url).bearer_auth("abc"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers().contains_key("request-id"));
        assert_eq!(answer.headers()["content-type"], "application/json");
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body, serde_json::json!({ "status": 401, "message": UNAUTHORIZED }));
    }
}

#[tokio::test]
async fn schemes_can_be_restricted() {
    let basic_only = bench(Options { schemes: Schemes::BasicOnly, ..options(7) }).await;
    let good = signed("/v1/accounts", "", AT, SECRET);
    assert_eq!(status_with(&basic_only, "/v1/accounts", &good, AT).await, 401);
    assert_eq!(basic_only.json("/v1/accounts").await.0, 200);
    let hmac_only = bench(Options { schemes: Schemes::HmacOnly, ..options(7) }).await;
    assert_eq!(status_with(&hmac_only, "/v1/accounts", &good, AT).await, 200);
    assert_eq!(hmac_only.json("/v1/accounts").await.0, 401);
}

#[tokio::test]
async fn records_by_id_and_errors_are_typed_as_v1_types_them() {
    let bench = bench(options(7)).await;
    let world = bench.world();
    let id = world.ids(Kind::Transaction).remove(3);
    let (status, found) = bench.json(&format!("/v1/transactions/{id}")).await;
    assert_eq!((status, &found["id"]), (200, &id.as_str().into()));
    assert_eq!(bench.json("/v1/transactions/nobody").await, (404, "not found".into()));
    world.delete(Kind::Transaction, &id, Gone::Deleted).unwrap();
    let (status, body) = bench.json(&format!("/v1/transactions/{id}")).await;
    assert_eq!((status, &body["status"]), (410, &410.into()));
    world.restore(Kind::Transaction, &id).unwrap();
    world.delete(Kind::Transaction, &id, Gone::NotFound).unwrap();
    assert_eq!(bench.json(&format!("/v1/transactions/{id}")).await, (404, "not found".into()));
    assert!(!ids(&bench.pages("/v1/transactions?limit=500").await).contains(&id));
    let (status, body) = bench.json("/v1/nothing").await;
    assert_eq!((status, &body["status"]), (404, &404.into()));
    let url = format!("{}/v1/accounts", bench.base);
    let posted = bench.client.post(url).basic_auth(KEY, Some(SECRET)).send().await.unwrap();
    assert_eq!(posted.status(), 405);
}

#[tokio::test]
async fn payloads_show_every_currency_identifier_and_way_to_say_nothing() {
    let bench = bench(options(7)).await;
    let accounts = bench.pages("/v1/accounts").await;
    let accounts: Vec<_> =
        accounts.iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    let currencies: BTreeSet<_> =
        accounts.iter().map(|a| a["currency"].as_str().unwrap()).collect();
    for currency in ["EUR", "SEK", "USD", "GBP", "JPY", "KWD", "BHD", "CLF", "UYW", "USDC"] {
        assert!(currencies.contains(currency), "{currency}");
    }
    let numbers = accounts.iter().flat_map(|a| a["identifiers"].as_array().unwrap());
    let kinds: BTreeSet<_> = numbers.map(|number| number["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["ACCOUNT_NUMBER", "BBAN", "IBAN", "SE_BG", "SE_PG"]));
    let twice = |account: &&&Value| {
        let numbers = account["identifiers"].as_array().unwrap();
        numbers.iter().filter(|number| number["type"] == numbers[0]["type"]).count() > 1
    };
    assert!(accounts.iter().filter(twice).count() > 0, "two identifiers of one kind");
    assert!(accounts.iter().any(|account| account.get("balance").is_none()));
    assert!(accounts.iter().any(|account| account["bank"]["name"] == ""));
    assert!(accounts.iter().all(|account| account.get("fictive") != Some(&false.into())));

    let entries = bench.pages("/v1/transactions?limit=500").await;
    let entries: Vec<_> =
        entries.iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    let has = |path: &str| entries.iter().any(|e| e.pointer(path).is_some_and(|v| !v.is_null()));
    for path in [
        "/characteristics/returnReason/code",
        "/characteristics/currencyExchange/exchangeRate",
        "/characteristics/virtualAccount/rawIdentifier",
        "/characteristics/bankTransactionCode/proprietary/code",
        "/counterpartyDetails/mandateReference",
        "/reconciliation/transactableId",
    ] {
        assert!(has(path), "{path}");
    }
    assert!(entries.iter().all(|entry| entry.get("updated").is_none()));
    let exchange = |entry: &&Value| entry["characteristics"].get("currencyExchange").cloned();
    let nothings: BTreeSet<_> = entries
        .iter()
        .map(exchange)
        .map(|how| how.map_or("missing".to_owned(), |how| how.to_string()))
        .filter(|how| how.len() < 8)
        .collect();
    assert_eq!(nothings, BTreeSet::from(["missing".into(), "null".into(), "{}".into()]));

    let own: BTreeSet<_> =
        accounts.iter().map(|a| a["identifiers"][0]["number"].as_str()).collect();
    let other = |entry: &Value| {
        let account = entry.pointer("/counterpartyDetails/externalAccount/identifier/number");
        account.and_then(Value::as_str).map(str::to_owned)
    };
    let transfers = entries.iter().filter(|entry| own.contains(&other(entry).as_deref()));
    let sides: Vec<_> = transfers.filter(|entry| other(entry).is_some()).collect();
    assert!(sides.len() > 20, "{} transfer entries", sides.len());
    assert!(sides.iter().any(|entry| entry["amount"]["value"].as_i64() > Some(0)));
    assert!(sides.iter().any(|entry| entry["amount"]["value"].as_i64() < Some(0)));
}

#[tokio::test]
async fn one_seed_is_one_world() {
    let everything = async |seed| {
        let bench = bench(options(seed)).await;
        bench.world().live(200);
        let mut bytes = String::new();
        for path in ["/v1/accounts", "/v1/transactions?limit=500", "/v1/counterparties"] {
            bytes += &bench.get(path).await.text().await.unwrap();
        }
        let url = format!("{}/_simulator/truth", bench.base);
        bytes += &bench.client.get(url).send().await.unwrap().text().await.unwrap();
        (bytes, bench.world().ids(Kind::Transaction))
    };
    let (one, same, other) = (everything(7).await, everything(7).await, everything(8).await);
    assert!(one == same, "the same seed gave other bytes");
    assert!(one.1.iter().all(|id| !other.1.contains(id)), "another seed gave the same records");
}

#[tokio::test]
async fn a_lively_bank_tells_what_happens_and_stops() {
    let bench = bench(Options { rate_per_second: 500.0, ..options(7) }).await;
    let mut events = bench.simulator.subscribe();
    let mut kinds = BTreeSet::new();
    while kinds.len() < 4 {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
        let event = event.unwrap().unwrap();
        assert!(!event.text.is_empty());
        kinds.insert(event.kind);
    }
    let world = bench.world();
    bench.simulator.stop().await;
    let revision = world.revision();
    tokio::task::yield_now().await;
    assert_eq!(world.revision(), revision, "life goes on after stop");
    assert!(bench.client.get(&bench.base).send().await.is_err(), "still listening");
}

#[tokio::test]
async fn impossible_rates_are_refused() {
    for rate in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options { rate_per_second: rate, ..options(7) };
        assert!(Simulator::start(listener, options, fixed_clock()).await.is_err(), "{rate}");
    }
}
