//! The writer on a thread of its own: its calls block for as long as brokers take.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::publish::{Batch, Error, Past, PastEvent, Writer};
use crate::recover::{self, Pinned, Report};
use crate::state::View;
use crate::state::control::Session;
use crate::state::view::Read;
use crate::status::Source;
use crate::store::{self, Store, WriteBehind};

/// What the thread calls: the real writer, or the one of a dry run.
pub trait Committer: Send {
    /// See [`crate::recover::acquire`].
    fn acquire(
        &mut self,
        view: &mut View,
        store: Option<&mut Store>,
        pinned: &Pinned,
        session: &Session,
    ) -> Result<Report, AcquireError>;

    /// See [`crate::recover::follow`].
    fn follow(
        &mut self,
        view: &mut View,
        store: Option<&mut Store>,
        pinned: &Pinned,
    ) -> Result<u64, Error>;

    /// See [`Writer::commit`].
    fn commit(&mut self, batch: Batch) -> Result<Vec<Read>, Error>;

    /// See [`Writer::look`].
    fn look(&mut self) -> Result<(), Error>;

    /// See [`crate::publish::past`].
    fn past(&mut self, wanted: &[Past]) -> Result<Vec<PastEvent>, Error>;
}

impl Committer for Writer {
    fn acquire(
        &mut self,
        view: &mut View,
        store: Option<&mut Store>,
        pinned: &Pinned,
        session: &Session,
    ) -> Result<Report, AcquireError> {
        Ok(recover::acquire(self, view, store, pinned, session)?)
    }

    fn follow(
        &mut self,
        view: &mut View,
        store: Option<&mut Store>,
        pinned: &Pinned,
    ) -> Result<u64, Error> {
        recover::follow(self, view, store, pinned)
    }

    fn commit(&mut self, batch: Batch) -> Result<Vec<Read>, Error> {
        Writer::commit(self, batch)
    }

    fn look(&mut self) -> Result<(), Error> {
        Writer::look(self)
    }

    fn past(&mut self, wanted: &[Past]) -> Result<Vec<PastEvent>, Error> {
        self.history.read(&self.options, &self.group_id, wanted)
    }
}

/// What an acquisition brings.
pub struct Acquired {
    pub view: View,
    pub report: Report,
    /// What the view was restored from, before the state topic was read on.
    pub from: Source,
    pub took: Duration,
    /// The local store, where it was opened by this acquisition.
    pub store: Option<WriteBehind>,
}

/// What a standby has, after it has read on for a moment.
pub struct Followed {
    pub view: Box<View>,
    /// Records read from the state topic.
    pub read: u64,
    /// As with [`Acquired`].
    pub store: Option<WriteBehind>,
}

/// An acquisition that failed.
pub struct NotAcquired {
    pub error: AcquireError,
    /// The view in memory, where the attempt started from one: the next attempt goes on from it.
    pub view: Option<Box<View>>,
}

/// Why an acquisition failed.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    #[error(transparent)]
    Writer(#[from] Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl AcquireError {
    /// What an operator can do.
    pub fn hint(&self) -> &str {
        match self {
            AcquireError::Writer(error) => error.hint(),
            AcquireError::Store(error) => error.hint(),
        }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, AcquireError::Writer(error) if error.is_transient())
    }
}

/// Where an acquisition starts from.
pub enum From {
    /// The view of an earlier acquisition of this process.
    Memory(Box<View>),
    /// The local store in this folder.
    Folder(PathBuf),
    /// The state topic alone.
    Topic,
}

