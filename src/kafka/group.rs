//! Membership in a consumer group: which of the live instances has which topic.
//!
//! A process is one member of each group it joins, whatever the number of its topics, so that the
//! group spreads topics over processes. Nothing is ever fetched through the group: a member holds
//! partitions and no more. What it holds may be stale for a while, as with every group: whoever
//! must not act on that asks the coordinator by [`Lease::check`], and even that is only good for
//! not disturbing others. Safety has to come from elsewhere.
//!
//! The member polls on a thread of its own, at least every second. A partition that is taken away
//! in order is given back when its [`Seat`] is released, or after [`RELEASE_TIME`].

mod describe;
mod member;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;

use super::{Error, Options, code_of};
use member::{Context, Shared};

pub use describe::{Subscriber, subscriber};

/// A member that is silent for so long is dead to its group.
const SESSION_TIMEOUT_MS: u32 = 8_000;
/// The property that changes it: how soon a crash is noticed is no matter of safety.
const SESSION_TIMEOUT: &str = "session.timeout.ms";
const HEARTBEATS_PER_SESSION: u32 = 4;
/// How long whoever holds a partition that is taken away may keep it.
pub const RELEASE_TIME: Duration = Duration::from_secs(5);
/// Leaving a group is known to hang at times: the session timeout cleans up as well.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// While the members of a group are called together the coordinator takes no offsets.
const REBALANCE_TIME: Duration = Duration::from_secs(10);
const REBALANCE_PAUSE: Duration = Duration::from_millis(100);
const PARTITION: i32 = 0;

/// What a group has said about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Nothing yet, or nothing since the membership was lost.
    Joining,
    /// It is ours.
    Ours,
    /// It is taken away in order: let it go soon.
    Leaving,
    /// Another live member has it, or will.
    Elsewhere,
}

/// The groups that a process is a member of. Cheap to clone.
#[derive(Clone, Default)]
pub struct Members(Arc<Mutex<Vec<Known>>>);

struct Known {
    options: Options,
    group_id: String,
    member: Weak<Member>,
}

/// A member. Dropped, it leaves its group.
struct Member {
    shared: Arc<Shared>,
    /// The thread has the other one.
    consumer: Weak<BaseConsumer<Context>>,
    closed: Mutex<Receiver<()>>,
}

impl Members {
    /// Joins a group for a topic, or adds the topic to the membership there is. Waits for nothing:
    /// the seat tells how it goes.
    pub fn join(
        &self,
        options: &Options,
        group_id: &str,
        topic: &str,
    ) -> Result<(Lease, Seat), Error> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.member.strong_count() > 0);
        let same = |known: &&Known| known.options == *options && known.group_id == group_id;
        let member = match known.iter().find(same).and_then(|known| known.member.upgrade()) {
            Some(member) => member,
            None => {
                let member = Arc::new(Member::start(options, group_id)?);
                known.push(Known {
                    options: options.clone(),
                    group_id: group_id.to_owned(),
                    member: Arc::downgrade(&member),
                });
                member
            }
        };
        let seat = member.shared.want(topic);
        let share = seat.share.clone();
        let topic = topic.to_owned();
        Ok((Lease { member, topic, share, proven: AtomicU64::new(0) }, seat))
    }
}

impl Member {
    fn start(options: &Options, group_id: &str) -> Result<Member, Error> {
        let session = options.properties.get(SESSION_TIMEOUT);
        let session = session.and_then(|text| text.parse().ok()).unwrap_or(SESSION_TIMEOUT_MS);
        let shared = Arc::new(Shared::new(group_id));
        let attempt = format!("joining the group {group_id}");
        let consumer: BaseConsumer<Context> = options
            .client()
            .set("group.id", group_id)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set(SESSION_TIMEOUT, session.to_string())
            .set("heartbeat.interval.ms", (session / HEARTBEATS_PER_SESSION).to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .create_with_context(Context::new(Arc::clone(&shared)))
            .map_err(|source| Error::of(&attempt, source))?;
        let consumer = Arc::new(consumer);
        let weak = Arc::downgrade(&consumer);
        let (done, closed) = sync_channel(1);
        let thread = std::thread::Builder::new().name("kafka-group".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                member::run(consumer, &shared);
                // Whoever waited may have given up.
                let _ = done.try_send(());
            }
        });
        thread.map_err(|_| Error::of(&attempt, rdkafka::error::KafkaError::Canceled))?;
        Ok(Member { shared, consumer: weak, closed: Mutex::new(closed) })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.stop();
        let closed = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner);
        if closed.recv_timeout(CLOSE_TIME).is_err() {
            let hint = "nothing to do: the group gives this instance up after session.timeout.ms";
            tracing::warn!(hint, "leaving the group takes too long");
        }
    }
}

