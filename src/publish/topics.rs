//! The topics of a workspace.

use std::collections::BTreeMap;

use crate::domain::Entity;
use crate::kafka::topics::{self, Wanted};

/// Names of a workspace's topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Names {
    pub fn new(prefix: &str) -> Names {
        Names { prefix: prefix.to_owned() }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Topic of an entity's change events.
    pub fn entity(&self, entity: Entity) -> String {
        format!("{}.{}", self.prefix, entity.as_str())
    }

    pub fn scan(&self) -> String {
        format!("{}.scan", self.prefix)
    }

    pub fn dead_letter(&self) -> String {
        format!("{}.dead-letter", self.prefix)
    }

    pub fn state(&self) -> String {
        format!("{}.state", self.prefix)
    }

    pub fn inbox(&self) -> String {
        format!("{}.inbox", self.prefix)
    }

    /// One for each workspace, derived so that nobody can set it wrongly: two processes that write
    /// to one state topic always fence each other.
    pub fn transactional_id(&self) -> String {
        format!("{}-0", self.state())
    }

    /// The topics that hold change events.
    pub fn events(&self) -> Vec<String> {
        Entity::ALL.iter().map(|entity| self.entity(*entity)).collect()
    }

    /// Every topic as it should be.
    pub fn wanted(&self, partitions: i32) -> Vec<Wanted> {
        let topic = |name, partitions, settings| Wanted { name, partitions, settings };
        let mut wanted: Vec<Wanted> = self
            .events()
            .into_iter()
            .map(|name| topic(name, partitions, topics::HISTORY))
            .collect();
        wanted.push(topic(self.scan(), 1, topics::MARKERS));
        wanted.push(topic(self.dead_letter(), 1, topics::DEAD_LETTERS));
        wanted.push(topic(self.state(), 1, topics::STATE));
        wanted.push(topic(self.inbox(), 1, topics::INBOX));
        wanted
    }

    /// Partitions of each event topic, as genesis pins them.
    pub fn pinned_partitions(&self, partitions: i32) -> BTreeMap<String, i32> {
        self.events().into_iter().map(|name| (name, partitions)).collect()
    }
}
