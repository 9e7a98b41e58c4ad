//! Places where a test lets the process die, as if by `kill -9`, or sleep, as if by SIGSTOP.
//!
//! Without the feature `crash-points` a point is an empty function, and a release cannot be built
//! with it. With it, `ATLAR_INGESTOR_CRASH_AT=<point>:<n>` ends the process at the n-th pass of a
//! point; `:<n>:<µs>` that long after it, while the call that follows is under way; `:<n>:stop`
//! stops it there until somebody sends SIGCONT. With `one-epoch,` before it the process also has a
//! flaw: it takes an epoch for its first transaction only. Tests must find that out.

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!("the feature crash-points is for tests: no release may hold it");

/// The points, in the order in which a process passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// An acquisition begins; nothing was asked yet.
    A,
    /// The view is caught up; no epoch was taken yet.
    B,
    /// Taking the epoch for the barrier.
    C,
    /// The session record is acknowledged, not committed.
    D,
    /// Committing the barrier: with a pause, in doubt.
    E,
    /// A record of the state topic was folded into the view, while acquiring.
    F,
    /// The workspace is ours, and there is nothing to do.
    G,
    /// A page of a listing was judged.
    H,
    /// A batch is closed and encoded; its transaction has not begun.
    I,
    /// The epoch for a batch is taken.
    J,
    /// The transaction has begun; nothing was sent.
    K,
    /// All events are acknowledged, no state record is sent.
    L,
    /// All records are acknowledged and where they should be; the commit is not asked for.
    M,
    /// Committing: with a pause, from "sent and lost" over "prepared, markers not written" to
    /// "complete, not answered".
    O,
    /// The commit is answered; nothing was read back.
    R,
    /// Writing a chunk to the local store.
    S,
    /// A snapshot is in the local store, not flushed.
    T,
    /// The local store is flushed.
    U,
    /// A listing is complete; its cycle record waits in a batch.
    W,
}

impl Point {
    pub const ALL: [Point; 19] = {
        use Point::*;
        [A, B, C, D, E, F, G, H, I, J, K, L, M, O, R, S, T, U, W]
    };
}

#[cfg(not(feature = "crash-points"))]
pub const fn point(_: Point) {}

/// Whether this process has the flaw of one epoch for all its transactions.
#[cfg(not(feature = "crash-points"))]
pub const fn one_epoch() -> bool {
    false
}

#[cfg(feature = "crash-points")]
pub use armed::{arm, one_epoch, point};

#[cfg(feature = "crash-points")]
mod armed {
    use std::process::{Command, abort};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use crate::crash::Point;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Deed {
        Die,
        DieAfter(Duration),
        Stop,
    }

    #[derive(Debug, PartialEq, Eq)]
    struct Plan {
        at: Point,
        pass: u32,
        deed: Deed,
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();
    static PASSES: AtomicU32 = AtomicU32::new(0);
    static ONE_EPOCH: AtomicBool = AtomicBool::new(false);

    /// What the variable says is done from now on. `false`: it says nothing that can be done.
    pub fn arm(text: &str) -> bool {
        let plan = text.strip_prefix("one-epoch,");
        ONE_EPOCH.store(plan.is_some(), Ordering::SeqCst);
        parse(plan.unwrap_or(text)).is_some_and(|plan| PLAN.set(plan).is_ok())
    }

    pub fn one_epoch() -> bool {
        ONE_EPOCH.load(Ordering::SeqCst)
    }

    fn parse(text: &str) -> Option<Plan> {
        let mut parts = text.split(':');
        let name = parts.next()?;
        let at = Point::ALL.into_iter().find(|point| format!("{point:?}") == name)?;
        let pass = parts.next()?.parse().ok()?;
        let deed = match parts.next() {
            None => Deed::Die,
            Some("stop") => Deed::Stop,
            Some(pause) => Deed::DieAfter(Duration::from_micros(pause.parse().ok()?)),
        };
        parts.next().is_none().then_some(Plan { at, pass, deed })
    }

    pub fn point(at: Point) {
        let Some(plan) = PLAN.get().filter(|plan| plan.at == at) else { return };
        if PASSES.fetch_add(1, Ordering::SeqCst) + 1 != plan.pass {
            return;
        }
        match plan.deed {
            Deed::Die => abort(),
            Deed::DieAfter(pause) => {
                std::thread::spawn(move || {
                    let until = Instant::now() + pause;
                    while Instant::now() < until {
                        std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
                    }
                    abort()
                });
            }
            Deed::Stop => {
                // The shell's parent is this process: a signal needs no unsafe code this way.
                let sent = Command::new("sh").args(["-c", "kill -s STOP $PPID"]).status();
                if !sent.is_ok_and(|status| status.success()) {
                    abort();
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn plans_are_read() {
            let plan = |at, pass, deed| Some(Plan { at, pass, deed });
            assert_eq!(parse("M:3"), plan(Point::M, 3, Deed::Die));
            let pause = Deed::DieAfter(Duration::from_micros(800));
            assert_eq!(parse("O:1:800"), plan(Point::O, 1, pause));
            assert_eq!(parse("L:2:stop"), plan(Point::L, 2, Deed::Stop));
            for bad in ["", "M", "M:", "M:x", "N:1", "M:1:", "M:1:2:3", "m:1"] {
                assert_eq!(parse(bad), None, "{bad}");
            }
        }
    }
}
