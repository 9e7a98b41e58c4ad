//! Polls an Atlar workspace and publishes every new or changed record, exactly once, as Avro
//! events on Kafka topics.

pub mod cli;
pub mod clock;
pub mod config;
pub mod failure;
pub mod json;
pub mod secret;
pub mod telemetry;
