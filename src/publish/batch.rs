//! One batch: what goes into one transaction.

use rdkafka::message::OwnedHeaders;
use uuid::Uuid;

use crate::domain::{Entity, Op};
use crate::state::{Control, StateRecord};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Change {
        entity: Entity,
        op: Op,
    },
    /// A record that cannot become a change.
    DeadLetter,
}

impl What {
    /// The last part of its topic's name.
    pub fn name(self) -> &'static str {
        match self {
            What::Change { entity, .. } => entity.as_str(),
            What::DeadLetter => "dead-letter",
        }
    }

    /// The letter of the operation; `!` for a dead letter.
    pub fn op(self) -> &'static str {
        match self {
            What::Change { op, .. } => op.as_str(),
            What::DeadLetter => "!",
        }
    }
}

/// An event, encoded.
#[derive(Debug)]
pub struct Event {
    pub topic: String,
    pub partition: i32,
    /// Entity id; of a dead letter its stream, `/`, and the record's id.
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// Taken when the event is sent: a copy of a dozen headers costs as much as encoding them.
    pub headers: Option<OwnedHeaders>,
    /// `ce_id`.
    pub id: Uuid,
    pub what: What,
    pub change_no: u64,
}

/// A record for the state topic.
#[derive(Debug)]
pub enum Write {
    Entity {
        key: Vec<u8>,
        /// Its `event` is filled in once the broker has acknowledged the event.
        record: StateRecord,
        /// Index of its event in the batch; none for a state-only record.
        event: Option<usize>,
    },
    Control(Control),
}

/// See the module.
#[derive(Debug)]
pub struct Batch {
    /// One more than that of the batch before.
    pub batch_no: u64,
    pub events: Vec<Event>,
    pub writes: Vec<Write>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.writes.is_empty()
    }
}
