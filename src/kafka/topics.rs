//! Topics as they should be, as they are, and the difference.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;

use tokio_util::sync::CancellationToken;

use super::reader::missing_topic;
use super::{Error, Options, QuietContext};
use crate::retry;

/// How long a broker may take to create topics.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two looks for the leader of a new partition.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// A setting of a topic, and whether the promise depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub value: &'static str,
    /// A difference would lose or repeat data: `run` refuses to start.
    pub binding: bool,
}

const fn binding(name: &'static str, value: &'static str) -> Setting {
    Setting { name, value, binding: true }
}

const fn advised(name: &'static str, value: &'static str) -> Setting {
    Setting { name, value, binding: false }
}

/// The history of changes: never compacted, never expired.
pub const HISTORY: &[Setting] = &[
    binding("cleanup.policy", "delete"),
    binding("retention.ms", "-1"),
    binding("retention.bytes", "-1"),
    advised("message.timestamp.type", "LogAppendTime"),
    advised("unclean.leader.election.enable", "false"),
];

/// Kept for as long as the history, but nothing depends on it.
pub const MARKERS: &[Setting] = &[
    advised("cleanup.policy", "delete"),
    advised("retention.ms", "-1"),
    advised("message.timestamp.type", "LogAppendTime"),
];

/// What could not be published, for 90 days.
pub const DEAD_LETTERS: &[Setting] = &[
    advised("cleanup.policy", "delete"),
    advised("retention.ms", "7776000000"),
    advised("message.timestamp.type", "LogAppendTime"),
];

/// The compacted truth. The hour before compaction keeps the recent chain of manifests whole; the
/// tombstone retention is far above any restore.
pub const STATE: &[Setting] = &[
    binding("cleanup.policy", "compact"),
    advised("min.compaction.lag.ms", "3600000"),
    advised("max.compaction.lag.ms", "21600000"),
    advised("min.cleanable.dirty.ratio", "0.2"),
    advised("segment.bytes", "134217728"),
    advised("segment.ms", "21600000"),
    advised("delete.retention.ms", "604800000"),
    advised("message.timestamp.type", "LogAppendTime"),
    advised("unclean.leader.election.enable", "false"),
];

/// Verified deliveries and commands, for 7 days.
pub const INBOX: &[Setting] = &[
    advised("cleanup.policy", "delete"),
    advised("retention.ms", "604800000"),
    advised("message.timestamp.type", "LogAppendTime"),
];

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub partitions: i32,
    pub settings: &'static [Setting],
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actual {
    pub partitions: i32,
    pub settings: BTreeMap<String, String>,
}

/// A difference between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    Missing {
        topic: String,
        partitions: i32,
    },
    Partitions {
        topic: String,
        actual: i32,
        wanted: i32,
    },
    Setting {
        topic: String,
        name: &'static str,
        actual: String,
        wanted: &'static str,
        binding: bool,
    },
}

impl Difference {
    /// Whether `run` must not go on with it.
    pub fn breaks_promise(&self) -> bool {
        match self {
            Difference::Missing { .. } | Difference::Partitions { .. } => true,
            Difference::Setting { binding, .. } => *binding,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing { topic, partitions } => {
                write!(f, "{topic}: does not exist, expected with {partitions} partition(s)")
            }
            Difference::Partitions { topic, actual, wanted } => {
                write!(f, "{topic}: has {actual} partition(s), expected {wanted}")
            }
            Difference::Setting { topic, name, actual, wanted, .. } => {
                write!(f, "{topic}: {name} is {actual}, expected {wanted}")
            }
        }
    }
}

