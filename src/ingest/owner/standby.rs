//! Standing by: another instance owns the workspace, and we are ready to take over.
//!
//! The view is kept current by reading the state topic on, and the store with it, so that a
//! takeover restores next to nothing. Nothing is polled and nothing is written to Kafka meanwhile.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ACQUIRE_AGAIN, End, Owner, STORE_PERIOD};
use crate::entropy;
use crate::ingest::thread::{AcquireError, Followed, NotAcquired};
use crate::kafka::group::{Seat, Share};
use crate::kafka::{self};
use crate::publish;
use crate::retry;
use crate::state::View;
use crate::status::chain;

/// For `--once`: a group that has not settled by then is in trouble.
const JOIN_TIME: Duration = Duration::from_secs(60);
/// So long the group is left to settle before anything is read: it takes three seconds where a
/// group is new.
const SETTLE_TIME: Duration = Duration::from_secs(10);
/// As [`JOIN_TIME`], once the group has given the workspace to somebody else: it may still move.
const MOVE_TIME: Duration = Duration::from_secs(3);

/// Whose turn it is.
pub(super) enum Turn {
    Now,
    AfterStandby,
    Stopped,
}

impl Owner {
    /// Waits until the group gives us the workspace. `view` is kept current meanwhile.
    pub(super) async fn turn(
        &mut self,
        view: &mut Option<Box<View>>,
        stop: &CancellationToken,
    ) -> Result<Turn, End> {
        let Some(mut seat) = self.options.seat.clone() else { return Ok(Turn::Now) };
        let since = Instant::now();
        let (mut stood_by, mut failures) = (false, 0);
        let mut elsewhere_since = None;
        let mut joining_since = None;
        loop {
            if seat.take() {
                return Ok(if stood_by { Turn::AfterStandby } else { Turn::Now });
            }
            match seat.share() {
                Share::Elsewhere | Share::Leaving => {
                    elsewhere_since.get_or_insert_with(Instant::now);
                    joining_since = None;
                }
                Share::Joining | Share::Ours => {
                    elsewhere_since = None;
                    let until = *joining_since.get_or_insert_with(Instant::now) + SETTLE_TIME;
                    if Instant::now() < until {
                        self.options.status.phase("acquiring");
                        news(&mut seat, until - Instant::now(), stop).await;
                        if stop.is_cancelled() {
                            return Ok(Turn::Stopped);
                        }
                        continue;
                    }
                }
            }
            self.give_up(since, elsewhere_since)?;
            let from = self.start_from(view.take());
            let following = self.options.writer.follow(from, self.options.pinned.clone());
            let followed = tokio::select! {
                followed = following => followed?,
                () = stop.cancelled() => return Ok(Turn::Stopped),
            };
            match followed {
                Ok(followed) => {
                    failures = 0;
                    let standby = elsewhere_since.is_some();
                    *view = Some(self.followed(followed, standby));
                    if standby && !std::mem::replace(&mut stood_by, true) {
                        tracing::info!("standing by: another instance owns the workspace");
                    }
                }
                Err(NotAcquired { error, view: kept }) => {
                    *view = kept;
                    failures += 1;
                    self.not_followed(error, failures, &mut seat, stop).await?;
                }
            }
            if stop.is_cancelled() {
                return Ok(Turn::Stopped);
            }
        }
    }

    /// Where somebody waits for the end, only so long is waited for a turn.
    fn give_up(&self, since: Instant, elsewhere_since: Option<Instant>) -> Result<(), End> {
        if self.options.patient {
            return Ok(());
        }
        if elsewhere_since.is_some_and(|since| since.elapsed() >= MOVE_TIME) {
            return Err(End::Owned);
        }
        if since.elapsed() >= JOIN_TIME {
            let error = kafka::Error::timed_out("joining the group");
            return Err(AcquireError::from(publish::Error::from(error)).into());
        }
        Ok(())
    }

    fn followed(&mut self, followed: Followed, standby: bool) -> Box<View> {
        let Followed { mut view, store, .. } = followed;
        self.store = store.or(self.store.take());
        if standby {
            self.options.status.standing_by(view.index.len(), view.batch_no());
        } else {
            self.options.status.phase("acquiring");
        }
        if let Some(store) = &self.store
            && self.stored.elapsed() >= STORE_PERIOD
        {
            store.offer(&mut view);
            self.stored = Instant::now();
        }
        view
    }

    async fn not_followed(
        &self,
        error: AcquireError,
        failures: u32,
        seat: &mut Seat,
        stop: &CancellationToken,
    ) -> Result<(), End> {
        if !(self.options.patient && error.is_transient()) {
            return Err(error.into());
        }
        let (waits_for, hint) = (chain(&error), error.hint());
        self.options.status.phase(&format!("waiting: {waits_for}"));
        let delay = ACQUIRE_AGAIN.delay(failures, entropy::fraction(), None);
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(delay_ms, hint, "workspace not acquired, trying again: {waits_for}");
        news(seat, delay, stop).await;
        Ok(())
    }
}

/// Waits for this time, unless the group says something first, or a stop is asked for.
async fn news(seat: &mut Seat, time: Duration, stop: &CancellationToken) {
    tokio::select! {
        _ = retry::sleep(time, stop) => {}
        () = seat.changed() => {}
    }
}
