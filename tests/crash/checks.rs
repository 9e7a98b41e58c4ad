//! The checks of a story's end can fail.

use std::collections::BTreeMap;
use std::time::Duration;

use atlar_ingestor::domain::Entity;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use super::story::{Story, differences};
use super::waiting::LIMIT;
use super::{services, topics};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_is_seen() {
    let story = Story::begin("open", 41).await;
    let names = &story.workspace.names;
    assert_eq!(topics::hanging(names), []);
    let id = format!("{}-open", names.prefix());
    let open = || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", services::bootstrap()).set("transactional.id", &id);
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(LIMIT).unwrap();
        producer.begin_transaction().unwrap();
        producer
    };
    let producer = open();
    let topic = names.entity(Entity::Payment);
    let record = BaseRecord::to(&topic).partition(1).key("a").payload("b");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(20));
    }
    assert_eq!(topics::hanging(names), [(topic, 1)]);
    drop(producer);
    // The next epoch aborts it.
    drop(open());
    assert_eq!(topics::hanging(names), []);
}

#[test]
fn another_content_is_seen_and_a_mere_version_is_not() {
    let record = |description: &str, version: u32| {
        let value = json!({"description": description, "version": version, "raw": version});
        BTreeMap::from([((Entity::Payment, "a".to_owned()), value)])
    };
    assert!(differences(&record("b", 1), &record("b", 2)).is_empty());
    assert_eq!(differences(&record("b", 1), &record("c", 1)).len(), 1);
    assert_eq!(differences(&record("b", 1), &BTreeMap::new()).len(), 1);
}
