//! Follows a topic as a plain consumer of committed records: for `tail` and the demo.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::{Error, Options, QuietContext};

/// Where to begin in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Beginning,
    End,
    /// So many records before the end.
    Last(u64),
}

/// A record as consumers see it.
#[derive(Debug, Clone)]
pub struct Followed {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970: when the broker appended it.
    pub appended_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// See the module.
pub struct Follower {
    topic: String,
    consumer: StreamConsumer<QuietContext>,
    /// Partitions whose end has not been reached yet.
    unread: BTreeSet<i32>,
    /// With [`Begin::Last`]: how many records of each partition are wanted, and those found so far
    /// in partitions whose end has not been reached.
    last: Option<usize>,
    held: BTreeMap<i32, VecDeque<Followed>>,
    /// Records to hand out before reading on.
    ready: VecDeque<Followed>,
    /// The end of the last partition was just reached.
    at_end: bool,
}

impl Follower {
    /// Follows every partition of `topic`. Blocks for a few answers of the brokers. One topic each,
    /// because the client tells the end of a partition by its number alone.
    pub fn open(
        options: &Options,
        group_id: &str,
        topic: &str,
        begin: Begin,
    ) -> Result<Follower, Error> {
        let attempt = format!("reading {topic}");
        let failed = |source| Error::of(&attempt, source);
        let consumer: StreamConsumer<QuietContext> = options
            .client()
            // librdkafka wants a group to be named; nothing is ever joined or committed.
            .set("group.id", group_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            // A place that is gone is an error, and not the end.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            .set("fetch.wait.max.ms", "50")
            .create_with_context(QuietContext)
            .map_err(failed)?;
        let metadata = consumer
            .fetch_metadata(Some(topic), Options::ANSWER_TIMEOUT)
            .map_err(|source| options.explain(failed(source)))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let partitions =
            found.filter(|found| found.error().is_none()).map(|found| found.partitions());
        let Some(partitions) = partitions.filter(|partitions| !partitions.is_empty()) else {
            return Err(Error::NoTopic { topic: topic.to_owned() });
        };
        let mut assignment = TopicPartitionList::new();
        for partition in partitions {
            let offset = match begin {
                Begin::Beginning => Offset::Beginning,
                Begin::End => Offset::End,
                Begin::Last(count) => {
                    let (low, high) = consumer
                        .fetch_watermarks(topic, partition.id(), Options::ANSWER_TIMEOUT)
                        .map_err(failed)?;
                    // Every transaction leaves a marker that is never delivered: with one record
                    // each, half of the offsets are markers.
                    let span = i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(2);
                    Offset::Offset(high.saturating_sub(span).max(low))
                }
            };
            assignment.add_partition_offset(topic, partition.id(), offset).map_err(failed)?;
        }
        let unread = partitions.iter().map(|partition| partition.id()).collect();
        consumer.assign(&assignment).map_err(failed)?;
        let last = match begin {
            Begin::Last(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
            Begin::Beginning | Begin::End => None,
        };
        Ok(Follower {
            topic: topic.to_owned(),
            consumer,
            unread,
            last,
            held: BTreeMap::new(),
            ready: VecDeque::new(),
            at_end: false,
        })
    }

    /// The next record; `None` once, when the end of every partition has been reached.
    pub async fn next(&mut self) -> Result<Option<Followed>, Error> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(Some(record));
            }
            if std::mem::take(&mut self.at_end) {
                return Ok(None);
            }
            let received = self.consumer.recv().await.map(|message| owned(&message));
            match received {
                Ok(record) => match self.last.filter(|_| self.unread.contains(&record.partition)) {
                    None => return Ok(Some(record)),
                    Some(last) => {
                        let held = self.held.entry(record.partition).or_default();
                        held.push_back(record);
                        if held.len() > last {
                            held.pop_front();
                        }
                    }
                },
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.ready.extend(self.held.remove(&partition).unwrap_or_default());
                    self.at_end = self.unread.remove(&partition) && self.unread.is_empty();
                }
                Err(source) => match Error::of(&format!("reading {}", self.topic), source) {
                    // The client reconnects by itself.
                    Error::Unreachable { .. } => {}
                    error => return Err(error),
                },
            }
        }
    }
}

fn owned(message: &BorrowedMessage<'_>) -> Followed {
    let headers = message.headers().map(|headers| {
        let value = |value: Option<&[u8]>| value.unwrap_or_default().to_vec();
        headers.iter().map(|pair| (pair.key.to_owned(), value(pair.value))).collect()
    });
    Followed {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        appended_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
