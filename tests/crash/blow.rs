//! What can happen to a process or to its store.

use std::fs;

use atlar_ingestor::crash::Point;

use super::program::Running;
use super::proxy::Request;
use super::story::{Story, files};
use super::topics::Feed;
use super::waiting::wait_for;

const STANDBY: &str = "standing by: another instance owns the workspace";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// Dies at a named point.
    Point(Point),
    /// `kill -9` when it has published so many events more.
    Events(u64),
    /// `kill -9` at its nth line of the log.
    Line(u64),
    /// `kill -9` at the nth look at it.
    Look(u64),
    /// `kill -9` at the nth look at it, while another one stands by.
    Beside(u64),
    /// Sleeps at a named point while another process works, and wakes.
    Pause(Point),
    /// The store folder is gone.
    Deleted,
    /// Bytes of the store are others.
    Flipped,
    /// The store folder is that of another workspace.
    Foreign,
    /// This is done to a broker with this number.
    Broker(&'static str, u64),
    /// Dies with the request after so many others of its kind on its way.
    Late(Request, u32),
}

/// Where a sleeper is dangerous: its epoch taken, events sent, all sent, committed and not read
/// back; or its barrier sent, or in the middle of a listing.
pub const PAUSES: [Point; 6] = [Point::L, Point::M, Point::R, Point::J, Point::D, Point::H];

impl Story {
    pub async fn suffer(&mut self, blow: Blow) {
        match blow {
            Blow::Point(point) => self.die_at(point).await,
            Blow::Events(more) => self.die_after_events(more),
            Blow::Line(nth) => self.die_at_line(nth).await,
            Blow::Look(nth) => self.die_at_look(nth).await,
            Blow::Beside(nth) => self.die_beside_another(nth).await,
            Blow::Pause(point) => self.sleep_at(point).await,
            Blow::Broker(action, number) => self.suffer_broker(action, number).await,
            Blow::Late(request, after) => drop(self.suffer_late(request, after).await),
            Blow::Deleted => self.change_store(blow, |store| fs::remove_dir_all(store).unwrap()),
            Blow::Flipped => {
                let (skip, step) = (self.dice.between(0, 60), self.dice.between(31, 400));
                let [skip, step] = [skip, step].map(|n| usize::try_from(n).unwrap());
                self.change_store(blow, |store| {
                    for file in files(store) {
                        let mut bytes = fs::read(&file).unwrap();
                        for byte in bytes.iter_mut().skip(skip).step_by(step) {
                            *byte ^= 0x41;
                        }
                        fs::write(&file, bytes).unwrap();
                    }
                });
            }
            Blow::Foreign => {
                let (_, other) = self.newcomer(&["run", "--once"]).await;
                self.change_store(blow, |store| {
                    let _ = fs::remove_dir_all(store);
                    fs::rename(other, store).unwrap();
                });
            }
        }
        self.live();
    }

    /// Dies once or more often there: the first time may be in the first load.
    async fn die_at(&mut self, point: Point) {
        let plan = self.plan(point);
        self.tell(format!("die at {plan}"));
        // What lies behind the end of the work is passed only by who ends it.
        let command: &[&str] = if point == Point::U { &["run", "--once"] } else { &["run"] };
        if point == Point::U {
            // Which is refused while the group takes the last one for alive.
            self.workspace.without_owner().await;
        }
        let running = self.armed(command, &plan);
        let done = running.ended_meanwhile(self.life()).await;
        assert_eq!(done.code, -6, "no abort at {plan}: {done}");
        self.figures.kills += 1;
    }

    /// Which pass of a point, and how long after it.
    fn plan(&mut self, point: Point) -> String {
        let pass = match point {
            // Passed once by each acquisition, or by each process.
            Point::A | Point::B | Point::C | Point::D | Point::E | Point::T | Point::U => 1,
            Point::F | Point::S => self.dice.between(1, 2),
            Point::G | Point::H | Point::W => self.dice.between(1, 6),
            _ => self.dice.between(1, 5),
        };
        let pause = match point {
            Point::C => self.dice.between(0, 20_000),
            Point::E | Point::O => self.dice.between(0, 12_000),
            Point::S => self.dice.between(0, 3_000),
            _ => return format!("{point:?}:{pass}"),
        };
        format!("{point:?}:{pass}:{pause}")
    }

