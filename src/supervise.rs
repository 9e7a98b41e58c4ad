//! Tasks have owners: nothing runs that nobody waits for.
//!
//! A [`Group`] starts tasks, hears of the first one that cannot go on, and ends only when all have
//! ended. Stopping is one token: tasks watch it and end by themselves; what does not end within the
//! drain time is dropped with the runtime.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::failure::Failure;

/// Tasks of one undertaking.
#[derive(Clone)]
pub struct Group {
    tracker: TaskTracker,
    stop: CancellationToken,
    fatal: mpsc::Sender<Failure>,
}

/// The other end of a group: what became fatal.
pub struct Fatal(mpsc::Receiver<Failure>);

impl Group {
    /// A group that stops when `stop` does.
    pub fn new(stop: CancellationToken) -> (Group, Fatal) {
        // One is enough: the first fatal failure ends everything, later ones follow from it.
        let (fatal, heard) = mpsc::channel(1);
        (Group { tracker: TaskTracker::new(), stop, fatal }, Fatal(heard))
    }

    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task. A failure of it stops the group and is what the group reports. Its log lines
    /// say what those of its starter say.
    pub fn start<F>(&self, task: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (fatal, stop) = (self.fatal.clone(), self.stop.clone());
        let work = async move {
            let outcome = AssertUnwindSafe(task).catch_unwind().await;
            // The panic's own message is on standard error.
            let outcome = outcome.unwrap_or_else(|_| Err(Failure::unexpected("a task panicked")));
            if let Err(failure) = outcome {
                // Full: another failure was first.
                let _ = fatal.try_send(failure);
                stop.cancel();
            }
        };
        self.tracker.spawn(work.in_current_span());
    }

    /// Waits until every task has ended. Call it when no more tasks will be started.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Stops the group and waits at most `drain` for its tasks. `false`: some did not end.
    pub async fn stop(&self, drain: Duration) -> bool {
        self.stop.cancel();
        tokio::time::timeout(drain, self.ended()).await.is_ok()
    }
}

impl Fatal {
    /// The failure that stopped the group, if one did.
    pub fn take(&mut self) -> Option<Failure> {
        self.0.try_recv().ok()
    }
}

/// Why the process was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `SIGTERM`: what service managers send.
    Terminate,
}

/// The signals that ask for a stop. Made once, before the work begins, so that none is missed.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub fn listen() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next signal.
    #[cfg(unix)]
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }

    #[cfg(not(unix))]
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    pub async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::Interrupt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_failure_stops_the_others_and_is_reported() {
        let stop = CancellationToken::new();
        let (group, mut fatal) = Group::new(stop.clone());
        let waits = stop.clone();
        group.start(async move {
            waits.cancelled().await;
            Ok(())
        });
        group.start(async { Err(Failure::dependency("first", "hint")) });
        group.ended().await;
        assert!(stop.is_cancelled());
        assert_eq!(fatal.take().map(|failure| failure.what).as_deref(), Some("first"));
        assert!(fatal.take().is_none());
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_of_the_group() {
        let (group, mut fatal) = Group::new(CancellationToken::new());
        group.start(async { panic!("on purpose") });
        group.ended().await;
        assert_eq!(fatal.take().map(|failure| failure.what).as_deref(), Some("a task panicked"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_told() {
        let (group, _fatal) = Group::new(CancellationToken::new());
        group.start(std::future::pending());
        assert!(!group.stop(Duration::from_secs(1)).await);
    }
}
