//! All that can happen next: the steps of both instances, of the source and of the broker, and the
//! faults.

use std::fmt;

use super::broker::{Request, Txn};
use super::judge::Via;
use super::rules::{Flaw, Scene};
use super::world::{ENTITIES, INSTANCES, Instance, Phase, World};

/// A scene under certain rules.
pub struct Model {
    pub scene: &'static Scene,
    pub flaw: Option<Flaw>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Instance(usize),
    Source,
    Broker,
}

/// A step as it is told in a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub who: Who,
    pub what: &'static str,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Instance(0) => f.write_str("A ")?,
            Who::Instance(_) => f.write_str("B ")?,
            Who::Source => f.write_str("source ")?,
            Who::Broker => f.write_str("broker ")?,
        }
        f.write_str(self.what)
    }
}

/// Collects what can happen next.
struct Next<'a> {
    from: &'a World,
    found: &'a mut Vec<(Step, World)>,
}

impl Next<'_> {
    fn add(&mut self, who: Who, what: &'static str, change: impl FnOnce(&mut World)) {
        self.add_if(who, |world| {
            change(world);
            Some(what)
        });
    }

    fn add_if(&mut self, who: Who, change: impl FnOnce(&mut World) -> Option<&'static str>) {
        let mut world = *self.from;
        if let Some(what) = change(&mut world) {
            let place = |world: &World| (world.faults, world.instances.map(|one| one.phase));
            // What an owner and the source do by themselves leaves nothing to compact.
            if who == Who::Broker || place(&world) != place(self.from) {
                world.compact();
            }
            self.found.push((Step { who, what }, world));
        }
    }

    fn fault(&mut self, who: Who, what: &'static str, change: impl FnOnce(&mut World)) {
        self.add(who, what, |world| {
            world.faults -= 1;
            change(world);
        });
    }
}

impl Model {
    pub fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Every step that can come next.
    pub fn steps(&self, world: &World, found: &mut Vec<(Step, World)>) {
        let mut next = Next { from: world, found };
        self.source_steps(&mut next);
        broker_steps(&mut next);
        for who in 0..INSTANCES {
            self.instance_steps(&mut next, who);
            if world.faults > 0 {
                self.faults(&mut next, who);
            }
        }
    }

    /// The step by which an instance alone, without faults, gets on.
    pub fn calm_step(&self, world: &World, who: usize) -> Option<(Step, World)> {
        let mut next = *world;
        let broker = &mut next.broker;
        let (who, what) = if broker.mark_events() {
            (Who::Broker, MARKS_EVENTS)
        } else if broker.mark_state() {
            (Who::Broker, MARKS_STATE)
        } else {
            let what = self.advance(&mut next, who).or_else(|| self.own_step(&mut next, who));
            (Who::Instance(who), what?)
        };
        next.compact();
        Some((Step { who, what }, next))
    }