enum Call {
    Acquire {
        from: From,
        pinned: Pinned,
        session: Session,
        reply: oneshot::Sender<Result<Acquired, NotAcquired>>,
    },
    Follow {
        from: From,
        pinned: Pinned,
        reply: oneshot::Sender<Result<Followed, NotAcquired>>,
    },
    Commit {
        batch: Box<Batch>,
        reply: oneshot::Sender<Result<Vec<Read>, Error>>,
    },
    Look {
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Past {
        wanted: Vec<Past>,
        reply: oneshot::Sender<Result<Vec<PastEvent>, Error>>,
    },
}

/// The thread has ended, which only a defect can bring about.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the writer's thread has ended")]
pub struct Gone;

/// Calls the writer. Dropping it lets a running call end, and then the thread.
pub struct WriterThread {
    calls: Option<mpsc::Sender<Call>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    pub fn start(mut writer: impl Committer + 'static) -> std::io::Result<WriterThread> {
        let (calls, mut todo) = mpsc::channel(1);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || {
            while let Some(call) = todo.blocking_recv() {
                match call {
                    Call::Acquire { from, pinned, session, reply } => {
                        let _ = reply.send(acquire(&mut writer, from, &pinned, &session));
                    }
                    Call::Follow { from, pinned, reply } => {
                        let _ = reply.send(follow(&mut writer, from, &pinned));
                    }
                    Call::Commit { batch, reply } => {
                        let _ = reply.send(writer.commit(*batch));
                    }
                    Call::Look { reply } => {
                        let _ = reply.send(writer.look());
                    }
                    Call::Past { wanted, reply } => {
                        let _ = reply.send(writer.past(&wanted));
                    }
                }
            }
        })?;
        Ok(WriterThread { calls: Some(calls), thread: Some(thread) })
    }

    /// Acquires the workspace: see [`crate::recover`].
    pub async fn acquire(
        &self,
        from: From,
        pinned: Pinned,
        session: Session,
    ) -> Result<Result<Acquired, NotAcquired>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Acquire { from, pinned, session, reply }).await?;
        answer.await.map_err(|_| Gone)
    }

    /// Reads on as a standby: see [`crate::recover::follow`].
    pub async fn follow(
        &self,
        from: From,
        pinned: Pinned,
    ) -> Result<Result<Followed, NotAcquired>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Follow { from, pinned, reply }).await?;
        answer.await.map_err(|_| Gone)
    }

    /// Commits a batch: see [`Writer::commit`]. The answer comes by the receiver.
    pub async fn commit(
        &self,
        batch: Batch,
    ) -> Result<oneshot::Receiver<Result<Vec<Read>, Error>>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Commit { batch: Box::new(batch), reply }).await?;
        Ok(answer)
    }

    /// Looks whether the workspace is ours still: see [`Writer::look`].
    pub async fn look(&self) -> Result<Result<(), Error>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Look { reply }).await?;
        answer.await.map_err(|_| Gone)
    }

    /// Reads events that were published earlier, in the order wanted.
    pub async fn past(&self, wanted: Vec<Past>) -> Result<Result<Vec<PastEvent>, Error>, Gone> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Past { wanted, reply }).await?;
        answer.await.map_err(|_| Gone)
    }

    async fn call(&self, call: Call) -> Result<(), Gone> {
        match &self.calls {
            Some(calls) => calls.send(call).await.map_err(|_| Gone),
            None => Err(Gone),
        }
    }
}

fn acquire(
    writer: &mut impl Committer,
    from: From,
    pinned: &Pinned,
    session: &Session,
) -> Result<Acquired, NotAcquired> {
    let since = Instant::now();
    let is_memory = matches!(from, From::Memory(_));
    let (report, view, store) =
        start_from(from, |view, store| writer.acquire(view, store, pinned, session))?;
    let from = match (&store, &report.doubt) {
        _ if is_memory => Source::Memory,
        (Some(_), None) => Source::Store,
        _ => Source::Topic,
    };
    Ok(Acquired { view: *view, report, from, took: since.elapsed(), store })
}

fn follow(
    writer: &mut impl Committer,
    from: From,
    pinned: &Pinned,
) -> Result<Followed, NotAcquired> {
    let (read, view, store) =
        start_from(from, |view, store| Ok(writer.follow(view, store, pinned)?))?;
    Ok(Followed { view, read, store })
}

/// Does something with the view, and with the store where there is one to be opened.
fn start_from<T>(
    from: From,
    deed: impl FnOnce(&mut View, Option<&mut Store>) -> Result<T, AcquireError>,
) -> Result<(T, Box<View>, Option<WriteBehind>), NotAcquired> {
    let failed = |error: store::Error| NotAcquired { error: error.into(), view: None };
    let is_memory = matches!(from, From::Memory(_));
    let (mut view, mut store) = match from {
        From::Memory(view) => (view, None),
        From::Topic => (Box::default(), None),
        From::Folder(path) => (Box::default(), Some(Store::open(&path).map_err(failed)?)),
    };
    match deed(&mut view, store.as_mut()) {
        Ok(done) => {
            let store = store.map(Store::write_behind).transpose().map_err(failed)?;
            Ok((done, view, store))
        }
        Err(error) => Err(NotAcquired { error, view: is_memory.then_some(view) }),
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
