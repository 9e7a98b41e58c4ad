//! Waiting for a named state: the one place where time passes in these tests.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Generous: a test that waits so long has failed.
pub const LIMIT: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Looks until there is something to return. After the limit the test fails and says what was waited
/// for and, by `seen`, how things are.
pub async fn wait_for<T, S: Display>(
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    seen: impl Fn() -> S,
) -> T {
    let deadline = Instant::now() + LIMIT;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {what} in vain:\n{}", seen());
    }
}
