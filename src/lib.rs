//! Polls an Atlar workspace and publishes every new or changed record, exactly once, as Avro
//! events on Kafka topics.

pub mod clock;
pub mod json;
pub mod simulator;
