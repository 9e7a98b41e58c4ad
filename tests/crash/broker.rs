//! A broker that dies or is restarted under the program.

use std::process::Command;

use atlar_ingestor::crash::Point;
use rdkafka::metadata::MetadataPartition;

use super::blow::stopped;
use super::services;
use super::story::Story;
use super::topics;
use super::waiting::{LIMIT, wait_for};

/// Where the program is when it happens: it sleeps there until the broker is down.
const MOMENTS: [Point; 10] = {
    use Point::*;
    [C, D, E, H, J, K, L, M, O, R]
};

/// How many brokers there are.
pub fn brokers() -> u64 {
    services::bootstrap().split(',').count() as u64
}

/// `kill`, `stop` or `start` of a broker (1 is the first). Nobody else may use it meanwhile.
async fn broker(action: &'static str, number: u64) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");
    let name = services::optional("ATLAR_TEST_SERVICES_NAME").unwrap();
    let mut command = Command::new(script);
    command.args(["broker", action, &number.to_string(), "--name", &name]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "broker {action} {number}: {said}");
}

/// Partitions of all topics that lack a replica in sync.
fn out_of_sync() -> Vec<(String, i32)> {
    let metadata = topics::admin().inner().fetch_metadata(None, LIMIT).unwrap();
    let partitions = metadata.topics().iter().flat_map(|topic| {
        let lacking = |p: &&MetadataPartition| p.isr().len() < p.replicas().len();
        topic.partitions().iter().filter(lacking).map(|p| (topic.name().to_owned(), p.id()))
    });
    partitions.collect()
}

impl Story {
    /// `kill` or `stop` of a broker while the program is at some step. With others left it must go
    /// on without this one; with one broker it waits until that is back.
    pub async fn suffer_broker(&mut self, action: &'static str, number: u64) {
        let moment = self.dice.one_of(&MOMENTS);
        let pass = if [Point::C, Point::D, Point::E].contains(&moment) {
            1
        } else {
            self.dice.between(1, 4)
        };
        let plan = format!("{moment:?}:{pass}:stop");
        self.tell(format!("{action} broker {number} at {plan}"));
        let running = self.armed(&["run"], &plan);
        stopped(&running, self.life()).await;
        broker(action, number).await;
        running.signal("CONT");
        let alone = brokers() == 1;
        if alone {
            broker("start", number).await;
        }
        self.publishes_more_than(self.workspace.events().len());
        if !alone {
            broker("start", number).await;
            // The next broker to go must not take the last copy along.
            let look = || out_of_sync().is_empty().then_some(());
            wait_for("replicas in sync", look, || format!("{:?}", out_of_sync())).await;
        }
        running.stop().await;
        self.figures.brokers += 1;
    }
}
