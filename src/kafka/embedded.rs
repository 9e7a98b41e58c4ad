//! An embedded broker for the demo: librdkafka's mock cluster, over real sockets.
//!
//! It speaks the protocol but keeps no promise: no fencing, no aborts, no `read_committed`, at most
//! 5 MB a partition, and it answers no administrative request, which is why topics are made through
//! its own handle. It is never an option of `run`.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rdkafka::mocking::MockCluster;

use super::Error;

/// A running mock cluster of one broker. Dropping it stops it.
pub struct EmbeddedBroker {
    bootstrap_servers: String,
    stop: Option<SyncSender<()>>,
    /// The handle of the cluster may not leave the thread that made it.
    owner: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts a broker with these topics and numbers of partitions.
    pub fn start(topics: Vec<(String, i32)>) -> Result<EmbeddedBroker, Error> {
        let (report, started) = sync_channel(1);
        let (stop, stopped) = sync_channel::<()>(1);
        let attempt = "starting the embedded broker";
        let owner = std::thread::Builder::new()
            .name("embedded-broker".into())
            .spawn(move || {
                let cluster = MockCluster::new(1).and_then(|cluster| {
                    for (name, partitions) in &topics {
                        cluster.create_topic(name, *partitions, 1)?;
                    }
                    Ok(cluster)
                });
                match cluster {
                    Ok(cluster) => {
                        let _ = report.send(Ok(cluster.bootstrap_servers()));
                        // Ends when the other side is dropped.
                        let _ = stopped.recv();
                    }
                    Err(source) => {
                        let _ = report.send(Err(source));
                    }
                }
            })
            .ok();
        match started.recv() {
            Ok(Ok(bootstrap_servers)) => {
                Ok(EmbeddedBroker { bootstrap_servers, stop: Some(stop), owner })
            }
            Ok(Err(source)) => Err(Error::of(attempt, source)),
            Err(_) => Err(Error::of(attempt, rdkafka::error::KafkaError::Canceled)),
        }
    }

    /// `host:port` on the loopback interface.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(owner) = self.owner.take() {
            let _ = owner.join();
        }
    }
}
