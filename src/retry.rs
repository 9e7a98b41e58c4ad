//! When to try again: the schedule is data, the delay a pure function, the sleep in one place.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// A jittered exponential back-off with a bounded number of attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The delay after the first failure, before jitter.
    pub initial: Duration,
    /// No delay is longer, except one the server asked for.
    pub max: Duration,
    /// What each delay is multiplied with to get the next one.
    pub factor: u32,
    /// The share of a delay, 0 to 1, that chance may take away: callers that failed together
    /// must not come back together.
    pub jitter: f64,
    /// How often something is tried in all, the first time included.
    pub attempts: u32,
}

impl Schedule {
    /// True while attempt number `attempt` (from 1), having failed, may be followed by another.
    pub fn goes_on(&self, attempt: u32) -> bool {
        attempt < self.attempts
    }

    /// How long to wait after attempt number `attempt` (from 1) failed. `random` is uniform in
    /// 0 to 1. What the server asked for wins over the schedule, in both directions.
    pub fn delay(&self, attempt: u32, random: f64, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked;
        }
        let factor = self.factor.saturating_pow(attempt.saturating_sub(1));
        let full = self.initial.saturating_mul(factor).min(self.max);
        let kept = 1.0 - self.jitter.clamp(0.0, 1.0) * random.clamp(0.0, 1.0);
        full.mul_f64(kept)
    }
}

/// The work was told to stop while it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("told to stop")]
pub struct Cancelled;

/// Waits for `delay`, or until `cancel` says stop. The only sleep of the program.
pub async fn sleep(delay: Duration, cancel: &CancellationToken) -> Result<(), Cancelled> {
    cancel.run_until_cancelled(tokio::time::sleep(delay)).await.ok_or(Cancelled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEDULE: Schedule = Schedule {
        initial: Duration::from_millis(100),
        max: Duration::from_secs(3),
        factor: 2,
        jitter: 0.5,
        attempts: 4,
    };

    #[test]
    fn doubles_up_to_the_limit() {
        let delays: Vec<_> = (1..=7).map(|n| SCHEDULE.delay(n, 0.0, None).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3000, 3000]);
        assert_eq!(SCHEDULE.delay(u32::MAX, 0.0, None), SCHEDULE.max);
    }

    #[test]
    fn ends_after_the_last_attempt() {
        assert!(SCHEDULE.goes_on(3));
        assert!(!SCHEDULE.goes_on(4));
    }

    proptest! {
        #[test]
        fn jitter_takes_at_most_its_share(attempt in 0u32..100, random in 0.0f64..1.0) {
            let full = SCHEDULE.delay(attempt, 0.0, None);
            let delay = SCHEDULE.delay(attempt, random, None);
            prop_assert!(delay <= full && delay >= full.mul_f64(0.5), "{delay:?} of {full:?}");
        }

        #[test]
        fn what_the_server_asks_wins(attempt in 0u32..100, random in 0.0f64..1.0, ms in 0u64..1_000_000) {
            let asked = Duration::from_millis(ms);
            prop_assert_eq!(SCHEDULE.delay(attempt, random, Some(asked)), asked);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sleeps_as_long_as_told() {
        let before = tokio::time::Instant::now();
        assert_eq!(sleep(Duration::from_secs(3600), &CancellationToken::new()).await, Ok(()));
        assert_eq!(before.elapsed().as_secs(), 3600);
    }

    #[tokio::test(start_paused = true)]
    async fn stops_at_once_when_told() {
        let (before, cancel) = (tokio::time::Instant::now(), CancellationToken::new());
        cancel.cancel();
        assert_eq!(sleep(Duration::from_secs(3600), &cancel).await, Err(Cancelled));
        assert_eq!(before.elapsed().as_secs(), 0);
    }
}
