//! Faults of Atlar and of the way to it.

use serde_json::{Value, json};

use super::place::{Place, bank};

/// A fault of the list of accounts.
fn accounts(fault: &str) -> Value {
    json!({ "route": "/v1/accounts", "fault": fault })
}

fn everywhere(fault: &str) -> Value {
    json!({ "fault": fault })
}

/// The fault is there when the process starts, and goes.
async fn at_start(place: Place, rule: Value) {
    place.set_up().await;
    place.spoil(&rule).await;
    let mut running = place.run();
    place.tells(&mut running).await;
    place.mend().await;
    place.finish(running).await;
}

/// The fault comes when everything was published, while the bank lives on, and goes.
async fn later(mut place: Place, rule: Value) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.spoil(&rule).await;
    place.edit();
    place.tells(&mut running).await;
    place.mend().await;
    place.finish(running).await;
}

/// The command ends as the cell says, and once more without the fault.
async fn once(place: Place, rule: Value) {
    place.set_up().await;
    place.spoil(&rule).await;
    place.ends(place.once()).await;
    place.mend().await;
    place.run_once().await;
    place.check().await;
}

pub async fn refused_start(place: Place) {
    place.set_up().await;
    place.spoil(&everywhere("401")).await;
    place.ends(place.run()).await;
    place.check_nothing().await;
}

/// Nothing is forgotten while the credentials are refused, and a probe sees it.
async fn refused_later_on(mut place: Place, rule: Value) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    assert_eq!(place.readiness(&mut running).await.0, 200);
    place.spoil(&rule).await;
    place.edit();
    place.tells(&mut running).await;
    let (status, text) = place.readiness(&mut running).await;
    assert_eq!((status, text.contains("credentials were refused")), (503, true), "{text}");
    place.mend().await;
    place.complete(&mut running).await;
    assert_eq!(place.readiness(&mut running).await.0, 200);
    place.finish(running).await;
}

pub async fn refused_later(place: Place) {
    refused_later_on(place, everywhere("401")).await;
}

pub async fn refused_once(place: Place) {
    once(place, everywhere("401")).await;
}

pub async fn forbidden_start(place: Place) {
    at_start(place, accounts("403")).await;
}

pub async fn forbidden_later(place: Place) {
    refused_later_on(place, accounts("403")).await;
}

pub async fn forbidden_once(place: Place) {
    once(place, accounts("403")).await;
}

pub async fn no_connection_start(mut place: Place) {
    place.set_up().await;
    place.door.close().await;
    let mut running = place.run();
    place.tells(&mut running).await;
    place.door.open();
    place.finish(running).await;
}

pub async fn no_connection_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.door.close().await;
    place.edit();
    place.tells(&mut running).await;
    place.door.open();
    place.finish(running).await;
}

pub async fn no_connection_once(mut place: Place) {
    place.set_up().await;
    place.door.close().await;
    place.ends(place.once()).await;
    place.door.open();
    place.run_once().await;
    place.check().await;
}

pub async fn web_page_start(place: Place) {
    at_start(place, everywhere("html")).await;
}

pub async fn web_page_later(place: Place) {
    later(place, everywhere("html")).await;
}

pub async fn web_page_once(place: Place) {
    once(place, everywhere("html")).await;
}

/// In neither generation of the API.
fn no_counterparties() -> Value {
    let fault = |route: &str| json!({ "route": route, "fault": "404" });
    json!([fault("/v1/counterparties"), fault("/payments/v2/counterparties")])
}

/// A list that is not offered is asked for again after a day, or a restart.
pub async fn not_offered_start(place: Place) {
    place.set_up().await;
    place.spoil(&no_counterparties()).await;
    let mut running = place.run();
    place.tells(&mut running).await;
    place.mend().await;
    place.stop(running).await;
    place.finish(place.run()).await;
}

pub async fn not_offered_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.spoil(&no_counterparties()).await;
    place.edit();
    place.tells(&mut running).await;
    place.mend().await;
    place.stop(running).await;
    place.finish(place.run()).await;
}