/// Compares. An actual setting that the broker does not report counts as different.
pub fn compare(wanted: &[Wanted], actual: &BTreeMap<String, Actual>) -> Vec<Difference> {
    let mut differences = Vec::new();
    for topic in wanted {
        let Some(found) = actual.get(&topic.name) else {
            differences.push(Difference::Missing {
                topic: topic.name.clone(),
                partitions: topic.partitions,
            });
            continue;
        };
        if found.partitions != topic.partitions {
            differences.push(Difference::Partitions {
                topic: topic.name.clone(),
                actual: found.partitions,
                wanted: topic.partitions,
            });
        }
        for setting in topic.settings {
            let value = found.settings.get(setting.name).map_or("unknown", String::as_str);
            if value != setting.value {
                differences.push(Difference::Setting {
                    topic: topic.name.clone(),
                    name: setting.name,
                    actual: value.to_owned(),
                    wanted: setting.value,
                    binding: setting.binding,
                });
            }
        }
    }
    differences
}

/// The administrative side of a cluster.
pub struct Admin {
    client: Arc<AdminClient<QuietContext>>,
    options: Options,
}

impl Admin {
    pub fn connect(options: &Options) -> Result<Admin, Error> {
        let client = AdminClient::from_config_and_context(&options.client(), QuietContext)
            .map_err(|source| Error::of("connecting to Kafka", source))?;
        Ok(Admin { client: Arc::new(client), options: options.clone() })
    }

    fn inner(&self) -> &Client<QuietContext> {
        self.client.inner()
    }

    /// Number of brokers, and those of the named topics that exist.
    pub async fn look(&self, names: &[String]) -> Result<(usize, BTreeMap<String, i32>), Error> {
        let attempt = "asking for the list of topics";
        let (client, options) = (Arc::clone(&self.client), self.options.clone());
        // The call blocks for as long as no broker answers, and a stop must not wait for that.
        let asked = tokio::task::spawn_blocking(move || {
            let answer = client.inner().fetch_metadata(None, Options::ANSWER_TIMEOUT);
            answer.map_err(|source| options.explain(Error::of(attempt, source)))
        });
        let metadata =
            asked.await.unwrap_or_else(|_| Err(Error::of(attempt, KafkaError::Canceled)))?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let found = topics
            .filter(|topic| names.iter().any(|name| name == topic.name()))
            .map(|topic| {
                (topic.name().to_owned(), i32::try_from(topic.partitions().len()).unwrap_or(0))
            })
            .collect();
        Ok((metadata.brokers().len(), found))
    }

    /// Identity of the cluster, as its brokers give it.
    pub fn cluster_id(&self) -> Result<String, Error> {
        self.inner()
            .fetch_cluster_id(Options::ANSWER_TIMEOUT)
            .ok_or_else(|| Error::timed_out("asking for the cluster's id"))
    }

