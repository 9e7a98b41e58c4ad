//! The simulator's own routes under `/_simulator`; the parent's documentation lists them.

mod switches;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::record::{Gone, Kind};
use super::world::World;
use super::{EditError, Shared, locked, read, v2};

/// So many lines of the served log are copied at a time.
const LINES_AT_ONCE: usize = 500;
/// Long answers are sent in pieces of about this size.
const CHUNK_BYTES: usize = 64 * 1024;

type Answered = Result<Response<Body>, Refused>;

/// A request of the operator that cannot be done.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let mut response = good(&json!({ "status": self.0.as_u16(), "message": self.1 }));
        *response.status_mut() = self.0;
        response
    }
}

impl From<EditError> for Refused {
    fn from(error: EditError) -> Refused {
        let status = match error {
            EditError::Unknown(..) => StatusCode::NOT_FOUND,
            EditError::Deleted(..) => StatusCode::GONE,
            EditError::NotAnObject(_)
            | EditError::NoAccount
            | EditError::NotJson
            | EditError::Status
            | EditError::IdChanged => StatusCode::BAD_REQUEST,
        };
        Refused(status, error.to_string())
    }
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    switches::routes()
        .route("/truth", get(truth))
        .route("/served", get(served))
        .route("/requests", get(requests))
        .route("/live", post(live))
        .route("/transactions", post(create_transaction))
        .route("/pending-transactions", post(create_pending_transaction))
        .route("/direct-debits", post(create_direct_debit))
        .route("/external-payments", post(create_external_payment))
        .route("/{kind}/{id}", get(show).patch(patch).put(put).delete(remove).post(act))
}

#[derive(Deserialize)]
struct TruthQuery {
    kind: Option<String>,
    #[serde(default = "yes")]
    payload: bool,
    generation: Option<String>,
}

fn yes() -> bool {
    true
}

/// One moment of the world. Records are shared, not copied, so that it is cheap to hold the lock.
async fn truth(State(shared): State<Arc<Shared>>, Query(query): Query<TruthQuery>) -> Answered {
    let only = query.kind.as_deref().map(kind_of).transpose()?;
    let in_v2 = match query.generation.as_deref() {
        None | Some("v1") => false,
        Some("v2") => true,
        Some(_) => return Err(bad("generation must be v1 or v2")),
    };
    let bank = read(&shared.bank);
    let head = json!({
        "organization_id": bank.settings.organization_id,
        "revision": bank.revision,
        "at_ms": shared.clock.now_ms(),
    });
    let head = head.to_string();
    let mut pieces = vec![Piece::Text(format!("{},\"entities\":{{", head.trim_end_matches('}')))];
    let mut first_kind = true;
    for kind in Kind::ALL.into_iter().filter(|kind| only.is_none_or(|only| only == *kind)) {
        let comma = if first_kind { "" } else { "," };
        first_kind = false;
        pieces.push(Piece::Text(format!("{comma}\"{}\":{{", kind.slug())));
        for (index, record) in bank.table(kind).rows().iter().enumerate() {
            pieces.push(Piece::Record {
                first: index == 0,
                id: record.id.clone(),
                version: record.version,
                gone: record.gone,
                payload: query.payload.then(|| match in_v2 {
                    true => v2::form(&bank, kind, record),
                    false => record.v1.clone(),
                }),
            });
        }
        pieces.push(Piece::Text("}".to_owned()));
    }
    pieces.push(Piece::Text("}}".to_owned()));
    drop(bank);
    let mut pieces = pieces.into_iter().peekable();
    let chunks = std::iter::from_fn(move || {
        pieces.peek()?;
        let mut chunk = Vec::with_capacity(CHUNK_BYTES * 2);
        while let Some(piece) = pieces.next_if(|_| chunk.len() < CHUNK_BYTES) {
            piece.append(&mut chunk);
        }
        Some(Ok::<_, Infallible>(Bytes::from(chunk)))
    });
    Ok(typed("application/json", Body::from_stream(stream::iter(chunks))))
}

enum Piece {
    Text(String),
    Record { first: bool, id: Arc<str>, version: u32, gone: Option<Gone>, payload: Option<Bytes> },
}

impl Piece {
    fn append(self, to: &mut Vec<u8>) {
        match self {
            Piece::Text(text) => to.extend_from_slice(text.as_bytes()),
            Piece::Record { first, id, version, gone, payload } => {
                let comma = if first { "" } else { "," };
                let gone = gone.map_or(json!(false), |gone| json!(gone.status()));
                let id = json!(&*id);
                let head = format!("{comma}{id}:{{\"version\":{version},\"deleted\":{gone}");
                to.extend_from_slice(head.as_bytes());
                if let Some(payload) = payload {
                    to.extend_from_slice(b",\"payload\":");
                    to.extend_from_slice(&payload);
                }
                to.push(b'}');
            }
        }
    }
}

#[derive(Deserialize)]
struct ServedQuery {
    #[serde(default)]
    from: u64,
    max: Option<u64>,
}

async fn served(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<ServedQuery>,
) -> Response<Body> {
    let (head, next) = {
        let log = locked(&shared.log);
        (log.head(), log.next())
    };
    let end = query.max.map_or(next, |max| query.from.saturating_add(max).min(next));
    let chunks = stream::unfold((Some(head), query.from), move |(head, from)| {
        let shared = shared.clone();
        async move {
            if let Some(head) = head {
                return Some((Ok::<_, Infallible>(Bytes::from(head + "\n")), (None, from)));
            }
            let slice = locked(&shared.log).slice(from, LINES_AT_ONCE);
            let lines: Vec<_> = slice.into_iter().filter(|(number, _)| *number < end).collect();
            let after = lines.last().map(|(number, _)| number + 1)?;
            let mut text = String::new();
            for (number, served) in &lines {
                text.push_str(&served.line(*number));
                text.push('\n');
            }
            Some((Ok(Bytes::from(text)), (None, after)))
        }
    });
    typed("application/x-ndjson", Body::from_stream(chunks))
}