pub async fn not_offered_once(place: Place) {
    once(place, no_counterparties()).await;
}

pub async fn nothing_offered_start(place: Place) {
    place.set_up().await;
    place.spoil(&everywhere("404")).await;
    let mut running = place.run();
    place.tells(&mut running).await;
    // First: a list that it has not asked for yet would be read without those that it joins.
    place.stop(running).await;
    place.mend().await;
    place.finish(place.run()).await;
}

pub async fn nothing_offered_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.spoil(&everywhere("404")).await;
    place.edit();
    place.tells(&mut running).await;
    place.mend().await;
    place.stop(running).await;
    place.finish(place.run()).await;
}

pub async fn nothing_offered_once(place: Place) {
    once(place, everywhere("404")).await;
}

pub async fn truncated_start(place: Place) {
    at_start(place, accounts("truncate")).await;
}

pub async fn truncated_later(place: Place) {
    later(place, accounts("truncate")).await;
}

pub async fn truncated_once(place: Place) {
    once(place, accounts("truncate")).await;
}

pub async fn cut_start(place: Place) {
    at_start(place, accounts("cut")).await;
}

pub async fn cut_later(place: Place) {
    later(place, accounts("cut")).await;
}

pub async fn cut_once(place: Place) {
    once(place, accounts("cut")).await;
}

fn slow() -> Value {
    json!({ "route": "/v1/accounts", "fault": "slow", "slowMs": 60_000 })
}

pub async fn slow_start(place: Place) {
    at_start(place, slow()).await;
}

pub async fn slow_later(place: Place) {
    later(place, slow()).await;
}

pub async fn slow_once(place: Place) {
    once(place, slow()).await;
}

pub async fn shape_start(place: Place) {
    at_start(place, accounts("items-missing")).await;
}

pub async fn shape_later(place: Place) {
    later(place, accounts("items-missing")).await;
}

pub async fn shape_once(place: Place) {
    once(place, accounts("items-missing")).await;
}

fn repeated() -> Value {
    json!({ "route": "/v1/counterparties", "fault": "repeat-token" })
}

pub async fn repeated_token_start(place: Place) {
    at_start(place, repeated()).await;
}

pub async fn repeated_token_later(place: Place) {
    later(place, repeated()).await;
}

pub async fn repeated_token_once(place: Place) {
    once(place, repeated()).await;
}

/// Asked to wait, it waits for so long and no longer.
fn too_many() -> Value {
    json!({ "route": "/v1/accounts", "fault": "429", "retryAfter": "2", "times": 1 })
}

pub async fn too_many_start(place: Place) {
    at_start(place, too_many()).await;
}

pub async fn too_many_later(place: Place) {
    later(place, too_many()).await;
}

pub async fn too_many_once(place: Place) {
    once(place, too_many()).await;
}

pub async fn server_error_start(place: Place) {
    at_start(place, accounts("500")).await;
}

pub async fn server_error_later(place: Place) {
    later(place, accounts("500")).await;
}

pub async fn server_error_once(place: Place) {
    once(place, accounts("500")).await;
}

/// The same host, the topics of one company, the credentials of another.
async fn replace_bank(place: &mut Place) {
    let other =
        bank("127.0.0.1:0".parse().unwrap(), Some("00000000-aaaa-4aaa-8aaa-000000000000")).await;
    place.door.lead_to(other.addr()).await;
    std::mem::replace(&mut place.bank, other).stop().await;
}

/// What was published of the first company stays all there is.
async fn organization(mut place: Place, once: bool) {
    place.set_up().await;
    place.run_once().await;
    let first = place.truth();
    replace_bank(&mut place).await;
    place.ends(if once { place.once() } else { place.run() }).await;
    place.check_against(&first).await;
}

pub async fn organization_start(place: Place) {
    organization(place, false).await;
}

pub async fn organization_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    let first = place.truth();
    replace_bank(&mut place).await;
    place.ends(running).await;
    place.check_against(&first).await;
}

pub async fn organization_once(place: Place) {
    organization(place, true).await;
}
