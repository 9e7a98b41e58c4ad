//! A request that is held on its way to the broker until its sender is dead and the next process is
//! at work.

use super::blow::stopped;
use super::proxy::{Proxy, Request, Stage};
use super::services;
use super::story::Story;
use super::waiting::wait_for;

pub const AGAIN: &str = "the batch is not known to be committed, acquiring the workspace again";

/// Waits until the proxy holds the request; `life` goes on meanwhile.
pub async fn held(proxy: &Proxy, life: impl Fn()) {
    let look = || {
        life();
        (proxy.stage() == Stage::Held).then_some(())
    };
    wait_for("a request to be held", look, || format!("{:?}", proxy.stage())).await;
}

/// The broker's answer to what came late.
pub async fn answered(proxy: &Proxy) -> Vec<u8> {
    let look = || match proxy.stage() {
        Stage::Answered(answer) => Some(answer),
        Stage::Unanswered => panic!("the broker hung up"),
        _ => None,
    };
    wait_for("an answer to what was held", look, || format!("{:?}", proxy.stage())).await
}

/// The broker refuses a commit of an epoch that is over. The error lies behind the correlation id
/// and the time of a throttle, four bytes each.
pub fn refused(answer: &[u8]) {
    let code = i16::from_be_bytes([answer[8], answer[9]]);
    // INVALID_PRODUCER_EPOCH or PRODUCER_FENCED
    assert!([47, 90].contains(&code), "{answer:?}");
}

impl Story {
    /// A process dies with a request on its way, `after` so many others of its kind; it arrives
    /// in the middle of a transaction of the next process. Returns the broker's answer.
    pub async fn suffer_late(&mut self, request: Request, after: u32) -> Vec<u8> {
        self.tell(format!("late {request:?} after {after}"));
        let proxy = Proxy::start(&services::bootstrap()).await;
        let through = format!("kafka.bootstrapServers={}", proxy.address());
        proxy.hold(request, after);
        let running = self.workspace.start(&["run"], &["--set", &through]);
        held(&proxy, self.life()).await;
        assert_eq!(running.kill().code, -9);
        // The next one has sent the events of its first batch, and nothing else of it.
        let next = self.armed(&["run"], "L:1:stop");
        stopped(&next, self.life()).await;
        proxy.release();
        let answer = answered(&proxy).await;
        let before = self.workspace.events().len();
        next.signal("CONT");
        self.publishes_more_than(before);
        next.stop().await;
        self.figures.late += 1;
        answer
    }
}
