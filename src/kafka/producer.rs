//! A producer for exactly one transaction, and the spare that makes that cheap.
//!
//! librdkafka has no client side of KIP-890: with one epoch for many transactions a delayed
//! `EndTxn` or `Produce` can hit the next one. So every transaction gets a producer of its own,
//! whose `init_transactions` raises the epoch and lets the broker refuse everything older.
//! Creating and connecting a client costs some 30 ms; [`Producers`] does it on a thread of its
//! own while the previous batch runs, so that a transaction costs only what the broker takes.
//!
//! There is no call to abort. Whoever meets an error drops the producer: the next
//! `init_transactions` aborts what it left, and the log tells what became of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::util::Timeout;

use super::reader::missing_topic;
use super::{Error, Options, code_of, forward_log};
use crate::crash;

/// The broker aborts a transaction that is older; also the longest that a dead owner can hold back
/// consumers of a partition it touched. Short transactions of ours take well under a second.
pub const TRANSACTION_TIMEOUT_MS: u32 = 60_000;

/// Records the client may hold. A batch and its state records are less than half of it.
const QUEUE_RECORDS_MAX: &str = "100000";

/// Pause between two looks for delivery reports. The client's own timed poll counts in whole
/// milliseconds and spins through what is left of the last one.
const POLL_PAUSE: Duration = Duration::from_micros(300);
/// The shortest time a blocking call gets, also after its deadline.
const CALL_TIME_MIN: Duration = Duration::from_millis(1);

/// One record to send.
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub headers: Option<OwnedHeaders>,
}

#[derive(Default)]
struct Deliveries {
    /// Offset of the record sent as number n; -1 until it is acknowledged.
    offsets: Mutex<Vec<i64>>,
    /// Of the first record that was not delivered, and its topic.
    failure: Mutex<Option<(KafkaError, String)>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        forward_log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let offset = match result {
            Ok(message) => message.offset(),
            Err((error, message)) => {
                lock(&self.failure).get_or_insert((error.clone(), message.topic().to_owned()));
                return;
            }
        };
        if let Some(known) = lock(&self.offsets).get_mut(number) {
            *known = offset;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A producer whose epoch lives for one transaction.
pub struct Producer {
    inner: BaseProducer<Deliveries>,
    has_epoch: AtomicBool,
}

impl Producer {
    /// Creates the client and connects it; raises no epoch yet.
    fn create(options: &Options, transactional_id: &str, topic: &str) -> Result<Producer, Error> {
        let attempt = "connecting a producer";
        let inner: BaseProducer<Deliveries> = options
            .client()
            .set("transactional.id", transactional_id)
            .set("enable.idempotence", "true")
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string())
            // Everything is queued at once and then waited for: lingering would only add to the
            // wait.
            .set("linger.ms", "1")
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("compression.type", "lz4")
            // Our topics were there at the start: a missing one was deleted, which no wait mends.
            .set("topic.metadata.propagation.max.ms", "5000")
            .set("queue.buffering.max.messages", QUEUE_RECORDS_MAX)
            .create_with_context(Deliveries::default())
            .map_err(|source| Error::of(attempt, source))?;
        inner
            .client()
            .fetch_metadata(Some(topic), Options::ANSWER_TIMEOUT)
            .map_err(|source| Error::of(attempt, source))?;
        Ok(Producer { inner, has_epoch: AtomicBool::new(false) })
    }

    /// Raises the epoch: on return every older producer of this `transactional.id` is fenced, its
    /// open transaction is aborted and a prepared one completed with all its markers.
    pub fn init(&self, deadline: Instant) -> Result<(), Error> {
        if self.has_epoch.swap(true, Ordering::Relaxed) {
            // Only with the flaw that tests put in is a producer used again.
            lock(&self.inner.context().offsets).clear();
            return Ok(());
        }
        self.retry("taking the producer's epoch", deadline, |left| {
            self.inner.init_transactions(Timeout::After(left))
        })
    }

    pub fn begin(&self) -> Result<(), Error> {
        self.inner
            .begin_transaction()
            .map_err(|source| Error::of("beginning a transaction", source))
    }

    /// Queues a record; its number (0, 1, 2 …) is the index of its offset in [`Self::drain`].
    pub fn send(&self, record: Outgoing<'_>, deadline: Instant) -> Result<usize, Error> {
        let number = {
            let mut offsets = lock(&self.inner.context().offsets);
            offsets.push(-1);
            offsets.len() - 1
        };
        let mut queued = BaseRecord::with_opaque_to(record.topic, number)
            .partition(record.partition)
            .key(record.key)
            .payload(record.value);
        queued.headers = record.headers;
        loop {
            match self.inner.send(queued) {
                Ok(()) => return Ok(number),
                Err((source, back)) => {
                    let full = code_of(&source) == Some(RDKafkaErrorCode::QueueFull);
                    if !full || Instant::now() >= deadline {
                        return Err(Error::of("queueing a record", source));
                    }
                    queued = back;
                    self.serve_reports();
                }
            }
        }
    }

    /// Waits until every record sent so far is acknowledged; returns their offsets, by number. A
    /// report without an offset is an error: librdkafka gives none for a retry that the broker
    /// knew.
    pub fn drain(&self, deadline: Instant) -> Result<Vec<i64>, Error> {
        let attempt = "waiting for acknowledgements";
        while self.inner.in_flight_count() > 0 {
            if Instant::now() >= deadline {
                let source = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
                return Err(Error::of(attempt, source));
            }
            self.serve_reports();
        }
        // The last report may lie in the queue after the count has reached zero.
        self.inner.poll(Duration::ZERO);
        if let Some((source, topic)) = lock(&self.inner.context().failure).take() {
            return Err(missing_topic(&topic, attempt, source));
        }
        let offsets = lock(&self.inner.context().offsets).clone();
        if offsets.iter().any(|offset| *offset < 0) {
            let source = KafkaError::MessageProduction(RDKafkaErrorCode::InvalidMessage);
            return Err(Error::of("reading an acknowledgement without offset", source));
        }
        Ok(offsets)
    }

    /// Takes the delivery reports there are, then lets a moment pass.
    fn serve_reports(&self) {
        self.inner.poll(Duration::ZERO);
        std::thread::park_timeout(POLL_PAUSE);
    }

    /// Commits. On an error nobody knows what the broker did: read the log.
    pub fn commit(&self, deadline: Instant) -> Result<(), Error> {
        self.retry("committing a transaction", deadline, |left| {
            self.inner.commit_transaction(Timeout::After(left))
        })
    }

    /// Repeats a resumable call while librdkafka says that it may be repeated.
    fn retry(
        &self,
        attempt: &str,
        deadline: Instant,
        call: impl Fn(Duration) -> Result<(), KafkaError>,
    ) -> Result<(), Error> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match call(left.max(CALL_TIME_MIN)) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {
                    self.serve_reports();
                }
                Err(source) => return Err(Error::of(attempt, source)),
            }
        }
    }
}