async fn requests(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let mut routes = serde_json::Map::new();
    for ((route, status), count) in locked(&shared.log).counts() {
        let statuses = routes.entry(route.clone()).or_insert_with(|| json!({}));
        if let Value::Object(statuses) = statuses {
            statuses.insert(status.to_string(), (*count).into());
        }
    }
    good(&Value::Object(routes))
}

#[derive(Deserialize)]
struct LiveQuery {
    #[serde(default = "one")]
    steps: usize,
}

fn one() -> usize {
    1
}

async fn live(State(shared): State<Arc<Shared>>, Query(query): Query<LiveQuery>) -> Response<Body> {
    let world = World(shared);
    world.live(query.steps);
    good(&json!({ "revision": world.revision() }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewTransaction {
    account_id: Option<String>,
    amount: Option<i64>,
}

async fn create_transaction(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let wanted: NewTransaction = optional(&body)?;
    let world = World(shared);
    let id = world.create_transaction(wanted.account_id.as_deref(), wanted.amount)?;
    shown(&world, Kind::Transaction, &id)
}

/// A record on the nth account.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOnAccount {
    #[serde(default)]
    account: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPendingTransaction {
    #[serde(default)]
    account: usize,
    amount: Option<i64>,
}

async fn create_pending_transaction(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let wanted: NewPendingTransaction = optional(&body)?;
    let world = World(shared);
    let id = world.create_pending_transaction(wanted.account, wanted.amount)?;
    shown(&world, Kind::PendingTransaction, &id)
}

async fn create_direct_debit(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let wanted: NewOnAccount = optional(&body)?;
    let world = World(shared);
    let id = world.create_direct_debit(wanted.account)?;
    shown(&world, Kind::DirectDebit, &id)
}

async fn create_external_payment(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let wanted: NewOnAccount = optional(&body)?;
    let world = World(shared);
    let id = world.create_external_payment(wanted.account)?;
    shown(&world, Kind::ExternalPayment, &id)
}

type Named = Path<(String, String)>;

async fn show(State(shared): State<Arc<Shared>>, Path((kind, id)): Named) -> Answered {
    shown(&World(shared), kind_of(&kind)?, &id)
}

async fn patch(
    State(shared): State<Arc<Shared>>,
    Path((kind, id)): Named,
    Json(patch): Json<Value>,
) -> Answered {
    let (world, kind) = (World(shared), kind_of(&kind)?);
    world.patch(kind, &id, &patch)?;
    shown(&world, kind, &id)
}

async fn put(State(shared): State<Arc<Shared>>, Path((kind, id)): Named, body: String) -> Answered {
    let (world, kind) = (World(shared), kind_of(&kind)?);
    world.put(kind, &id, &body)?;
    shown(&world, kind, &id)
}

#[derive(Deserialize)]
struct DeleteQuery {
    #[serde(rename = "as")]
    status: Option<u16>,
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    Path((kind, id)): Named,
    Query(query): Query<DeleteQuery>,
) -> Answered {
    let (world, kind) = (World(shared), kind_of(&kind)?);
    let gone = match query.status {
        None | Some(410) => Gone::Deleted,
        Some(404) => Gone::NotFound,
        Some(_) => return Err(bad("as must be 404 or 410")),
    };
    world.delete(kind, &id, gone)?;
    shown(&world, kind, &id)
}

/// `{id}:verb`, as Atlar writes actions.
async fn act(State(shared): State<Arc<Shared>>, Path((kind, target)): Named) -> Answered {
    let (world, kind) = (World(shared), kind_of(&kind)?);
    let (id, verb) = target.rsplit_once(':').unwrap_or((&target, ""));
    match (kind, verb) {
        (Kind::Transaction, "reconcile") => world.reconcile(id),
        (Kind::Transaction, "unreconcile") => world.unreconcile(id),
        (Kind::DirectDebit, "advance") => world.advance_direct_debit(id).map(|_| ()),
        (Kind::PendingTransaction, "book") => {
            let booked = world.book_pending_transaction(id)?;
            return shown(&world, Kind::Transaction, &booked);
        }
        (_, "restore") => world.restore(kind, id),
        _ => return Err(missing("no such action")),
    }?;
    shown(&world, kind, id)
}

fn optional<T: Default + for<'de> Deserialize<'de>>(body: &Bytes) -> Result<T, Refused> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(bad)
}

fn kind_of(slug: &str) -> Result<Kind, Refused> {
    let known = || Kind::ALL.map(Kind::slug).join(", ");
    Kind::from_slug(slug).ok_or_else(|| missing(format!("unknown kind: one of {}", known())))
}

fn shown(world: &World, kind: Kind, id: &str) -> Answered {
    match world.get(kind, id) {
        None => Err(missing("no such record")),
        Some(present) => Ok(good(&json!({
            "id": present.id,
            "version": present.version,
            "deleted": present.deleted.map_or(json!(false), |gone| json!(gone.status())),
            "payload": present.payload,
        }))),
    }
}

fn missing(message: impl ToString) -> Refused {
    Refused(StatusCode::NOT_FOUND, message.to_string())
}

fn bad(message: impl ToString) -> Refused {
    Refused(StatusCode::BAD_REQUEST, message.to_string())
}

fn good(body: &Value) -> Response<Body> {
    typed("application/json", Body::from(body.to_string()))
}

fn typed(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let request_id = HeaderName::from_static("request-id");
    response.headers_mut().insert(request_id, HeaderValue::from_static("sim-admin"));
    response
}
