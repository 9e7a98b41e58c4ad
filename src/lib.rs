//! Polls an Atlar workspace and publishes every new or changed record, exactly once, as Avro
//! events on Kafka topics.

pub mod change;
pub mod clock;
pub mod entropy;
pub mod json;
pub mod kafka;
pub mod state;
pub mod store;