/// The right to a topic, as far as the group knows. Dropped, the topic is left to others.
pub struct Lease {
    member: Arc<Member>,
    topic: String,
    share: watch::Receiver<Share>,
    /// How often time had been lost at the last proof.
    proven: AtomicU64,
}

impl Lease {
    pub fn share(&self) -> Share {
        *self.share.borrow()
    }

    /// Asks the coordinator whether this membership is alive, by committing `offset`. Blocks.
    pub fn check(&self, offset: i64) -> Result<(), Error> {
        let not_ours = || Error::NotOurs { topic: self.topic.clone() };
        let lost = self.member.shared.pulse.lost();
        if self.share() != Share::Ours {
            return Err(not_ours());
        }
        let consumer = self.member.consumer.upgrade().ok_or_else(not_ours)?;
        let attempt = "asking the group whether we still belong to it";
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(&self.topic, PARTITION, Offset::Offset(offset.max(0)))
            .map_err(|source| Error::of(attempt, source))?;
        let deadline = Instant::now() + REBALANCE_TIME;
        while let Err(source) = consumer.commit(&offsets, CommitMode::Sync) {
            match code_of(&source) {
                Some(RDKafkaErrorCode::RebalanceInProgress)
                    if Instant::now() < deadline && self.share() == Share::Ours =>
                {
                    std::thread::park_timeout(REBALANCE_PAUSE);
                }
                Some(
                    RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::FencedInstanceId
                    | RDKafkaErrorCode::RebalanceInProgress,
                ) => return Err(not_ours()),
                _ => return Err(Error::of(attempt, source)),
            }
        }
        // Who has just joined anew, without the topic, may commit as well.
        if self.share() != Share::Ours {
            return Err(not_ours());
        }
        self.proven.store(lost, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the process stood still since the last proof, so that another one may be the owner.
    pub fn is_stale(&self) -> bool {
        self.share() != Share::Ours
            || self.member.shared.pulse.lost() != self.proven.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.shared.forget(&self.topic);
    }
}

/// What the group says about a topic, for whoever acts on it. Cheap to clone.
#[derive(Clone)]
pub struct Seat {
    share: watch::Receiver<Share>,
    held: Arc<AtomicBool>,
}

impl Seat {
    /// A seat, and what says who has it.
    pub fn new() -> (watch::Sender<Share>, Seat) {
        let (sender, share) = watch::channel(Share::Joining);
        (sender, Seat { share, held: Arc::default() })
    }

    pub fn share(&self) -> Share {
        *self.share.borrow()
    }

    /// Takes the seat, if it is ours.
    pub fn take(&self) -> bool {
        // First, so that a topic that is taken away at this moment is waited for.
        self.held.store(true, Ordering::SeqCst);
        let ours = self.share() == Share::Ours;
        if !ours {
            self.release();
        }
        ours
    }

    /// Nothing is done any more that needs the topic to be ours.
    pub fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
    }

    pub fn is_taken(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// Returns when the topic is not ours any more.
    pub async fn ended(&mut self) {
        // Without a sender there is no membership.
        let _ = self.share.wait_for(|share| *share != Share::Ours).await;
    }

    /// Returns when it is ours, or something else changed.
    pub async fn changed(&mut self) {
        if self.share.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_taken_only_while_it_is_ours() {
        let (share, seat) = Seat::new();
        assert!(!seat.take() && !seat.is_taken());
        share.send_replace(Share::Ours);
        assert!(seat.take() && seat.is_taken());
        share.send_replace(Share::Leaving);
        assert!(seat.is_taken(), "it is for the holder to let go");
        assert!(!seat.take() && !seat.is_taken());
    }
}