    /// What an owner does next while nothing is in commit, if it is in no hurry to poll.
    fn own_step(&self, world: &mut World, who: usize) -> Option<&'static str> {
        self.judge_inbox(world, who)
            .or_else(|| self.judge_page(world, who))
            .or_else(|| self.start_commit(world, who))
            .or_else(|| poll(world, who))
    }

    fn source_steps(&self, next: &mut Next<'_>) {
        let world = next.from;
        for (entity, script) in self.scene.scripts.iter().enumerate() {
            if usize::from(world.source[entity]) < script.len() {
                next.add(Who::Source, "moves", |world| world.source[entity] += 1);
            }
        }
        if world.broker.inbox.end() < self.scene.webhooks {
            for serial in 1..=world.source[0] {
                if !self.scene.served(0, serial).is_gone() {
                    let what = if serial == world.source[0] {
                        "sends a webhook"
                    } else {
                        "sends a webhook of an earlier state"
                    };
                    next.add(Who::Source, what, |world| world.broker.inbox.push(serial));
                }
            }
        }
    }

    fn instance_steps(&self, next: &mut Next<'_>, who: usize) {
        let name = Who::Instance(who);
        next.add_if(name, |world| self.advance(world, who));
        // An owner also polls and judges while its batch is in commit. Nothing of that meets what
        // the writer sends, so it may as well be done before or after: that halves the states.
        if matches!(next.from.instances[who].phase, Phase::Idle | Phase::ReadBack) {
            next.add_if(name, |world| poll(world, who));
            next.add_if(name, |world| self.judge_page(world, who));
            next.add_if(name, |world| self.judge_inbox(world, who));
            next.add_if(name, |world| self.start_commit(world, who));
        }
    }

    /// Judges the page in hand. An entity that is missing on it is deleted, once the inbox is
    /// judged to its end.
    fn judge_page(&self, world: &mut World, who: usize) -> Option<&'static str> {
        let page = world.instances[who].page?;
        let is_gone = |(entity, serial): (usize, &u8)| {
            *serial != 0 && self.scene.served(entity, *serial).is_gone()
        };
        let deletes = page.iter().enumerate().any(is_gone);
        if deletes && world.instances[who].building.inbox < world.broker.inbox.end() {
            return None;
        }
        world.instances[who].page = None;
        for (entity, serial) in page.into_iter().enumerate().filter(|(_, serial)| *serial != 0) {
            self.judge(world, who, entity, serial, Via::List);
        }
        Some("judges its page")
    }

    /// Judges the next record of the inbox, and notes in the same batch that it did.
    fn judge_inbox(&self, world: &mut World, who: usize) -> Option<&'static str> {
        let offset = world.instances[who].building.inbox;
        if offset >= world.broker.inbox.end() {
            return None;
        }
        let published = self.judge(world, who, 0, world.broker.inbox.serial(offset), Via::Webhook);
        let instance = &mut world.instances[who];
        instance.building.inbox += 1;
        instance.building.judged |= 1 << offset;
        if let Some(page) = &mut instance.page
            && published
            && self.scene.served(0, page[0]).is_gone()
            && !self.has(Flaw::DeleteOverWebhook)
        {
            // What the page says is older than this: the next listing decides.
            page[0] = 0;
            instance.page = instance.page.filter(|page| *page != [0; ENTITIES]);
        }
        Some("judges a webhook")
    }

    fn faults(&self, next: &mut Next<'_>, who: usize) {
        let world = next.from;
        let name = Who::Instance(who);
        if world.instances[who] != Instance::default() {
            next.fault(name, "dies", |world| {
                // The local store holds the view and its short cuts, and nothing that was not read
                // back.
                let Instance { read, short_cuts, .. } = world.instances[who];
                world.broker.log.end_session(who);
                world.instances[who] = Instance { read, short_cuts, ..Instance::default() };
            });
            next.fault(name, "dies and loses its disk", |world| {
                world.broker.log.end_session(who);
                world.instances[who] = Instance::default();
            });
        }
        let Some(request) = self.request(world, who).filter(|_| world.instances[who].epoch) else {
            return;
        };
        let is_commit = request == Request::Commit;
        if is_commit || !world.broker.is_prepared() {
            next.fault(name, "gets no answer to what was done", |world| {
                world.broker.take(request);
                self.lose(world, who);
            });
        }
        if world.broker.late.is_none() {
            next.fault(name, "gives up on a request that is still under way", |world| {
                world.broker.late = Some(request.orphaned());
                self.lose(world, who);
            });
        }
        if is_commit && world.broker.late.is_none() {
            next.fault(name, "commits at the second try; the first is still under way", |world| {
                self.advance(world, who);
                world.broker.late = Some(request);
            });
        }
        if is_commit && world.broker.txn == Txn::Open {
            next.fault(name, "is told that it committed, but the coordinator aborts", |world| {
                world.broker.decide(false);
                self.advance(world, who);
            });
        }
    }
}

const MARKS_EVENTS: &str = "writes the marker of the events";
const MARKS_STATE: &str = "writes the marker of the state";

fn broker_steps(next: &mut Next<'_>) {
    let name = Who::Broker;
    next.add_if(name, |world| world.broker.mark_events().then_some(MARKS_EVENTS));
    next.add_if(name, |world| world.broker.mark_state().then_some(MARKS_STATE));
    if next.from.broker.late.is_some() {
        next.add(name, "gets the late request", |world| world.broker.take_late());
    }
    if next.from.broker.txn == Txn::Open && next.from.faults > 0 {
        next.fault(name, "gives the open transaction up", |world| {
            world.raise_epoch(None);
            world.broker.decide(false);
        });
    }
}

/// One complete listing.
fn poll(world: &mut World, who: usize) -> Option<&'static str> {
    if world.instances[who].page.is_some() {
        return None;
    }
    world.instances[who].page = Some(world.source);
    Some("polls")
}
