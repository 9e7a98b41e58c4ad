//! A broker that dies or is restarted under the program.

use atlar_ingestor::crash::Point;

use super::blow::stopped;
use super::services;
use super::story::Story;
use super::topics::{self, Feed};
use super::waiting::wait_for;

/// Where the program is when it happens: it sleeps there until the broker is down.
const MOMENTS: [Point; 10] = {
    use Point::*;
    [C, D, E, H, J, K, L, M, O, R]
};

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
        services::broker(action, number).await;
        running.signal("CONT");
        let alone = services::brokers() == 1;
        if alone {
            services::broker("start", number).await;
        }
        let life = self.life();
        let before = self.workspace.events().len();
        Feed::open(&self.workspace.names).until("what comes after", |events| {
            life();
            events.len() > before
        });
        if !alone {
            services::broker("start", number).await;
            // The next broker to go must not take the last copy along.
            let look = || topics::out_of_sync().is_empty().then_some(());
            wait_for("replicas in sync", look, || format!("{:?}", topics::out_of_sync())).await;
        }
        running.signal("TERM");
        running.ended().await.ended_with(0);
        self.figures.brokers += 1;
    }
}
