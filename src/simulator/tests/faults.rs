//! Each fault as a client meets it.

use serde_json::json;

use super::*;

async fn with_fault(fault: Value) -> Bench {
    let bench = bench(Options { traps: Traps::none(), ..options(7) }).await;
    let (status, body) = bench.send("POST", "/_simulator/faults", &fault.to_string()).await;
    assert_eq!(status, 200, "{body}");
    bench
}

#[tokio::test]
async fn status_faults_strike_their_route_so_many_times() {
    for status in [400, 401, 403, 404, 405, 410, 425, 429, 500, 503] {
        let fault = json!({ "route": "/v1/accounts", "fault": status, "times": 1 });
        let bench = with_fault(fault).await;
        assert_eq!(bench.json("/v1/counterparties").await.0, 200);
        let (met, body) = bench.json("/v1/accounts").await;
        assert_eq!((met, &body["status"]), (status, &status.into()));
        assert_eq!(bench.json("/v1/accounts").await.0, 200, "once only");
    }
}

#[tokio::test]
async fn retry_after_is_sent_as_given_or_not_at_all() {
    for given in [None, Some("3"), Some("Wed, 04 Feb 2026 09:15:27 GMT")] {
        let mut fault = json!({ "fault": "429" });
        if let Some(given) = given {
            fault["retryAfter"] = given.into();
        }
        let bench = with_fault(fault).await;
        let answer = bench.get("/v1/accounts").await;
        let header = answer.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), header), (429, given));
    }
}

#[tokio::test]
async fn spoiled_bodies() {
    let bench = with_fault(json!([
        { "fault": "html", "times": 1 },
        { "fault": "truncate", "times": 1 },
        { "fault": "items-missing", "times": 1 },
        { "fault": "items-not-list", "times": 1 },
        { "fault": "slow", "slowMs": 80, "times": 1 },
    ]))
    .await;
    let html = bench.get("/v1/accounts").await;
    assert_eq!(html.status(), 200);
    assert!(html.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let truncated = bench.get("/v1/accounts").await.text().await.unwrap();
    assert!(truncated.starts_with("{\"items\":["));
    assert!(serde_json::from_str::<Value>(&truncated).is_err());
    assert!(bench.json("/v1/accounts").await.1.get("items").is_none());
    assert!(bench.json("/v1/accounts").await.1["items"].is_object());
    let began = std::time::Instant::now();
    assert_eq!(ids(&[bench.json("/v1/accounts").await.1]).len(), 20);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_cut_connection_is_an_error_not_a_short_answer() {
    let bench = with_fault(json!({ "fault": "cut", "times": 1 })).await;
    let url = format!("{}/v1/accounts", bench.base);
    let request = bench.client.get(url).basic_auth(KEY, Some(SECRET));
    let body = match request.send().await {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    assert!(body.is_err());
    assert_eq!(bench.json("/v1/accounts").await.0, 200);
    let (_, listed) = bench.send("GET", "/_simulator/faults", "").await;
    assert_eq!((&listed[0]["rule"]["fault"], &listed[0]["struck"]), (&json!("cut"), &json!(1)));
}

#[tokio::test]
async fn a_repeated_token_leads_in_a_circle() {
    let bench = with_fault(json!({ "fault": "repeat-token" })).await;
    let (_, first) = bench.json("/v1/transactions?limit=5").await;
    let token = encoded(first["nextToken"].as_str().unwrap());
    let again = format!("/v1/transactions?limit=5&token={token}");
    let (_, second) = bench.json(&again).await;
    assert_eq!(second["nextToken"], first["nextToken"]);
    assert_eq!(second["items"], first["items"]);
    bench.send("DELETE", "/_simulator/faults", "").await;
    let (_, third) = bench.json(&again).await;
    assert_ne!(third["nextToken"], first["nextToken"], "the circle ends with the fault");
}

#[tokio::test]
async fn a_duplicate_page_is_served_once_more_and_the_walk_goes_on() {
    let bench = with_fault(json!({ "fault": "duplicate-page", "times": 1, "after": 1 })).await;
    let pages = bench.pages("/v1/transactions?limit=300").await;
    assert_eq!(pages.len(), 5, "one more than without");
    assert_eq!(pages[1]["items"], pages[2]["items"]);
    assert_ne!(pages[1]["nextToken"], pages[2]["nextToken"]);
    let served = ids(&pages);
    assert_eq!(served.len(), 1300);
}

#[tokio::test]
async fn faults_of_the_options_are_in_force_and_wrong_ones_are_refused() {
    let faults = "500=100%".parse().unwrap();
    let bench = bench(Options { faults, ..options(7) }).await;
    assert_eq!(bench.json("/v1/accounts").await.0, 500);
    for wrong in [
        json!({ "fault": "418" }),
        json!({ "fault": "cut", "chance": 2 }),
        json!({ "fault": "cut", "rout": "/v1/accounts" }),
        json!({}),
    ] {
        let (status, body) = bench.send("POST", "/_simulator/faults", &wrong.to_string()).await;
        assert_eq!(status, 400, "{wrong} {body}");
    }
}
