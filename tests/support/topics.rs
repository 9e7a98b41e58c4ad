//! The topics as they are on the broker, read with a client of the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use atlar_ingestor::avro::{self, Subject};
use atlar_ingestor::domain::Entity;
use atlar_ingestor::publish::Names;
use atlar_ingestor::state::{Control, StateRecord, control};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::services;
use super::waiting::LIMIT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    Committed,
    Uncommitted,
}

/// A record as a consumer gets it.
#[derive(Clone, PartialEq)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

/// A change event, decoded.
#[derive(Clone, PartialEq)]
pub struct Event {
    pub entity: Entity,
    pub id: String,
    pub record: Record,
    pub value: Value,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (topic, place) = (&self.record.topic, (self.record.partition, self.record.offset));
        write!(f, "{topic} {place:?} {} {} #{}", self.id, self.op(), self.change_no())
    }
}

impl Event {
    fn decode(names: &Names, record: Record) -> Event {
        let of_topic = |entity: &&Entity| names.entity(**entity) == record.topic;
        let entity = *Entity::ALL.iter().find(of_topic).unwrap();
        let (_, datum) = avro::wire_format(record.value.as_deref().unwrap()).unwrap();
        let schema = avro::schema(Subject::Entity(entity)).unwrap();
        let value = avro::decode(schema, datum).unwrap();
        let id = String::from_utf8(record.key.clone()).unwrap();
        assert_eq!(value["source"]["entity"], entity.as_str());
        Event { entity, id, record, value }
    }

    pub fn change_no(&self) -> u64 {
        self.value["source"]["change_no"].as_u64().unwrap()
    }

    pub fn op(&self) -> &str {
        self.value["op"].as_str().unwrap()
    }

    pub fn batch_no(&self) -> u64 {
        self.record.headers["atlar_batch"].parse().unwrap()
    }

    pub fn fingerprint(&self) -> &str {
        &self.record.headers["atlar_fingerprint"]
    }
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", services::bootstrap());
    config
}

fn consumer(isolation: Isolation) -> BaseConsumer {
    let level = match isolation {
        Isolation::Committed => "read_committed",
        Isolation::Uncommitted => "read_uncommitted",
    };
    let mut config = client();
    // Nothing is ever joined or committed.
    config.set("group.id", "tests").set("enable.auto.commit", "false");
    config.set("isolation.level", level).set("enable.partition.eof", "true");
    config.set("auto.offset.reset", "error").set("fetch.wait.max.ms", "20");
    config.create().unwrap()
}

/// Partitions of a topic; none if it does not exist.
fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let found = found.filter(|found| found.error().is_none());
    found.map(|found| found.partitions().iter().map(|p| p.id()).collect()).unwrap_or_default()
}

pub fn exists(topic: &str) -> bool {
    !partitions(&consumer(Isolation::Committed), topic).is_empty()
}

/// Every record of a topic in the order of partitions and offsets, to the end as it is now.
pub fn read(topic: &str, isolation: Isolation) -> Vec<Record> {
    let consumer = consumer(isolation);
    let mut unread: BTreeSet<i32> = partitions(&consumer, topic).into_iter().collect();
    assert!(!unread.is_empty(), "{topic} does not exist");
    let mut assignment = TopicPartitionList::new();
    for partition in &unread {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while !unread.is_empty() {
        assert!(Instant::now() < deadline, "{topic}: no end of partitions {unread:?}");
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(message)) => records.push(owned(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            Some(Err(error)) if is_away(&error) => {}
            Some(Err(error)) => panic!("{topic}: {error}"),
        }
    }
    records.sort_by_key(|record: &Record| (record.partition, record.offset));
    records
}

/// A broker is away; the client goes on by itself.
fn is_away(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
    )
}

