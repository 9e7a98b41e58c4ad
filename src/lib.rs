//! Polls an Atlar workspace and publishes every new or changed record, exactly once, as Avro
//! events on Kafka topics.

pub mod avro;
pub mod clock;
pub mod domain;
pub mod json;
pub mod map;
