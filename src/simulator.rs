//! A simulated bank that behaves like Atlar: a product of ours (`simulate`, `demo`) and the other
//! side of our tests.
//!
//! It is built from the API's documentation and shares no code with the client, so that one
//! mistake cannot sit on both sides. One seed is one world: with the same clock, two simulators of
//! the same seed serve the same bytes. The bank then lives at its own pace: entries arrive and are
//! matched, balances move, awaited payments come in, names change; each change raises the record's
//! version as Atlar does.
//!
//! ```text
//! request --> gate: number -> fault? -> credentials -> routes -> page of records, v1 or v2 -> log
//!                                                        |                                       |
//! life (seeded, timed) --> bank <-- world (tests, PATCH) +      /_simulator/truth, /served <-----+
//! ```
//!
//! # What is served
//!
//! | records | v1 | v2 |
//! |---|---|---|
//! | accounts | `/v1/accounts` | `/financial-data/v2/accounts` |
//! | balances | inside the account, the booked one | `/financial-data/v2/accounts/{id}/balances`, `-` for all accounts; `type`, `mostRecent` |
//! | transactions | `/v1/transactions` | `/financial-data/v2/transactions` |
//! | pending transactions | | `/financial-data/v2/pending-transactions` |
//! | counterparties | `/v1/counterparties` | `/payments/v2/counterparties` |
//! | external accounts | `/v1/external-accounts` | `/payments/v2/external-accounts` |
//! | direct debits | `/v1/direct-debits` | `/payments/v2/direct-debits` |
//! | external payments (ours) | `/v1/external-payments` | `/payments/v2/external-payments` |
//! | the same without what the real resource lacks | `/v1/expected-transactions` | |
//! | third parties | `/v1beta/third-parties` | |
//!
//! All but balances also with `/{id}`. A record has one text, v1's (v2's for balances and pending
//! transactions); the other generation's payload is made from it, so that id, amounts, dates,
//! version and creation are the same in both. Only in v2: `etag`, transactions' `updated`,
//! versions of external accounts, end-to-end ids and national routing numbers (trap
//! `more_in_v2`). Only in v1: the kind of remittance, holders of account numbers, the bank's id
//! and name, an account's owner.
//!
//! Credentials are checked on all of them: HTTP Basic, the signed request of the connector page,
//! and bearer tokens from `POST /iam/v2/oauth2/token` (and the older `/iam/v2beta/oauth2/token`).
//!
//! # The simulator's own routes (no credentials)
//!
//! | route | |
//! |---|---|
//! | `GET /_simulator/truth` | `{"organization_id","revision","at_ms","entities":{"accounts":{"<id>":{"version","deleted","payload"}},…}}`: the present state, one moment of it. `?kind=accounts` for one kind, `?payload=false` without payloads, `?generation=v2` with v2's. `deleted` is false, 404 or 410 |
//! | `GET /_simulator/served` | JSON lines. The first: `{"log":{"first","next","dropped"}}`; then one per answer: `line` (gapless), `request`, `received_ms`, `answered_ms`, `method`, `path`, `query`, `status`, `auth`, `fault`, `token`, `next_token`, `kind`, `items` (`[[id, version],…]`). `?from=N` from line N on, `&max=N`. With a `fault` of `cut` or `truncate` the items were written but cannot have been read |
//! | `GET /_simulator/requests` | `{"/v1/accounts":{"200":12},…}`: answers by route and status |
//! | `GET`, `POST`, `DELETE /_simulator/faults` | list, add (one object or a list), clear. `{"route":"/v1/accounts","fault":"html","times":1}`; also `query` (text that must occur), `chance` (0 to 1), `after` (spares the first n), `retryAfter`, `slowMs`, `lag` (changes a `stale` answer is behind) |
//! | `GET`, `POST`, `DELETE /_simulator/routes` | what each list answers, 200 if it is offered; switch lists off: `{"route":"/v1/transactions","status":410}`, a path or a beginning that ends in `*`, 404 unless told; back on: all, or `?route=` |
//! | `POST /_simulator/hidden` | `{"kind":"transactions","ids":[…]}`: v2 does not know these; no ids: shows all again |
//! | `DELETE /_simulator/tokens` | every bearer token given so far is refused from now on |
//! | `GET /_simulator/{kind}/{id}` | the record, deleted or not |
//! | `PATCH /_simulator/{kind}/{id}` | JSON merge patch (null removes a member); version + 1 |
//! | `PUT /_simulator/{kind}/{id}` | puts the body exactly as it is, whatever JSON it may be |
//! | `DELETE /_simulator/{kind}/{id}?as=404` | or `410` (the default) |
//! | `POST /_simulator/{kind}/{id}:restore` | brings it back |
//! | `POST /_simulator/transactions` | books an entry; body optional: `{"accountId","amount"}`, minor units |
//! | `POST /_simulator/transactions/{id}:reconcile`, `:unreconcile` | |
//! | `POST /_simulator/external-payments` | a new one; body optional: `{"account": 0}` |
//! | `POST /_simulator/direct-debits` | the same; `/{id}:advance` moves it one step on its way |
//! | `POST /_simulator/pending-transactions` | reports an entry early; body optional: `{"account": 0, "amount": -500}`; `/{id}:book` books it |
//! | `POST /_simulator/live?steps=N` | lets N things happen at once |
//!
//! `{kind}` is `accounts`, `third-parties`, `counterparties`, `transactions`,
//! `external-payments`, `external-accounts`, `direct-debits`, `pending-transactions` or
//! `balances`. Copies inside other records follow: an external account in its counterparty, a
//! booked balance in its account.