fn owned(message: &BorrowedMessage<'_>) -> Record {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    });
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

/// Every event of a workspace.
pub fn events(names: &Names, isolation: Isolation) -> Vec<Event> {
    let records = names.events().into_iter().flat_map(|topic| read(&topic, isolation));
    records.map(|record| Event::decode(names, record)).collect()
}

/// First and next offset of every partition of the topics of a workspace.
pub fn ends(names: &Names) -> BTreeMap<(String, i32), (i64, i64)> {
    let consumer = consumer(Isolation::Uncommitted);
    let mut ends = BTreeMap::new();
    for wanted in names.wanted(1) {
        for partition in partitions(&consumer, &wanted.name) {
            let offsets = consumer.fetch_watermarks(&wanted.name, partition, LIMIT).unwrap();
            ends.insert((wanted.name.clone(), partition), offsets);
        }
    }
    ends
}

/// Where a reader of committed records cannot get to the end: a transaction is open there.
pub fn hanging(names: &Names) -> Vec<(String, i32)> {
    let [stable, end] = [Isolation::Committed, Isolation::Uncommitted].map(|isolation| {
        let consumer = consumer(isolation);
        let mut ends = BTreeMap::new();
        for wanted in names.wanted(1) {
            for partition in partitions(&consumer, &wanted.name) {
                let offsets = consumer.fetch_watermarks(&wanted.name, partition, LIMIT).unwrap();
                ends.insert((wanted.name.clone(), partition), offsets.1);
            }
        }
        ends
    });
    end.into_iter().filter(|(place, end)| stable[place] != *end).map(|(place, _)| place).collect()
}

/// The committed events of a workspace as they come.
pub struct Feed {
    names: Names,
    consumer: BaseConsumer,
    pub events: Vec<Event>,
}

impl Feed {
    pub fn open(names: &Names) -> Feed {
        let consumer = consumer(Isolation::Committed);
        let mut assignment = TopicPartitionList::new();
        for topic in names.events() {
            for partition in partitions(&consumer, &topic) {
                assignment.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&assignment).unwrap();
        Feed { names: names.clone(), consumer, events: Vec::new() }
    }

    /// Reads on until the events seen so far are as wanted.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&[Event]) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !wanted(&self.events) {
            let seen = self.events.len();
            assert!(Instant::now() < deadline, "waited for {what} in vain, {seen} events seen");
            match self.consumer.poll(Duration::from_millis(20)) {
                None | Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if is_away(&error) => {}
                Some(Ok(message)) => {
                    self.events.push(Event::decode(&self.names, owned(&message)));
                }
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }
}

/// A record of the state topic by what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stated {
    Entity { entity: Entity, id: String, record: StateRecord },
    Control(Control),
}

/// The state topic, decoded.
pub fn state(names: &Names) -> Vec<(i64, Stated)> {
    let decode = |record: Record| {
        let value = record.value.unwrap();
        let stated = if control::is_control(&record.key) {
            let control = Control::decode(&record.key, &value, record.offset).unwrap();
            Stated::Control(control.unwrap())
        } else {
            let key = String::from_utf8(record.key).unwrap();
            let (entity, id) = key.split_once('\0').unwrap();
            let record = StateRecord::decode(&value, record.offset).unwrap();
            Stated::Entity { entity: entity.parse().unwrap(), id: id.to_owned(), record }
        };
        (record.offset, stated)
    };
    read(&names.state(), Isolation::Committed).into_iter().map(decode).collect()
}

/// What somebody else may write, outside of any transaction.
pub fn append(topic: &str, key: &[u8], value: &[u8]) {
    let producer: BaseProducer = client().set("acks", "all").create().unwrap();
    let record = BaseRecord::to(topic).partition(0).key(key).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(LIMIT).unwrap();
}

/// The ids of the members of a group.
pub fn members(group: &str) -> Vec<String> {
    let groups = consumer(Isolation::Committed).fetch_group_list(Some(group), LIMIT).unwrap();
    let members = groups.groups().iter().flat_map(|group| group.members());
    members.map(|member| member.id().to_owned()).collect()
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    client().create().unwrap()
}

pub fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT))
}
