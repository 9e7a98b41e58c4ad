//! What is explored: scenes with their bounds, and the flaws that the exploration must find.

use super::world::ENTITIES;

/// What the source serves of an entity at one time. Without a content it is gone; a version of 0
/// stands for an entity that has none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Served {
    pub content: u8,
    pub version: u8,
}

const GONE: Served = Served { content: 0, version: 0 };

const fn value(content: u8) -> Served {
    Served { content, version: 0 }
}

const fn version(version: u8, content: u8) -> Served {
    Served { content, version }
}

impl Served {
    pub fn is_gone(self) -> bool {
        self == GONE
    }
}

/// A small world.
pub struct Scene {
    pub name: &'static str,
    /// The states that each entity goes through at the source, in order. A state's number in this
    /// list, from 1, is its serial; 0 is an entity that never was.
    pub scripts: [&'static [Served]; ENTITIES],
    /// The first state of each entity is published already.
    pub begun: bool,
    /// Webhook records that arrive, of the first entity's states so far in any order.
    pub webhooks: u8,
    /// Faults that happen.
    pub faults: u8,
}

impl Scene {
    pub fn served(&self, entity: usize, serial: u8) -> Served {
        let place = usize::from(serial).checked_sub(1);
        place.and_then(|at| self.scripts[entity].get(at)).copied().unwrap_or(GONE)
    }
}

/// A balance has no version. Two faults meet.
pub static VALUE: Scene = Scene {
    name: "a value",
    scripts: [&[value(1), value(2)], &[]],
    begun: false,
    webhooks: 0,
    faults: 2,
};

/// A balance's value comes back.
pub static RETURN: Scene = Scene {
    name: "a value that comes back",
    scripts: [&[value(1), value(2), value(1)], &[]],
    begun: false,
    webhooks: 0,
    faults: 0,
};

/// Two entities in one batch; of the one a version moves without the content.
pub static SEVERAL: Scene = Scene {
    name: "two entities",
    scripts: [&[version(1, 1), version(2, 1)], &[value(1)]],
    begun: false,
    webhooks: 0,
    faults: 1,
};

/// Webhooks beside the listings: late, doubled, in any order.
pub static WEBHOOKS: Scene = Scene {
    name: "webhooks",
    scripts: [&[version(1, 1), version(2, 2)], &[]],
    begun: true,
    webhooks: 2,
    faults: 0,
};

/// An entity is deleted and returns; a webhook comes from any of its lives.
pub static DELETES: Scene = Scene {
    name: "deletes",
    scripts: [&[version(1, 1), GONE, version(3, 2)], &[]],
    begun: true,
    webhooks: 1,
    faults: 0,
};

/// A rule that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// A batch is committed wherever its records lie.
    NoOffsetCheck,
    /// One epoch for all batches of a session.
    SessionLongEpoch,
    /// The view is what was read before the epoch was taken, the place of the next record the end
    /// of the log after it.
    NoBarrier,
    /// A page that was received in an earlier session is judged in the next.
    PolledDataReused,
    /// Short cuts outlive the records that others wrote about their entities.
    ShortCutKept,
    /// What was diffed counts as known although its batch failed.
    OverlayKept,
    /// The manifest holds the inbox's end instead of the next record to judge.
    InboxOffsetAhead,
    /// The session record holds the inbox offset, as known when it is written.
    InboxOffsetInBarrier,
    /// Nobody tells an owner that another one took over: it learns it from its own next batch.
    OwnerNotTold,
    /// A webhook creates a deleted entity.
    WebhookOverDelete,
    /// A delete goes on although a webhook told of a newer state meanwhile.
    DeleteOverWebhook,
}

impl Flaw {
    pub const ALL: [Flaw; 11] = [
        Flaw::NoOffsetCheck,
        Flaw::SessionLongEpoch,
        Flaw::NoBarrier,
        Flaw::PolledDataReused,
        Flaw::ShortCutKept,
        Flaw::OverlayKept,
        Flaw::InboxOffsetAhead,
        Flaw::InboxOffsetInBarrier,
        Flaw::OwnerNotTold,
        Flaw::WebhookOverDelete,
        Flaw::DeleteOverWebhook,
    ];

    /// Where it shows.
    pub fn scene(self) -> &'static Scene {
        match self {
            Flaw::NoOffsetCheck
            | Flaw::NoBarrier
            | Flaw::PolledDataReused
            | Flaw::ShortCutKept
            | Flaw::OverlayKept
            | Flaw::OwnerNotTold => &RETURN,
            Flaw::SessionLongEpoch => &SEVERAL,
            Flaw::InboxOffsetAhead | Flaw::InboxOffsetInBarrier => &WEBHOOKS,
            Flaw::WebhookOverDelete | Flaw::DeleteOverWebhook => &DELETES,
        }
    }
}