enum Job {
    Make,
    Retire(Box<Producer>),
}

/// Hands out producers, keeps one spare warm, and drops used ones off the caller's thread.
pub struct Producers {
    jobs: Option<SyncSender<Job>>,
    spares: Receiver<Result<Box<Producer>, Error>>,
    keeper: Option<JoinHandle<()>>,
    options: Options,
    transactional_id: String,
    topic: String,
    /// See [`crash::one_epoch`].
    kept: Mutex<Option<Box<Producer>>>,
}

impl Producers {
    /// `topic`: any topic of the cluster, for the metadata call that connects a client.
    pub fn start(
        options: Options,
        transactional_id: String,
        topic: String,
    ) -> std::io::Result<Producers> {
        let (jobs, todo) = sync_channel::<Job>(4);
        let (done, spares) = sync_channel(1);
        let keeper = std::thread::Builder::new().name("kafka-producers".into()).spawn({
            let (options, id, topic) = (options.clone(), transactional_id.clone(), topic.clone());
            move || {
                for job in todo {
                    match job {
                        Job::Make => {
                            let made = Producer::create(&options, &id, &topic).map(Box::new);
                            if done.send(made).is_err() {
                                return;
                            }
                        }
                        Job::Retire(producer) => drop(producer),
                    }
                }
            }
        })?;
        let producers = Producers {
            jobs: Some(jobs),
            spares,
            keeper: Some(keeper),
            options,
            transactional_id,
            topic,
            kept: Mutex::default(),
        };
        producers.submit(Job::Make);
        Ok(producers)
    }

    /// A connected producer. Takes the spare, and has the next one made.
    pub fn take(&self) -> Result<Box<Producer>, Error> {
        if let Some(kept) = lock(&self.kept).take() {
            return Ok(kept);
        }
        let spare = self.spares.recv().unwrap_or_else(|_| {
            Producer::create(&self.options, &self.transactional_id, &self.topic).map(Box::new)
        });
        self.submit(Job::Make);
        // A spare that failed was made a while ago: the brokers may be back.
        spare.or_else(|_| {
            Producer::create(&self.options, &self.transactional_id, &self.topic).map(Box::new)
        })
    }

    /// Drops a used producer, which can take half a second, elsewhere.
    pub fn retire(&self, producer: Box<Producer>) {
        if crash::one_epoch() {
            *lock(&self.kept) = Some(producer);
            return;
        }
        self.submit(Job::Retire(producer));
    }

    fn submit(&self, job: Job) {
        let Some(jobs) = &self.jobs else { return };
        if let Err(TrySendError::Full(job)) = jobs.try_send(job) {
            // The keeper is stuck with slow brokers: wait for it rather than pile up clients.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Producers {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // Take a spare that the keeper may be waiting to hand over, then let it end.
        let _ = self.spares.try_recv();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}
