//! Bearer tokens: how one gets them, what they open, and when they die.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;

use super::*;

const TOKEN: &str = "/iam/v2/oauth2/token";
const GRANT: &str = "grant_type=client_credentials";
/// The secret, form encoded.
const SECRET_ENCODED: &str = "s3cret-%C3%85";

impl Bench {
    async fn form(&self, body: &str, basic: Option<(&str, &str)>) -> (u16, Value) {
        let request = self.client.post(format!("{}{TOKEN}", self.base));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = match basic {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn with_token(&self, path: &str, token: &str) -> u16 {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_token_is_given_for_either_form_of_the_credentials_and_opens_every_route() {
    let bench = bench(Options { schemes: Schemes::OAuthOnly, ..options(7) }).await;
    let in_form = format!("{GRANT}&client_id={KEY}&client_secret={SECRET_ENCODED}");
    for (body, basic) in [
        (GRANT, Some((KEY, SECRET))),
        (GRANT, Some((KEY, SECRET_ENCODED))),
        (in_form.as_str(), None),
    ] {
        let (status, given) = bench.form(body, basic).await;
        let token = given["access_token"].as_str().unwrap();
        let expected = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 });
        assert_eq!((status, &given), (200, &expected));
        for (path, _) in LISTS {
            assert_eq!(bench.with_token(path, token).await, 200, "{path}");
        }
        assert_eq!(bench.with_token("/v1/accounts", &token[1..]).await, 401);
    }
    assert_eq!(bench.json("/v1/accounts").await.0, 401, "no other scheme");
    let older = format!("{}/iam/v2beta/oauth2/token", bench.base);
    let answer = bench.client.post(older).basic_auth(KEY, Some(SECRET));
    let answer = answer.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn refusals_have_the_error_of_the_standard() {
    let bench = bench(options(7)).await;
    let wrong = format!("{GRANT}&client_id={KEY}&client_secret=wrong");
    for (body, basic, status, error) in [
        ("", Some((KEY, SECRET)), 400, "invalid_request"),
        ("grant_type=password", Some((KEY, SECRET)), 400, "unsupported_grant_type"),
        (GRANT, None, 401, "invalid_client"),
        (GRANT, Some((KEY, "wrong")), 401, "invalid_client"),
        (GRANT, Some(("wrong", SECRET)), 401, "invalid_client"),
        (wrong.as_str(), None, 401, "invalid_client"),
        (wrong.as_str(), Some((KEY, SECRET)), 400, "invalid_request"),
        ("grant_type=a&grant_type=b", Some((KEY, SECRET)), 400, "invalid_request"),
    ] {
        let (met, answer) = bench.form(body, basic).await;
        assert_eq!((met, &answer["error"]), (status, &json!(error)), "{body} {answer}");
        assert!(answer["error_description"].is_string());
        assert!(answer.get("access_token").is_none());
    }
    let url = format!("{}{TOKEN}", bench.base);
    let as_json = bench.client.post(&url).basic_auth(KEY, Some(SECRET)).json(&json!({}));
    let answer = as_json.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("invalid_request"), "not a form");
    assert_eq!(bench.get(TOKEN).await.status(), 405);
    let basic_only = super::bench(Options { schemes: Schemes::BasicOnly, ..options(7) }).await;
    let (status, answer) = basic_only.form(GRANT, Some((KEY, SECRET))).await;
    assert_eq!((status, &answer["error"]), (401, &json!("unauthorized_client")));
    let fault = json!({ "route": TOKEN, "fault": 401, "times": 1 }).to_string();
    bench.send("POST", "/_simulator/faults", &fault).await;
    let (status, answer) = bench.form(GRANT, Some((KEY, SECRET))).await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    assert_eq!(bench.form(GRANT, Some((KEY, SECRET))).await.0, 200);
}

#[tokio::test]
async fn a_token_dies_at_the_end_of_its_life_or_when_all_are_revoked() {
    for (mortal, after) in [(true, 401), (false, 200)] {
        let now_ms = Arc::new(AtomicI64::new(NOW_MS));
        let clock = now_ms.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let traps = Traps { token_expiry: mortal, ..Traps::all() };
        let options = Options { token_life_ms: 1500, traps, ..options(7) };
        let clock = Clock::from_fn(move || clock.load(Ordering::Relaxed));
        let simulator = Simulator::start(listener, options, clock).await.unwrap();
        let other = bench(super::options(7)).await;
        let base = format!("http://{}", simulator.addr());
        let bench = Bench { base, simulator, client: other.client };
        let (_, given) = bench.form(GRANT, Some((KEY, SECRET))).await;
        assert_eq!(given["expires_in"], 1);
        let token = given["access_token"].as_str().unwrap();
        now_ms.store(NOW_MS + 1499, Ordering::Relaxed);
        assert_eq!(bench.with_token("/v1/accounts", token).await, 200);
        now_ms.store(NOW_MS + 1500, Ordering::Relaxed);
        assert_eq!(bench.with_token("/v1/accounts", token).await, after);
        let (_, given) = bench.form(GRANT, Some((KEY, SECRET))).await;
        let token = given["access_token"].as_str().unwrap();
        assert_eq!(bench.with_token("/v1/accounts", token).await, 200);
        bench.world().expire_tokens();
        assert_eq!(bench.with_token("/v1/accounts", token).await, 401);
    }
}

#[tokio::test]
async fn the_log_knows_token_requests_and_no_secret() {
    let bench = bench(options(7)).await;
    let in_form = format!("{GRANT}&client_id={KEY}&client_secret={SECRET_ENCODED}");
    let (_, given) = bench.form(&in_form, None).await;
    let token = given["access_token"].as_str().unwrap().to_owned();
    let url = format!("{}{TOKEN}?client_secret={SECRET_ENCODED}", bench.base);
    bench.client.post(url).send().await.unwrap();
    bench.with_token("/v1/accounts", &token).await;
    bench.with_token("/v1/accounts", "dead").await;
    let (_, counts) = bench.send("GET", "/_simulator/requests", "").await;
    assert_eq!(counts[TOKEN], json!({ "200": 1, "400": 1 }));
    let url = format!("{}/_simulator/served", bench.base);
    let log = bench.client.get(&url).send().await.unwrap().text().await.unwrap();
    for secret in [SECRET, SECRET_ENCODED, &token, "dead"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
    let auths: Vec<_> = log
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["auth"].as_str().map(str::to_owned)
        })
        .collect();
    let expected = ["client credentials", "invalid_request", "bearer", "unknown or expired token"];
    assert_eq!(auths, expected);
}
