//! The topics as a plain consumer sees them, compared with what the simulated bank holds.

use std::collections::BTreeMap;

use atlar_ingestor::kafka::Options;
use atlar_ingestor::kafka::follower::{Begin, Follower};
use atlar_ingestor::simulator::{Kind, World};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::child::PATIENCE;

/// How often each record must have been published, by topic and id.
pub type Expected = BTreeMap<(&'static str, String), usize>;

const TOPICS: [(&str, Kind); 4] = [
    ("account", Kind::Account),
    ("counterparty", Kind::Counterparty),
    ("payment", Kind::Transaction),
    ("external-payment", Kind::ExternalPayment),
];

/// Every record of the bank once; those in `edited` once more.
pub fn truth(world: &World, edited: &[(&'static str, String)]) -> Expected {
    let mut expected = Expected::new();
    for (topic, kind) in TOPICS {
        for id in world.ids(kind) {
            expected.insert((topic, id), 1);
        }
    }
    for key in edited {
        *expected.get_mut(key).expect("an edited record is in the bank") += 1;
    }
    expected
}

/// Reads every committed event; the same event twice, or one out of order, fails.
pub async fn published(bootstrap: &str, prefix: &str) -> Expected {
    let mut published = Expected::new();
    let mut seen = std::collections::BTreeSet::new();
    for (topic, _) in TOPICS {
        let name = format!("{prefix}.{topic}");
        let mut follower =
            Follower::open(&options(bootstrap), "faults", &name, Begin::Beginning).unwrap();
        loop {
            let next = tokio::time::timeout(PATIENCE, follower.next()).await.expect("an answer");
            let Some(record) = next.unwrap() else { break };
            let header = |wanted: &str| {
                let found = record.headers.iter().find(|(name, _)| name == wanted);
                String::from_utf8(found.expect("a header").1.clone()).unwrap()
            };
            let id = String::from_utf8(record.key.clone().unwrap()).unwrap();
            assert!(seen.insert(header("ce_id")), "{name} holds an event of {id} twice");
            let count = published.entry((topic, id.clone())).or_insert(0);
            *count += 1;
            let first = !header("ce_type").ends_with(".updated.v1");
            assert_eq!(first, *count == 1, "{name}: event {count} of {id}");
        }
    }
    published
}

/// Nothing lost, nothing twice.
pub async fn check(bootstrap: &str, prefix: &str, expected: &Expected) {
    let published = published(bootstrap, prefix).await;
    let wrong: Vec<String> = expected
        .keys()
        .chain(published.keys())
        .filter(|key| expected.get(*key) != published.get(*key))
        .map(|key| format!("{key:?}: {:?}, not {:?}", published.get(key), expected.get(key)))
        .collect();
    assert!(wrong.is_empty(), "events per record are not as they must be: {wrong:#?}");
}

/// Where the broker is.
pub fn options(bootstrap: &str) -> Options {
    Options { bootstrap_servers: bootstrap.to_owned(), properties: BTreeMap::new() }
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Deletes a topic.
pub async fn delete(bootstrap: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let deleted = admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

/// Deletes a topic of one partition, and makes it anew with nothing in it.
pub async fn empty(bootstrap: &str, topic: &str) {
    delete(bootstrap, topic).await;
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
        let new = new.set("cleanup.policy", "compact");
        let made = admin.create_topics(&[new], &AdminOptions::new()).await.unwrap().remove(0);
        match made {
            Ok(_) => return,
            // The broker is still at deleting it.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert!(tokio::time::Instant::now() < deadline, "{topic} is never deleted");
    }
}

/// Deletes every record of a compacted topic of one partition.
pub async fn forget(bootstrap: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let policy = async |policy: &str| {
        let change =
            AlterConfig::new(ResourceSpecifier::Topic(topic)).set("cleanup.policy", policy);
        let changed = admin.alter_configs([&change], &AdminOptions::new()).await.unwrap();
        assert!(changed.iter().all(Result::is_ok), "{changed:?}");
    };
    // A broker deletes no records of a topic that is compacted only.
    policy("delete").await;
    let mut ends = TopicPartitionList::new();
    ends.add_partition_offset(topic, 0, Offset::End).unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let deleted = admin.delete_records(&ends, &AdminOptions::new()).await.unwrap();
        match deleted.elements_for_topic(topic).remove(0).error() {
            Ok(()) => break,
            // The change of its policy takes a moment.
            Err(KafkaError::OffsetFetch(RDKafkaErrorCode::PolicyViolation)) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert!(tokio::time::Instant::now() < deadline, "the records of {topic} stay");
    }
    policy("compact").await;
}

/// Key and value of the first record.
pub async fn first(bootstrap: &str, topic: &str) -> (Vec<u8>, Vec<u8>) {
    let mut follower =
        Follower::open(&options(bootstrap), "faults", topic, Begin::Beginning).unwrap();
    let next = tokio::time::timeout(PATIENCE, follower.next()).await.expect("an answer");
    let record = next.unwrap().expect("a record");
    (record.key.unwrap(), record.value.unwrap())
}

/// Gives a topic a second partition.
pub async fn widen(bootstrap: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let wider = [NewPartitions::new(topic, 2)];
    let widened = admin.create_partitions(&wider, &AdminOptions::new()).await.unwrap();
    assert!(widened.iter().all(Result::is_ok), "{widened:?}");
}

/// Writes a record that the program did not write.
pub async fn write(bootstrap: &str, topic: &str, key: &[u8], value: &[u8]) {
    let producer: FutureProducer = client(bootstrap).create().unwrap();
    let record = FutureRecord::to(topic).partition(0).key(key).payload(value);
    producer.send(record, PATIENCE).await.unwrap();
}
