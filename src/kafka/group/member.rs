//! The thread of a member: polls, hears what the group decides, and passes it on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::watch;

use super::{RELEASE_TIME, Seat, Share};
use crate::kafka::{Error, code_of, forward_log};

/// How long one poll waits: also how soon a topic that was let go is given back.
const POLL_TIME: Duration = Duration::from_millis(50);
/// Between two polls. More, and the process stood still: stopped, swapped out, moved.
const STANDSTILL: Duration = Duration::from_secs(2);

/// How often the process stood still, as its polling thread sees it.
pub(super) struct Pulse(Mutex<(Instant, u64)>);

impl Pulse {
    fn new() -> Pulse {
        Pulse(Mutex::new((Instant::now(), 0)))
    }

    fn beat(&self) {
        let now = Instant::now();
        let mut pulse = lock(&self.0);
        if now.duration_since(pulse.0) > STANDSTILL {
            pulse.1 += 1;
        }
        pulse.0 = now;
    }

    /// One that has not been counted yet, because this thread woke up first, included.
    pub fn lost(&self) -> u64 {
        let pulse = lock(&self.0);
        pulse.1 + u64::from(pulse.0.elapsed() > STANDSTILL)
    }
}

struct Topic {
    share: watch::Sender<Share>,
    seat: Seat,
    /// The group has been told that we want it.
    subscribed: bool,
}

/// What the thread and its users share.
pub(super) struct Shared {
    group_id: String,
    topics: Mutex<BTreeMap<String, Topic>>,
    changed: AtomicBool,
    stopping: AtomicBool,
    pub pulse: Pulse,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(group_id: &str) -> Shared {
        Shared {
            group_id: group_id.to_owned(),
            topics: Mutex::default(),
            changed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            pulse: Pulse::new(),
        }
    }

    pub fn want(&self, topic: &str) -> Seat {
        let (share, seat) = Seat::new();
        let wanted = Topic { share, seat: seat.clone(), subscribed: false };
        lock(&self.topics).insert(topic.to_owned(), wanted);
        self.changed.store(true, Ordering::SeqCst);
        seat
    }

    pub fn forget(&self, topic: &str) {
        lock(&self.topics).remove(topic);
        self.changed.store(true, Ordering::SeqCst);
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// What came of a rebalance: these are ours in addition to those we had.
    fn assigned(&self, added: &[String]) {
        for (name, topic) in lock(&self.topics).iter() {
            if added.contains(name) {
                tracing::info!(topic = name, group = self.group_id, "assigned by the group");
                topic.share.send_replace(Share::Ours);
            } else if topic.subscribed && *topic.share.borrow() == Share::Joining {
                topic.share.send_replace(Share::Elsewhere);
            }
        }
    }

    fn set(&self, names: &[String], share: Share) {
        let topics = lock(&self.topics);
        for topic in names.iter().filter_map(|name| topics.get(name)) {
            topic.share.send_replace(share);
        }
    }

    /// Whether somebody still works on one of these.
    fn is_held(&self, names: &[String]) -> bool {
        let topics = lock(&self.topics);
        names.iter().filter_map(|name| topics.get(name)).any(|topic| topic.seat.is_taken())
    }
}

/// Partitions that are taken away in order, and until when they may be kept.
struct Revoked {
    partitions: TopicPartitionList,
    until: Instant,
}

/// Hears what the group decides. Its calls come from within a poll and return at once.
pub(super) struct Context {
    shared: Arc<Shared>,
    revoked: Mutex<Option<Revoked>>,
    /// The error said last.
    said: Mutex<Option<RDKafkaErrorCode>>,
}

impl Context {
    pub fn new(shared: Arc<Shared>) -> Context {
        Context { shared, revoked: Mutex::default(), said: Mutex::default() }
    }

    /// Gives back what was taken away, once nobody works on it.
    fn give_back(&self, consumer: &BaseConsumer<Context>) {
        let mut revoked = lock(&self.revoked);
        let due = revoked.as_ref().is_some_and(|revoked| {
            let held = self.shared.is_held(&names(&revoked.partitions));
            !held || Instant::now() >= revoked.until || consumer.assignment_lost()
        });
        if due && let Some(revoked) = revoked.take() {
            unassign(consumer, &revoked.partitions);
            self.shared.set(&names(&revoked.partitions), Share::Elsewhere);
        }
    }

