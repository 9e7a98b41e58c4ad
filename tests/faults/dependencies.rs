//! Faults of Kafka and of the schema registry.

use super::child::Running;
use super::place::{Place, client};
use super::services::Own;
use super::topics;

/// A broker that is not there until the door opens.
async fn without_broker(place: &mut Place) -> super::door::Door {
    place.set_up().await;
    let broker = place.services.bootstrap.parse().expect("one broker, by its address");
    let door = super::door::Door::shut(broker);
    let address = door.address().to_string();
    place.set("kafka.bootstrapServers", &address);
    door
}

pub async fn broker_start(mut place: Place) {
    let mut door = without_broker(&mut place).await;
    let mut running = place.run();
    place.tells(&mut running).await;
    // Waiting, it still stops when it is told to.
    place.stop(running).await;
    let mut running = place.run();
    place.tells(&mut running).await;
    door.open();
    place.finish(running).await;
}

/// Killed with work to do, and started again on its data.
pub async fn broker_later(mut place: Place) {
    let own = Own::start().await;
    place.use_broker(own.bootstrap());
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    own.broker("kill").await;
    place.edit();
    place.tells(&mut running).await;
    own.broker("start").await;
    place.finish(running).await;
    own.stop().await;
}

pub async fn broker_once(mut place: Place) {
    let mut door = without_broker(&mut place).await;
    place.ends(place.once()).await;
    door.open();
    place.run_once().await;
    place.check().await;
}

pub async fn topics_missing_start(place: Place) {
    place.ends(place.run()).await;
    place.set_up().await;
    place.finish(place.run()).await;
}

/// Deleted while the process runs: nothing more can be published, and it says so.
pub async fn topics_missing_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    topics::delete(&place.services.bootstrap, &place.topic("payment")).await;
    place.edit();
    place.ends(running).await;
}

pub async fn topics_missing_once(place: Place) {
    place.ends(place.once()).await;
    place.set_up().await;
    place.run_once().await;
    place.check().await;
}

pub async fn topic_settings_start(place: Place) {
    place.set_up().await;
    place.ends(place.command(&["run"], &[("kafka.partitions", "2")])).await;
    place.finish(place.run()).await;
}

/// A topic that gets more partitions keeps what it has: events go where they went.
pub async fn topic_settings_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    topics::widen(&place.services.bootstrap, &place.topic("payment")).await;
    place.edit();
    place.finish(running).await;
}

pub async fn topic_settings_once(place: Place) {
    place.set_up().await;
    place.ends(place.command(&["run", "--once"], &[("kafka.partitions", "2")])).await;
    place.run_once().await;
    place.check().await;
}

/// A second process is refused, and the first does not notice.
async fn refused_beside_the_first(place: &Place, setting: (&str, &str)) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.ends(place.command(&["run"], &[setting, ("store.path", "other")])).await;
    place.finish(running).await;
}

const OTHER_GROUP: (&str, &str) = ("kafka.groupId", "another");

pub async fn group_start(place: Place) {
    place.set_up().await;
    place.ends(place.command(&["run"], &[OTHER_GROUP])).await;
    place.finish(place.run()).await;
}

pub async fn group_later(place: Place) {
    refused_beside_the_first(&place, OTHER_GROUP).await;
}

pub async fn group_once(place: Place) {
    place.set_up().await;
    place.ends(place.command(&["run", "--once"], &[OTHER_GROUP])).await;
    place.run_once().await;
    place.check().await;
}

/// A second instance, once it stands by.
async fn standby(place: &Place) -> Running {
    let mut second = place.command(&["run"], &[("store.path", "other")]);
    let status = place.state(&mut second, "on standby", |s| s["phase"] == "standby").await;
    assert_eq!(status["summary"]["ready"], true);
    second
}

pub async fn owned_start(place: Place) {
    place.set_up().await;
    let mut first = place.run();
    place.complete(&mut first).await;
    let second = standby(&place).await;
    place.stop(first).await;
    place.finish(second).await;
}

pub async fn owned_later(mut place: Place) {
    place.set_up().await;
    let mut first = place.run();
    place.complete(&mut first).await;
    let second = standby(&place).await;
    place.edit();
    place.complete(&mut first).await;
    let status = place.state(&mut first, "there", |_| true).await;
    assert_eq!(status["acquisitions"], 1, "the first one was disturbed");
    place.stop(second).await;
    place.finish(first).await;
}

pub async fn owned_once(place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.ends(place.command(&["run", "--once"], &[("store.path", "other")])).await;
    place.finish(running).await;
}

/// The same server by another name.
fn other_host(place: &Place) -> String {
    format!("http://localhost:{}", place.door.address().port())
}

pub async fn host_start(place: Place) {
    place.set_up().await;
    place.ends(place.command(&["run"], &[("baseUrl", &other_host(&place))])).await;
    place.finish(place.run()).await;
}

pub async fn host_later(place: Place) {
    refused_beside_the_first(&place, ("baseUrl", &other_host(&place))).await;
}

pub async fn host_once(place: Place) {
    place.set_up().await;
    place.ends(place.command(&["run", "--once"], &[("baseUrl", &other_host(&place))])).await;
    place.run_once().await;
    place.check().await;
}

/// What a newer release would write: format 2.
async fn write_newer(place: &Place) {
    topics::write(&place.services.bootstrap, &place.topic("state"), b"\0Z/new", b"\x02{}").await;
}

pub async fn newer_state_start(place: Place) {
    place.set_up().await;
    write_newer(&place).await;
    place.ends(place.run()).await;
    place.check_nothing().await;
}

pub async fn newer_state_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    let before = place.truth();
    write_newer(&place).await;
    place.edit();
    place.ends(running).await;
    place.check_against(&before).await;
}

pub async fn newer_state_once(place: Place) {
    place.set_up().await;
    write_newer(&place).await;
    place.ends(place.once()).await;
    place.check_nothing().await;
}

pub async fn registry_start(mut place: Place) {
    place.set_up().await;
    place.registry.close().await;
    let mut running = place.run();
    place.tells(&mut running).await;
    place.registry.open();
    place.finish(running).await;
}

pub async fn registry_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.registry.close().await;
    place.edit();
    place.finish(running).await;
}

pub async fn registry_once(mut place: Place) {
    place.set_up().await;
    place.registry.close().await;
    place.ends(place.once()).await;
    place.registry.open();
    place.run_once().await;
    place.check().await;
}

/// Forgets the schema of one topic, in the registry that all share.
async fn forget_schema(place: &Place) {
    let (address, path) = (place.services.registry, &place.services.registry_path);
    let subject = place.topic("payment-value");
    let url = format!("http://{address}{path}/subjects/{subject}");
    for url in [url.clone(), format!("{url}?permanent=true")] {
        client().delete(url).send().await.unwrap();
    }
}

pub async fn schema_start(place: Place) {
    place.set_up().await;
    forget_schema(&place).await;
    place.ends(place.run()).await;
    place.set_up().await;
    place.finish(place.run()).await;
}

pub async fn schema_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    forget_schema(&place).await;
    place.edit();
    place.finish(running).await;
}

pub async fn schema_once(place: Place) {
    place.set_up().await;
    forget_schema(&place).await;
    place.ends(place.once()).await;
    place.set_up().await;
    place.run_once().await;
    place.check().await;
}
