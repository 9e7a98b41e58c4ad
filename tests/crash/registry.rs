//! A schema registry that is down, or so slow that nobody waits for its answers.

use std::net::SocketAddr;
use std::sync::Arc;

use atlar_ingestor::crash::Point;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::services;
use super::story::Story;
use super::topics;

const WAITS: &str = "waiting for the schema registry";

/// Stands before the registry. Closed, it takes connections and lets nothing pass: neither a
/// question nor an answer that is on its way.
struct Gate {
    address: SocketAddr,
    is_open: Arc<watch::Sender<bool>>,
    _passing: JoinSet<()>,
}

impl Gate {
    async fn closed(target: SocketAddr) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(watch::Sender::new(false));
        let mut passing = JoinSet::new();
        passing.spawn(pass(listener, target, Arc::clone(&is_open)));
        Gate { address, is_open, _passing: passing }
    }

    fn open(&self) {
        self.is_open.send_replace(true);
    }

    fn close(&self) {
        self.is_open.send_replace(false);
    }
}

async fn pass(listener: TcpListener, target: SocketAddr, is_open: Arc<watch::Sender<bool>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let is_open = Arc::clone(&is_open);
        connections.spawn(async move {
            let mut state = is_open.subscribe();
            let _ = state.wait_for(|open| *open).await;
            let Ok(mut far) = TcpStream::connect(target).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = state.wait_for(|open| !*open) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_answer_costs_time_and_nothing_else() {
    let mut story = Story::begin("registry", 51).await;
    story.recover().await;
    story.live();
    let registry = services::registry();
    let (address, path) = registry.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let gate = Gate::closed(address.parse().unwrap()).await;
    let through = format!("registry.url=http://{}/{path}", gate.address);
    let more = ["--set", through.as_str()];
    let names = story.workspace.names.clone();

    // Nothing is begun before the schemas are known: whoever dies here leaves nothing behind.
    let ends = topics::ends(&names);
    let mut waiting = story.workspace.start(&["run"], &more);
    waiting.says(WAITS, 2).await;
    assert_eq!(topics::hanging(&names), []);
    assert_eq!(waiting.kill().code, -9);
    assert_eq!(topics::ends(&names), ends, "something was written");

    let mut running = story.workspace.start(&["run"], &more);
    running.says(WAITS, 1).await;
    gate.open();
    running.says("workspace acquired", 1).await;
    // From here on it needs the registry no more.
    gate.close();
    story.publishes_more_than(story.workspace.events().len());
    assert_eq!(running.kill().code, -9);

    // The next one needs it, and the one after that dies in the middle of a batch.
    let mut next = story.workspace.start(&["run"], &more);
    next.says(WAITS, 1).await;
    gate.open();
    story.publishes_more_than(story.workspace.events().len());
    next.stop().await;
    story.suffer(super::blow::Blow::Point(Point::M)).await;
    story.end().await;
}
