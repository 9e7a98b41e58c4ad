//! One request budget per workspace: how many requests are under way and how fast new ones start.
//!
//! Callers are served in the order they came. Each stream asks for one page at a time, so first
//! come, first served is also a fair share for every stream.
//!
//! A request is paid for in cells. The limiter hands out cells at a constant rate; an answer 429
//! doubles the price of a request, which halves the rate, and a run of good answers lowers it
//! step by step. So the limiter is never rebuilt, and the burst it allows never grows.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::retry::{Cancelled, sleep};

/// What a request costs at the full rate, in cells. The finer, the smoother the recovery.
const COST_MIN: u32 = 16;
/// The rate never falls below 1/64 of the full one: polling has to learn that a limit is gone.
const COST_MAX: u32 = COST_MIN * 64;
/// So many good answers in a row lower the price by one step.
const SUCCESSES_PER_STEP: u32 = 10;
/// A step is this fraction of the price, or one cell.
const STEP_DIVISOR: u32 = 16;
/// Beyond this rate the limiter's own arithmetic would be all that is measured.
const PER_SECOND_MAX: u32 = 100_000;

/// The shared budget of one workspace.
#[derive(Debug)]
pub struct Budget {
    limiter: RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>,
    clock: Monotonic,
    per_second: u32,
    max_in_flight: u32,
    slots: Semaphore,
    /// Held while waiting for cells, so that the wait is a queue.
    turn: tokio::sync::Mutex<()>,
    pace: Mutex<Pace>,
    counters: Counters,
}

#[derive(Debug)]
struct Pace {
    cost: u32,
    successes: u32,
    /// Counts the doublings. Requests that were under way at a doubling cause no other one.
    epoch: u64,
    pause_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Counters {
    waiting: AtomicU64,
    started: AtomicU64,
    waited_ms: AtomicU64,
    too_many: AtomicU64,
}

/// A budget as a status page shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// The full rate, requests per second.
    pub per_second_max: u32,
    /// The rate at present.
    pub per_second: f64,
    pub in_flight: u32,
    /// Requests that wait for their turn.
    pub waiting: u64,
    /// Requests started since the start of the process.
    pub started: u64,
    /// Milliseconds that started requests have waited in all.
    pub waited_ms: u64,
    /// Answers 429 since the start of the process.
    pub too_many: u64,
    /// What is left of a pause the server asked for.
    pub pause: Option<Duration>,
}

/// The right to send one request. The slot is free again when this is dropped: keep it until the
/// body is read.
#[derive(Debug)]
pub struct Permit<'a> {
    budget: &'a Budget,
    epoch: u64,
    _slot: Option<SemaphorePermit<'a>>,
}

impl Budget {
    /// At most `per_second` requests start per second, and at most `max_in_flight` are under way.
    /// After a quiet time `max_in_flight` requests may start at once.
    pub fn new(per_second: NonZeroU32, max_in_flight: NonZeroU32) -> Budget {
        let per_second = per_second.get().min(PER_SECOND_MAX);
        let max_in_flight = max_in_flight.get();
        let cells = |requests: u32| {
            NonZeroU32::MIN.saturating_add(requests.saturating_mul(COST_MIN).saturating_sub(1))
        };
        let quota = Quota::per_second(cells(per_second)).allow_burst(cells(max_in_flight));
        let clock = Monotonic { start: Instant::now() };
        Budget {
            limiter: RateLimiter::direct_with_clock(quota, clock),
            clock,
            per_second,
            max_in_flight,
            slots: Semaphore::new(max_in_flight as usize),
            turn: tokio::sync::Mutex::new(()),
            pace: Mutex::new(Pace { cost: COST_MIN, successes: 0, epoch: 0, pause_until: None }),
            counters: Counters::default(),
        }
    }