    fn die_after_events(&mut self, more: u64) {
        self.tell(format!("die after {more} events"));
        let mut feed = Feed::open(&self.workspace.names);
        let before = self.workspace.events().len();
        let wanted = before + usize::try_from(more).unwrap();
        let life = self.life();
        let running = self.workspace.start(&["run"], &[]);
        feed.until("events of a process to be killed", |events| {
            life();
            events.len() >= wanted
        });
        assert_eq!(running.kill().code, -9);
        self.figures.kills += 1;
    }

    async fn die_at_look(&mut self, nth: u64) {
        self.tell(format!("die at look {nth}"));
        let running = self.workspace.start(&["run"], &[]);
        self.moment(&running, nth).await;
        assert_eq!(running.kill().code, -9);
        self.figures.kills += 1;
    }

    /// Lets a process work on until the nth look at it.
    async fn moment(&self, running: &Running, nth: u64) {
        let life = self.life();
        let mut looks = 0;
        let look = || {
            looks += 1;
            life();
            (looks >= nth).then_some(())
        };
        wait_for("a moment", look, || running.so_far()).await;
    }

    /// Each in its turn is the one that stands by, with a store that is as old as its last death.
    async fn die_beside_another(&mut self, nth: u64) {
        self.tell(format!("die at look {nth} beside another"));
        let other = format!("store.path={}", self.workspace.folder().join("other").display());
        let mut more: [&[&str]; 2] = [&[], &["--set", &other]];
        if self.figures.kills % 2 == 1 {
            more.swap(0, 1);
        }
        let owner = self.workspace.run(more[0]).await;
        let mut standby = self.workspace.start(&["run"], more[1]);
        standby.says(STANDBY, 1).await;
        self.moment(&owner, nth).await;
        let before = self.workspace.events().len();
        assert_eq!(owner.kill().code, -9);
        standby.says("workspace acquired", 1).await;
        self.publishes_more_than(before);
        standby.stop().await;
        self.figures.kills += 1;
    }

    async fn die_at_line(&mut self, nth: u64) {
        self.tell(format!("die at line {nth}"));
        let nth = usize::try_from(nth).unwrap();
        let running = self.workspace.start(&["run"], &[]);
        let life = self.life();
        let look = || {
            life();
            (running.so_far().stderr.lines().count() >= nth).then_some(())
        };
        wait_for("a line of the log", look, || running.so_far()).await;
        assert_eq!(running.kill().code, -9);
        self.figures.kills += 1;
    }

    async fn sleep_at(&mut self, point: Point) {
        let pass = if point == Point::D { 1 } else { self.dice.between(1, 4) };
        let plan = format!("{point:?}:{pass}:stop");
        self.tell(format!("sleep at {plan}"));
        let mut sleeper = self.armed(&["run"], &plan);
        let life = self.life();
        stopped(&sleeper, life).await;
        self.live();
        let other = self.workspace.folder().join("other");
        let other = format!("store.path={}", other.display());
        let more = ["--set", other.as_str()];
        // It takes over and publishes what is new, and then goes on beside the sleeper.
        self.once_free(&more).await;
        let rival = self.workspace.run(&more).await;
        self.live();
        let acquired = sleeper.so_far().log("workspace acquired").len();
        sleeper.signal("CONT");
        let life = self.life();
        let look = || {
            life();
            (!sleeper.so_far().log(STANDBY).is_empty()).then_some(())
        };
        wait_for("the sleeper to notice", look, || sleeper.so_far()).await;
        // It stands by, and goes on when the other one leaves.
        rival.stop().await;
        sleeper.says("workspace acquired", acquired + 1).await;
        sleeper.stop().await;
        self.figures.pauses += 1;
    }

    fn change_store(&mut self, blow: Blow, change: impl FnOnce(&std::path::Path)) {
        self.tell(format!("{blow:?}"));
        let store = self.workspace.store();
        // Where nothing ran yet there is none.
        if store.exists() || blow == Blow::Foreign {
            change(&store);
            self.figures.stores += 1;
        }
    }
}

/// Waits until SIGSTOP has stopped it.
pub async fn stopped(running: &Running, life: impl Fn()) {
    let stat = format!("/proc/{}/stat", running.id());
    let look = || {
        life();
        // The state follows the name, which is in parentheses.
        let stat = fs::read_to_string(&stat).unwrap_or_default();
        stat.rsplit(") ").next().unwrap_or_default().starts_with('T').then_some(())
    };
    wait_for("a process to be stopped", look, || running.so_far()).await;
}
