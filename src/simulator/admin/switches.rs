//! What an operator switches: faults, lists, tokens, and what v2 hides.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::Response;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, bad, good, kind_of};
use crate::simulator::fault::Fault;
use crate::simulator::world::World;
use crate::simulator::{Shared, locked};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/routes", get(offered).post(retire).delete(bring_back))
        .route("/tokens", delete(expire_tokens))
        .route("/hidden", post(hide))
}

async fn faults(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let listed = locked(&shared.faults).list();
    let listed: Vec<_> =
        listed.into_iter().map(|(fault, done)| json!({ "rule": fault, "struck": done })).collect();
    good(&Value::Array(listed))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Value>),
    One(Value),
}

async fn add_faults(State(shared): State<Arc<Shared>>, Json(given): Json<OneOrMany>) -> Answered {
    let given = match given {
        OneOrMany::Many(many) => many,
        OneOrMany::One(one) => vec![one],
    };
    let read: Result<Vec<Fault>, _> = given.into_iter().map(serde_json::from_value).collect();
    let faults = read.map_err(bad)?;
    if faults.iter().any(|fault| !(0.0..=1.0).contains(&fault.chance)) {
        return Err(bad("chance must be from 0 to 1"));
    }
    let added = faults.len();
    locked(&shared.faults).add(faults);
    Ok(good(&json!({ "added": added })))
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> Response<Body> {
    locked(&shared.faults).clear();
    good(&json!({}))
}

/// Lists that are switched off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retired {
    route: String,
    #[serde(default = "not_found")]
    status: u16,
}

fn not_found() -> u16 {
    404
}

/// Every list and what it answers; 200 where it is offered.
async fn offered(State(shared): State<Arc<Shared>>) -> Response<Body> {
    good(&json!(locked(&shared.offered).all()))
}

async fn retire(State(shared): State<Arc<Shared>>, Json(given): Json<Retired>) -> Answered {
    World(shared.clone()).retire(&given.route, given.status)?;
    Ok(offered(State(shared)).await)
}

#[derive(Deserialize)]
struct BackQuery {
    route: Option<String>,
}

async fn bring_back(State(shared): State<Arc<Shared>>, Query(query): Query<BackQuery>) -> Answered {
    World(shared.clone()).bring_back(query.route.as_deref().unwrap_or("/*"))?;
    Ok(offered(State(shared)).await)
}

async fn expire_tokens(State(shared): State<Arc<Shared>>) -> Response<Body> {
    World(shared).expire_tokens();
    good(&json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hidden {
    kind: String,
    /// None: all are shown again.
    ids: Vec<String>,
}

async fn hide(State(shared): State<Arc<Shared>>, Json(given): Json<Hidden>) -> Answered {
    let (world, kind) = (World(shared), kind_of(&given.kind)?);
    if given.ids.is_empty() {
        world.show_in_v2(kind);
    } else {
        world.hide_in_v2(kind, &given.ids);
    }
    Ok(good(&json!({ "hidden": given.ids.len() })))
}
