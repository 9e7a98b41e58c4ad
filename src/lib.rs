//! Polls an Atlar workspace and publishes every new or changed record, exactly once, as Avro
//! events on Kafka topics.

pub mod app;
pub mod atlar;
pub mod avro;
pub mod change;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod domain;
pub mod entropy;
pub mod failure;
pub mod http;
pub mod ingest;
pub mod json;
pub mod kafka;
pub mod map;
pub mod poll;
pub mod publish;
pub mod recover;
pub mod retry;
pub mod secret;
pub mod simulator;
pub mod state;
pub mod status;
pub mod store;
pub mod supervise;
pub mod telemetry;
#[cfg(feature = "crash-points")]
pub mod variant;
