//! How the sessions of a workspace began and ended, in words that operators can count on.

use serde::Serialize;

/// What an acquisition restored the state from, before it read the state topic on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// What this process knew from an earlier session, or as a standby.
    Memory,
    /// The local store.
    Store,
    /// Nothing: the state topic was read from its beginning.
    Topic,
}

impl Source {
    pub const ALL: [Source; 3] = [Source::Memory, Source::Store, Source::Topic];

    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Memory => "memory",
            Source::Store => "store",
            Source::Topic => "topic",
        }
    }
}

/// Why a session ended while the process went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Somebody else took the workspace, or wrote to its state topic.
    Fenced,
    /// The group gave the workspace to another instance.
    Group,
    /// Something was ordered that needs a session of its own.
    Ordered,
    /// The brokers did not answer, or failed.
    Kafka,
    /// A batch did not come back from the state topic as it was written.
    Log,
}

impl Loss {
    pub const ALL: [Loss; 5] = [Loss::Fenced, Loss::Group, Loss::Ordered, Loss::Kafka, Loss::Log];

    pub const fn as_str(self) -> &'static str {
        match self {
            Loss::Fenced => "fenced",
            Loss::Group => "group",
            Loss::Ordered => "ordered",
            Loss::Kafka => "kafka",
            Loss::Log => "log",
        }
    }
}

/// A session that ended.
#[derive(Debug, Clone, Serialize)]
pub struct Ended {
    pub at_ms: i64,
    pub reason: Loss,
    /// None where nothing failed.
    pub error: Option<String>,
}
