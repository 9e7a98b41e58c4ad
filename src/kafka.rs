//! Everything generic about Kafka: clients, topics, partitions, one transaction, one ordered
//! reader, membership in a group.
//!
//! Nothing here knows what a record means. The calls of [`producer`], [`reader`] and [`group`]
//! block and belong on threads of their own; [`topics`] is asynchronous.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

pub mod embedded;
pub mod follower;
pub mod group;
pub mod partition;
pub mod producer;
pub mod reader;
mod refusal;
pub mod topics;

/// How to reach the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `host:port`, comma separated.
    pub bootstrap_servers: String,
    /// Further librdkafka properties, TLS and SASL among them. The configuration has refused those
    /// that the delivery protocol depends on.
    pub properties: BTreeMap<String, String>,
}

/// A call to Kafka failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The brokers did not answer in time, or not at all.
    #[error("no answer from the Kafka brokers while {attempt}")]
    Unreachable {
        attempt: String,
        #[source]
        source: KafkaError,
    },
    /// A topic does not exist, or a partition of it.
    #[error("the topic {topic} does not exist")]
    NoTopic { topic: String },
    /// TLS, SASL or ACLs say no.
    #[error("the Kafka brokers refused access while {attempt}")]
    Refused {
        attempt: String,
        #[source]
        source: KafkaError,
    },
    /// A newer producer with our `transactional.id` took over.
    #[error("another producer of this workspace took over")]
    Fenced,
    /// The group has given the topic to another instance, or is about to.
    #[error("the group does not give {topic} to this instance any more")]
    NotOurs { topic: String },
    /// Anything else.
    #[error("Kafka failed while {attempt}")]
    Failed {
        attempt: String,
        #[source]
        source: KafkaError,
    },
}

impl Error {
    /// Sorts a client error. `attempt` completes the sentence "failed while …".
    pub fn of(attempt: &str, source: KafkaError) -> Error {
        use RDKafkaErrorCode as Code;
        let attempt = attempt.to_owned();
        match code_of(&source) {
            Some(
                Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::MessageTimedOut
                | Code::Resolve
                | Code::LeaderNotAvailable
                | Code::NotEnoughReplicas
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotLeaderForPartition,
            ) => Error::Unreachable { attempt, source },
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::SSL,
            ) => Error::Refused { attempt, source },
            Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => Error::Fenced,
            _ => Error::Failed { attempt, source },
        }
    }

    /// Nothing came in time. `attempt` completes the sentence "failed while …".
    pub fn timed_out(attempt: &str) -> Error {
        Error::of(attempt, KafkaError::Global(RDKafkaErrorCode::OperationTimedOut))
    }

    /// What an operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::Unreachable { .. } => "check kafka.bootstrapServers and that the brokers are up",
            Error::NoTopic { .. } => {
                "create the topics with `atlar-ingestor setup`; if one was deleted, its events are \
                 lost: use another kafka.topicPrefix"
            }
            Error::Refused { .. } => "check kafka.security.* and the ACLs of this principal",
            Error::Fenced => {
                "nothing to do after a takeover or an operator's command, which may be given again; if \
                 it goes on, something outside this deployment uses the workspace's transactional.id"
            }
            Error::NotOurs { .. } => "nothing to do: this instance stands by",
            Error::Failed { .. } => "see the cause; the brokers' logs say more",
        }
    }

    /// Whether waiting may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Unreachable { .. }
            | Error::Failed { .. }
            | Error::Fenced
            | Error::NotOurs { .. } => true,
            Error::NoTopic { .. } | Error::Refused { .. } => false,
        }
    }
}

/// The code inside a client error, where it has one.
pub fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(inner) => Some(inner.code()),
        other => other.rdkafka_error_code(),
    }
}

impl Options {
    /// Settings common to every client of ours.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "atlar-ingestor")
            .set("reconnect.backoff.max.ms", "2000")
            .set("socket.keepalive.enable", "true")
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// How often and for how long a start waits for one answer.
    pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
}

/// Sends librdkafka's own log lines to ours. Its chatter about brokers that come and go is of use
/// only when something is wrong, and then our own error says so: hence the low levels.
#[derive(Debug, Clone, Default)]
pub struct QuietContext;

/// Forwards one line of librdkafka.
pub(crate) fn forward_log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(target: "librdkafka", facility, "{text}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}

impl ClientContext for QuietContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        forward_log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl rdkafka::consumer::ConsumerContext for QuietContext {}