mod admin;
mod auth;
mod bank;
mod begin;
mod calendar;
mod cast;
mod dice;
mod fault;
mod follow;
mod gate;
mod life;
mod make;
mod market;
mod oauth;
mod offered;
mod options;
mod page;
mod payload;
mod record;
mod respond;
mod routes;
mod served;
mod table;
#[cfg(test)]
mod tests;
mod v2;
mod world;
mod write;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::auth::Schemes;
pub use self::bank::EditError;
pub use self::fault::{Error as FaultError, Fault, FaultKind, Faults};
pub use self::life::{LifeEvent, What};
use self::options::Settings;
pub use self::options::{Generation, Generations, Options, Traps};
pub use self::record::{Gone, Kind};
pub use self::world::{Present, World};
use crate::clock::Clock;

/// What a refused caller is told, as seen in the wild.
const UNAUTHORIZED: &str = "No bearer token found in authorization header";
/// Listeners that lag further behind than this lose the oldest events.
const EVENTS_MAX: usize = 4096;
/// How long `stop` waits for answers that are on their way.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Shortest pause between steps of life; faster lives take several steps at once.
const TICK_MIN: Duration = Duration::from_millis(5);
/// Life is never faster than this, in steps per second.
const RATE_MAX: f64 = 100_000.0;

/// Why a simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the listener has no address")]
    Address(#[source] std::io::Error),
    #[error("a rate of {0} steps per second: it must be from 0 to 100000")]
    Rate(f64),
    #[error("a list that is not to be offered")]
    Offered(#[from] EditError),
}

/// What all parts of a running simulator share.
struct Shared {
    bank: RwLock<bank::Bank>,
    faults: Mutex<fault::Board>,
    log: Mutex<served::Log>,
    events: broadcast::Sender<LifeEvent>,
    requests: AtomicU64,
    clock: Clock,
    tokens: Mutex<oauth::Tokens>,
    offered: Mutex<offered::Offered>,
    schemes: Schemes,
    access_key: String,
    secret: String,
    stop: CancellationToken,
}

/// A running simulator. Dropping it stops it at once; `stop` lets answers end.
pub struct Simulator {
    shared: Arc<Shared>,
    addr: SocketAddr,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Makes the world and serves it on the listener.
    pub async fn start(
        listener: TcpListener,
        options: Options,
        clock: Clock,
    ) -> Result<Simulator, Error> {
        let rate = options.rate_per_second;
        if !(0.0..=RATE_MAX).contains(&rate) {
            return Err(Error::Rate(rate));
        }
        let addr = listener.local_addr().map_err(Error::Address)?;
        let offered = offered::Offered::new(options.generations, &options.not_offered)?;
        let (life_ms, mortal) = (options.token_life_ms, options.traps.token_expiry);
        let bank = bank::Bank::begin(Settings::new(&options), clock.clone());
        let shared = Arc::new(Shared {
            bank: RwLock::new(bank),
            faults: Mutex::new(fault::Board::new(options.seed, options.faults)),
            log: Mutex::new(served::Log::new(options.served_log_max)),
            events: broadcast::Sender::new(EVENTS_MAX),
            requests: AtomicU64::new(0),
            clock,
            tokens: Mutex::new(oauth::Tokens::new(options.seed, life_ms, mortal)),
            offered: Mutex::new(offered),
            schemes: options.schemes,
            access_key: options.access_key,
            secret: options.secret,
            stop: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, shared.clone()));
        if rate > 0.0 {
            tasks.spawn(live(shared.clone(), rate));
        }
        Ok(Simulator { shared, addr, tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The bank, to look at and to change.
    pub fn world(&self) -> World {
        World(self.shared.clone())
    }

    /// What happens in the bank from now on. A listener that lags loses the oldest events and is
    /// told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<LifeEvent> {
        self.shared.events.subscribe()
    }

    /// Stops life, takes no more connections, and waits a little for answers on their way.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // What is left after the deadline is aborted when the set is dropped.
        let _ = tokio::time::timeout(STOP_WITHIN, ended).await;
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let listener = listener.tap_io(|connection| {
        // Without it small answers may wait for 40 ms; a refusal costs only that.
        let _ = connection.set_nodelay(true);
    });
    let stop = shared.stop.clone();
    let router =
        Router::new().nest("/_simulator", admin::routes()).fallback(gate::pass).with_state(shared);
    // axum's serve ends only by its shutdown signal: accept errors are retried inside.
    let _ = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
}

/// Life goes on at `rate` steps per second until the simulator stops.
async fn live(shared: Arc<Shared>, rate: f64) {
    let period = Duration::from_secs_f64(1.0 / rate).max(TICK_MIN);
    let per_tick = period.as_secs_f64() * rate;
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut due = 0.0;
    while shared.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        due += per_tick;
        while due >= 1.0 {
            due -= 1.0;
            let log = write(&shared.bank).step();
            life::tell(&shared.events, log);
        }
    }
}

/// A panic elsewhere must not silence the simulator: its data stays well-formed between edits.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
