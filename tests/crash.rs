//! Exactly once, proven by killing it: `scripts/test --tier crash`, `scripts/crash` for many runs.
//!
//! A story (crash/story.rs) is one workspace on a real broker that suffers one blow after another:
//! `kill -9` at a named point of the program (src/crash.rs) or at a moment that the dice choose, a
//! pause with another process in between, a store that is deleted, damaged or somebody else's.
//! After each blow it must recover, and at the end every record of the bank must be published as it
//! is now, with changes numbered without gap or repeat. The seed names the story: a failing one
//! prints it and keeps its folder.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

macro_rules! support {
    ($($name:ident: $path:literal;)*) => {
        $(#[path = $path]
        #[expect(dead_code, reason = "shared with the tests of the broker")]
        mod $name;)*
    };
}

support! {
    bank: "support/bank.rs";
    program: "support/program.rs";
    services: "support/services.rs";
    topics: "support/topics.rs";
    workspace: "support/workspace.rs";
}
#[path = "support/coherence.rs"]
mod coherence;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/waiting.rs"]
mod waiting;

#[path = "crash/blow.rs"]
#[expect(dead_code, reason = "more of it happens in crash_mix.rs")]
mod blow;
#[path = "crash/broker.rs"]
mod broker;
#[path = "crash/checks.rs"]
mod checks;
#[path = "crash/dice.rs"]
mod dice;
#[path = "crash/held.rs"]
mod held;
#[path = "crash/late.rs"]
mod late;
#[path = "crash/points.rs"]
mod points;
#[path = "crash/registry.rs"]
mod registry;
#[path = "crash/story.rs"]
mod story;