    /// Waits for a slot, for the rate and for the end of a pause, in the order of the callers.
    pub async fn acquire(&self, cancel: &CancellationToken) -> Result<Permit<'_>, Cancelled> {
        let asked_at = Instant::now();
        let _waiting = Waiting::new(&self.counters.waiting);
        let slot = cancel.run_until_cancelled(self.slots.acquire()).await;
        let slot = slot.ok_or(Cancelled)?.map_err(|_closed| Cancelled)?;
        let epoch = self.begin(asked_at, cancel).await?;
        Ok(Permit { budget: self, epoch, _slot: Some(slot) })
    }

    /// Waits for the rate and for the end of a pause. Returns the epoch the request belongs to.
    async fn begin(&self, asked_at: Instant, cancel: &CancellationToken) -> Result<u64, Cancelled> {
        let _turn = cancel.run_until_cancelled(self.turn.lock()).await.ok_or(Cancelled)?;
        let (cost, epoch) = {
            let pace = self.pace();
            (pace.cost, pace.epoch)
        };
        self.pay(cost, cancel).await?;
        self.sit_out_pause(cancel).await?;
        let waited_ms = u64::try_from(asked_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.counters.waited_ms.fetch_add(waited_ms, Ordering::Relaxed);
        self.counters.started.fetch_add(1, Ordering::Relaxed);
        Ok(epoch)
    }

    /// Waits as long as the server asked for. True if that was any time at all.
    async fn sit_out_pause(&self, cancel: &CancellationToken) -> Result<bool, Cancelled> {
        let mut waited = false;
        // A pause may be prolonged while it is waited for.
        while let Some(left) = self.pause_left() {
            waited = true;
            sleep(left, cancel).await?;
        }
        Ok(waited)
    }

    pub fn numbers(&self) -> Numbers {
        let cost = self.pace().cost;
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        Numbers {
            per_second_max: self.per_second,
            per_second: f64::from(self.per_second) * f64::from(COST_MIN) / f64::from(cost),
            in_flight: self.max_in_flight.saturating_sub(free),
            waiting: self.counters.waiting.load(Ordering::Relaxed),
            started: self.counters.started.load(Ordering::Relaxed),
            waited_ms: self.counters.waited_ms.load(Ordering::Relaxed),
            too_many: self.counters.too_many.load(Ordering::Relaxed),
            pause: self.pause_left(),
        }
    }

    /// Takes `cost` cells in pieces of one full-rate request: the burst is smaller than the
    /// highest price, and the limiter refuses for good what exceeds its burst.
    async fn pay(&self, cost: u32, cancel: &CancellationToken) -> Result<(), Cancelled> {
        let mut owed = cost;
        while let Some(piece) = NonZeroU32::new(owed.min(COST_MIN)) {
            match self.limiter.check_n(piece) {
                Ok(Err(not_yet)) => {
                    sleep(not_yet.wait_time_from(self.clock.now()), cancel).await?;
                }
                // The burst is at least one piece, so the outer error does not occur.
                Ok(Ok(())) | Err(_) => owed -= piece.get(),
            }
        }
        Ok(())
    }

    fn pause_left(&self) -> Option<Duration> {
        let left = self.pace().pause_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Permit<'a> {
    /// The right to send another request first, in the slot of this one: who waited for a slot
    /// does not wait for a second one, which might never come free. Drop it before using this one.
    pub async fn another(&self, cancel: &CancellationToken) -> Result<Permit<'a>, Cancelled> {
        let _waiting = Waiting::new(&self.budget.counters.waiting);
        let epoch = self.budget.begin(Instant::now(), cancel).await?;
        Ok(Permit { budget: self.budget, epoch, _slot: None })
    }

    /// For who let time pass since this was acquired: waits for the end of a pause that began
    /// meanwhile. True if there was one.
    pub async fn sit_out_pause(&self, cancel: &CancellationToken) -> Result<bool, Cancelled> {
        self.budget.sit_out_pause(cancel).await
    }

    /// The server answered as it should: in the long run this brings the full rate back.
    pub fn succeeded(&self) {
        let mut pace = self.budget.pace();
        pace.successes += 1;
        if pace.successes >= SUCCESSES_PER_STEP {
            pace.successes = 0;
            let step = (pace.cost / STEP_DIVISOR).max(1);
            pace.cost = pace.cost.saturating_sub(step).max(COST_MIN);
        }
    }

    /// The server answered 429: the rate halves, once for all requests that were under way.
    pub fn too_many(&self) {
        self.budget.counters.too_many.fetch_add(1, Ordering::Relaxed);
        let mut pace = self.budget.pace();
        pace.successes = 0;
        if pace.epoch == self.epoch {
            pace.epoch += 1;
            pace.cost = pace.cost.saturating_mul(2).min(COST_MAX);
        }
    }

    /// The server asked to be left alone for `pause`: nobody starts a request before its end.
    pub fn asked_to_wait(&self, pause: Duration) {
        let Some(until) = Instant::now().checked_add(pause) else { return };
        let mut pace = self.budget.pace();
        pace.pause_until = pace.pause_until.max(Some(until));
    }
}

/// Counts a caller for as long as it lives, also if the caller's future is dropped half-way.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU64) -> Waiting<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tokio's clock, so that the limiter and the sleeps agree on what time it is.
#[derive(Debug, Clone, Copy)]
struct Monotonic {
    start: Instant,
}

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}
