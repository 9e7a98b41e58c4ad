//! One batch: what goes into one transaction.

use rdkafka::message::OwnedHeaders;
use uuid::Uuid;

use crate::domain::{Entity, Op};
use crate::state::{Control, StateRecord};

/// A change event, encoded.
#[derive(Debug)]
pub struct Event {
    pub topic: String,
    pub partition: i32,
    /// Entity id.
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// Taken when the event is sent: a copy of a dozen headers costs as much as encoding them.
    pub headers: Option<OwnedHeaders>,
    /// `ce_id`.
    pub id: Uuid,
    pub entity: Entity,
    pub op: Op,
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