    /// What keeps us out of the group is worth a line, once.
    fn say(&self, source: KafkaError) {
        let code = code_of(&source);
        if std::mem::replace(&mut *lock(&self.said), code) == code {
            return;
        }
        match Error::of("taking part in the group", source) {
            Error::Unreachable { .. } => {}
            error => tracing::warn!(
                group = self.shared.group_id,
                hint = error.hint(),
                "the group gives nothing to this instance: {error}"
            ),
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        forward_log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Context>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let topics = names(partitions);
        let group = &self.shared.group_id;
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let taken = consumer.incremental_assign(partitions);
            // Nothing is read through the group.
            if let Err(error) = taken.and_then(|()| consumer.pause(partitions)) {
                let hint = "nothing to do if it passes; else restart this instance";
                tracing::warn!(group, hint, "a partition was not taken from the group: {error}");
            }
            self.shared.assigned(&topics);
        } else if consumer.assignment_lost() {
            let hint = "nothing to do: this instance joins again by itself";
            tracing::warn!(
                group,
                ?topics,
                hint,
                "the group has given us up: another one may take over"
            );
            self.shared.set(&topics, Share::Joining);
            unassign(consumer, partitions);
        } else if self.shared.is_stopping() {
            unassign(consumer, partitions);
        } else {
            tracing::info!(group, ?topics, "the group moves this to another instance");
            self.shared.set(&topics, Share::Leaving);
            let until = Instant::now() + RELEASE_TIME;
            *lock(&self.revoked) = Some(Revoked { partitions: partitions.clone(), until });
        }
    }
}

fn names(partitions: &TopicPartitionList) -> Vec<String> {
    partitions.elements().iter().map(|element| element.topic().to_owned()).collect()
}

fn unassign(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) {
    if let Err(error) = consumer.incremental_unassign(partitions) {
        tracing::debug!("a partition was not given back to the group: {error}");
    }
}

/// Polls until told to stop, then leaves the group.
pub(super) fn run(consumer: Arc<BaseConsumer<Context>>, shared: &Shared) {
    while !shared.is_stopping() {
        shared.pulse.beat();
        if shared.changed.swap(false, Ordering::SeqCst) {
            subscribe(&consumer, shared);
        }
        if let Some(Err(error)) = consumer.poll(POLL_TIME) {
            consumer.context().say(error);
        }
        consumer.context().give_back(&consumer);
    }
    // What waits to be given back would keep the close waiting.
    let revoked = lock(&consumer.context().revoked).take();
    if let Some(revoked) = revoked {
        unassign(&consumer, &revoked.partitions);
    }
    drop(consumer);
}

fn subscribe(consumer: &BaseConsumer<Context>, shared: &Shared) {
    let mut topics = lock(&shared.topics);
    let names: Vec<&str> = topics.keys().map(String::as_str).collect();
    if names.is_empty() {
        // The last one is gone: the member leaves as a whole.
        return;
    }
    match consumer.subscribe(&names) {
        Ok(()) => topics.values_mut().for_each(|topic| topic.subscribed = true),
        Err(error) => {
            // The next poll tries again.
            shared.changed.store(true, Ordering::SeqCst);
            let hint = "nothing to do if it passes; else restart this instance";
            tracing::warn!(group = shared.group_id, hint, "cannot subscribe: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_group_says_reaches_the_seat_of_its_topic() {
        let shared = Shared::new("g");
        let (one, other) = (shared.want("one"), shared.want("other"));
        shared.assigned(&["one".to_owned()]);
        assert_eq!(one.share(), Share::Ours);
        assert_eq!(other.share(), Share::Joining, "the group has not heard of it yet");
        lock(&shared.topics).values_mut().for_each(|topic| topic.subscribed = true);
        shared.assigned(&[]);
        assert_eq!((one.share(), other.share()), (Share::Ours, Share::Elsewhere));

        assert!(one.take());
        let both = ["one".to_owned(), "other".to_owned()];
        assert!(shared.is_held(&both) && !shared.is_held(&both[1..]));
        shared.set(&both[..1], Share::Leaving);
        one.release();
        assert!(!shared.is_held(&both));
        shared.forget("one");
        assert!(!shared.is_held(&both));
    }

    #[test]
    fn a_standstill_is_counted_once_whoever_sees_it_first() {
        let pulse = Pulse::new();
        pulse.beat();
        assert_eq!(pulse.lost(), 0);
        let before = Instant::now().checked_sub(STANDSTILL * 2).unwrap();
        lock(&pulse.0).0 = before;
        assert_eq!(pulse.lost(), 1);
        pulse.beat();
        assert_eq!(pulse.lost(), 1);
        pulse.beat();
        assert_eq!(pulse.lost(), 1);
    }
}