    /// First and next offset of a partition, as a reader of committed data sees them.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        self.inner().fetch_watermarks(topic, partition, Options::ANSWER_TIMEOUT).map_err(|source| {
            missing_topic(topic, &format!("asking for the offsets of {topic}"), source)
        })
    }

    /// Live members of a consumer group.
    pub fn group_members(&self, group_id: &str) -> Result<usize, Error> {
        let groups = self
            .inner()
            .fetch_group_list(Some(group_id), Options::ANSWER_TIMEOUT)
            .map_err(|source| Error::of(&format!("asking for the group {group_id}"), source))?;
        let found = groups.groups().iter().filter(|group| group.name() == group_id);
        Ok(found.map(|group| group.members().len()).sum())
    }

    /// The wanted topics as they are.
    pub async fn describe(&self, wanted: &[Wanted]) -> Result<BTreeMap<String, Actual>, Error> {
        let names: Vec<String> = wanted.iter().map(|topic| topic.name.clone()).collect();
        let (_, partitions) = self.look(&names).await?;
        let existing: Vec<&String> = partitions.keys().collect();
        if existing.is_empty() {
            return Ok(BTreeMap::new());
        }
        let resources: Vec<ResourceSpecifier<'_>> =
            existing.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let attempt = "asking for the settings of topics";
        let answers = self
            .client
            .describe_configs(&resources, &admin_options())
            .await
            .map_err(|source| Error::of(attempt, source))?;
        let mut actual = BTreeMap::new();
        for (name, answer) in existing.into_iter().zip(answers) {
            let resource = answer.map_err(|code| Error::of(attempt, KafkaError::AdminOp(code)))?;
            let settings = resource.entries.into_iter();
            let settings = settings.filter_map(|entry| Some((entry.name, entry.value?))).collect();
            let count = partitions.get(name).copied().unwrap_or(0);
            actual.insert(name.clone(), Actual { partitions: count, settings });
        }
        Ok(actual)
    }

    /// Creates one topic; one that exists by now is no error. Returns once its partitions have a
    /// leader that answers.
    pub async fn create(&self, topic: &Wanted, replication: i32) -> Result<(), Error> {
        let attempt = format!("creating the topic {}", topic.name);
        let mut new =
            NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(replication));
        for setting in topic.settings {
            new = new.set(setting.name, setting.value);
        }
        let min_isr = if replication >= 3 { "2" } else { "1" };
        new = new.set("min.insync.replicas", min_isr);
        let results = self
            .client
            .create_topics([&new], &admin_options())
            .await
            .map_err(|source| Error::of(&attempt, source))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(Error::of(&attempt, KafkaError::AdminOp(code))),
            }
        }
        self.wait_for_leaders(topic).await
    }

    /// Brokers learn of a new topic a moment after the controller has answered. Asked for is the
    /// metadata itself: a client that looked for offsets too early remembers for half a minute that
    /// there are none.
    async fn wait_for_leaders(&self, topic: &Wanted) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + Options::ANSWER_TIMEOUT;
        let never = CancellationToken::new();
        while !self.has_leaders(topic)? {
            if tokio::time::Instant::now() >= deadline {
                return Err(Error::NoTopic { topic: topic.name.clone() });
            }
            // Nobody cancels this token: the wait cannot fail.
            let _ = retry::sleep(LEADER_PAUSE, &never).await;
        }
        Ok(())
    }

    fn has_leaders(&self, topic: &Wanted) -> Result<bool, Error> {
        let metadata = self
            .inner()
            .fetch_metadata(Some(&topic.name), Options::ANSWER_TIMEOUT)
            .map_err(|source| Error::of("asking for the leaders of a new topic", source))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic.name);
        Ok(found.is_some_and(|found| {
            let partitions = found.partitions();
            let led = |partition: &MetadataPartition| {
                partition.error().is_none() && partition.leader() >= 0
            };
            i32::try_from(partitions.len()) == Ok(topic.partitions) && partitions.iter().all(led)
        }))
    }
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT)).operation_timeout(Some(ADMIN_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actual(settings: &[(&str, &str)], partitions: i32) -> Actual {
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Actual { partitions, settings: settings.collect() }
    }

    #[test]
    fn differences_are_named_and_weighed() {
        let wanted = |name: &str, settings| Wanted { name: name.into(), partitions: 6, settings };
        let wanted = [wanted("a", HISTORY), wanted("b", HISTORY), wanted("c", MARKERS)];
        let good: Vec<_> = HISTORY.iter().map(|s| (s.name, s.value)).collect();
        let mut bad = good.clone();
        bad[0].1 = "compact";
        bad[3].1 = "CreateTime";
        let found =
            BTreeMap::from([("a".to_owned(), actual(&good, 6)), ("b".to_owned(), actual(&bad, 3))]);
        let differences = compare(&wanted, &found);
        let said: Vec<_> =
            differences.iter().map(|d| (d.to_string(), d.breaks_promise())).collect();
        assert_eq!(
            said,
            [
                ("b: has 3 partition(s), expected 6".to_owned(), true),
                ("b: cleanup.policy is compact, expected delete".to_owned(), true),
                (
                    "b: message.timestamp.type is CreateTime, expected LogAppendTime".to_owned(),
                    false
                ),
                ("c: does not exist, expected with 6 partition(s)".to_owned(), true),
            ]
        );
    }
}
