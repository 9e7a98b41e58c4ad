//! The program against a real broker and a real registry: `scripts/test --tier broker` starts both.
//!
//! Each test has a workspace with topics, a bank and a store folder of its own, and runs the real
//! binary as a child process. What is on the topics is read with a client of the test's own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "support/bank.rs"]
mod bank;
#[path = "support/coherence.rs"]
mod coherence;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/program.rs"]
mod program;
#[path = "support/services.rs"]
mod services;
#[path = "support/topics.rs"]
mod topics;
#[path = "support/waiting.rs"]
mod waiting;
#[path = "support/workspace.rs"]
mod workspace;

#[path = "broker/compaction.rs"]
mod compaction;
#[path = "broker/connectors.rs"]
mod connectors;
#[path = "broker/consumer.rs"]
mod consumer;
#[path = "broker/dry_run.rs"]
mod dry_run;
#[path = "broker/generations.rs"]
mod generations;
#[path = "broker/group.rs"]
mod group;
#[path = "broker/group_id.rs"]
mod group_id;
#[path = "broker/kill.rs"]
mod kill;
#[path = "broker/life.rs"]
mod life;
#[path = "broker/rebuild.rs"]
mod rebuild;
#[path = "broker/releases.rs"]
mod releases;
#[path = "broker/rivals.rs"]
mod rivals;
#[path = "broker/secure.rs"]
mod secure;
#[path = "broker/setup.rs"]
mod setup;
#[path = "broker/several.rs"]
mod several;
#[path = "broker/stop.rs"]
mod stop;
#[path = "broker/store.rs"]
mod store;
