//! Stories of many blows, told one at a time because they kill the broker too: `scripts/crash` tells
//! hundreds of them. See crash.rs for what a story is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

macro_rules! support {
    ($($name:ident: $path:literal;)*) => {
        $(#[path = $path]
        #[expect(dead_code, reason = "shared with other tests")]
        mod $name;)*
    };
}

support! {
    bank: "support/bank.rs";
    program: "support/program.rs";
    proxy: "support/proxy.rs";
    services: "support/services.rs";
    topics: "support/topics.rs";
    workspace: "support/workspace.rs";
}
#[path = "support/coherence.rs"]
mod coherence;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/waiting.rs"]
mod waiting;

#[path = "crash/blow.rs"]
mod blow;
#[path = "crash/broker.rs"]
mod broker;
#[path = "crash/dice.rs"]
mod dice;
#[path = "crash/late.rs"]
#[expect(dead_code, reason = "shared with crash.rs")]
mod late;
#[path = "crash/mix.rs"]
mod mix;
#[path = "crash/story.rs"]
mod story;
