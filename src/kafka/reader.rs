//! An ordered reader of one partition, committed records only.
//!
//! Assigned by hand, never through a group: who owns a workspace is no matter of who may read it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::{Error, Options, QuietContext, code_of};

/// Between two looks for the end of a log.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// What [`Reader::next`] came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Record {
        offset: i64,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    },
    /// Nothing more is committed at this moment.
    End,
    /// The time was up first.
    TimedOut,
}

/// See the module.
pub struct Reader {
    consumer: BaseConsumer<QuietContext>,
    options: Options,
    topic: String,
    partition: i32,
}

impl Reader {
    /// Starts at `offset` of one partition, or at the log's start where that is later.
    pub fn open(
        options: &Options,
        group_id: &str,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Reader, Error> {
        let mut reader = Reader::with_wait(options, group_id, "50")?;
        reader.turn_to(topic, partition, offset)?;
        Ok(reader)
    }

    /// One that jumps about, and reads nothing before its first jump: a fetch that waits for more
    /// at one place would keep the next place waiting.
    pub fn restless(options: &Options, group_id: &str) -> Result<Reader, Error> {
        Reader::with_wait(options, group_id, "1")
    }

    fn with_wait(
        options: &Options,
        group_id: &str,
        fetch_wait_max_ms: &str,
    ) -> Result<Reader, Error> {
        let consumer: BaseConsumer<QuietContext> = options
            .client()
            // librdkafka wants a group to be named; nothing is ever joined or committed.
            .set("group.id", group_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            .set("fetch.message.max.bytes", "8388608")
            .set("queued.max.messages.kbytes", "16384")
            // The default of 1000 stalls a restore whenever the local queue was full once.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", fetch_wait_max_ms)
            .create_with_context(QuietContext)
            .map_err(|source| Error::of("connecting a reader", source))?;
        Ok(Reader { consumer, options: options.clone(), topic: String::new(), partition: 0 })
    }

    /// Goes on at `offset` of another partition, or at its log's start where that is later.
    pub fn turn_to(&mut self, topic: &str, partition: i32, offset: i64) -> Result<(), Error> {
        topic.clone_into(&mut self.topic);
        self.partition = partition;
        let (low, _) = self.ends()?;
        self.jump(offset.max(low))
    }

    /// The same where what is known to have been committed is read, `last` at the latest. Waits
    /// until the log reaches there, for `time`: a leader that was elected a moment ago may not have
    /// heard yet how far its log is committed. `false`: it does not, so it has lost what was there.
    pub fn turn_back(
        &mut self,
        topic: &str,
        partition: i32,
        (first, last): (i64, i64),
        time: Duration,
    ) -> Result<bool, Error> {
        topic.clone_into(&mut self.topic);
        self.partition = partition;
        let deadline = Instant::now() + time;
        loop {
            let (low, end) = self.ends()?;
            if end > last {
                self.jump(first.max(low))?;
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::park_timeout(LOOK_PAUSE);
        }
    }

    /// First and next offset of the partition.
    fn ends(&self) -> Result<(i64, i64), Error> {
        let (topic, attempt) = (&self.topic, format!("reading {}", self.topic));
        self.consumer
            .fetch_watermarks(topic, self.partition, Options::ANSWER_TIMEOUT)
            .map_err(|source| self.options.explain(missing_topic(topic, &attempt, source)))
    }

    /// Goes on at another offset.
    pub fn jump(&mut self, offset: i64) -> Result<(), Error> {
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&self.topic, self.partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&assignment))
            .map_err(|source| Error::of(&format!("reading {}", self.topic), source))
    }

    /// The next committed record, or why there is none.
    pub fn next(&self, timeout: Duration) -> Result<Next, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                None if left.is_zero() => return Ok(Next::TimedOut),
                None => {}
                Some(Ok(message)) => {
                    return Ok(Next::Record {
                        offset: message.offset(),
                        key: message.key().map(<[u8]>::to_vec),
                        value: message.payload().map(<[u8]>::to_vec),
                    });
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(Next::End),
                Some(Err(source)) => {
                    let attempt = format!("reading {}", self.topic);
                    match missing_topic(&self.topic, &attempt, source) {
                        // The client reconnects by itself; the caller's time limit decides.
                        Error::Unreachable { .. } if !left.is_zero() => {}
                        error => return Err(error),
                    }
                }
            }
        }
    }
}

/// [`Error::of`], with a topic that does not exist told apart.
pub(super) fn missing_topic(topic: &str, attempt: &str, source: KafkaError) -> Error {
    match code_of(&source) {
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition,
        ) => Error::NoTopic { topic: topic.to_owned() },
        _ => Error::of(attempt, source),
    }
}
