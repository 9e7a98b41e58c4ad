//! What others may ask of a workspace's owner while it runs.

use tokio::sync::{mpsc, oneshot};

/// Orders that wait for the owner.
const WAITING_MAX: usize = 4;

/// An order.
#[derive(Debug)]
pub enum Command {
    /// Publish everything once more. Answered when it is on record, and so outlives the process.
    Resync { reply: oneshot::Sender<u32> },
}

/// The owner's side.
pub type Orders = mpsc::Receiver<Command>;

/// The way in for orders. Cheap to clone.
#[derive(Clone)]
pub struct Commands(mpsc::Sender<Command>);

/// The owner does not take the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the workspace is not acquired at this moment")]
    Busy,
    #[error("the workspace has stopped, or was left to another instance")]
    Stopped,
}

impl Commands {
    pub fn new() -> (Commands, Orders) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Commands(sender), receiver)
    }

    /// Orders that every entity be published once more, each as an update whose `before` is its
    /// `after`, when its list is read next; that is at once. Returns once the order is on record,
    /// with its number: 1, 2, 3 … over the workspace's life.
    pub async fn resync(&self) -> Result<u32, Refused> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Command::Resync { reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Busy,
            mpsc::error::TrySendError::Closed(_) => Refused::Stopped,
        })?;
        answer.await.map_err(|_| Refused::Stopped)
    }
}
