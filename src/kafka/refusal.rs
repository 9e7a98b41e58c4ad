//! Why brokers do not let us in.
//!
//! A client whose password or certificate is refused goes on trying, and what was asked of it ends
//! in a mere time-out. Only the client's events tell the reason, so they are asked for after one.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{Error, Options, QuietContext};

/// Refusals come with the first connection, in milliseconds.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// By then they are there to be read.
const EVENTS_TIME: Duration = Duration::from_secs(1);

impl Options {
    /// What a new client's first question really failed from, where TLS or SASL are in use.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Unreachable { attempt, source } if self.is_secured() => {
                self.refusal(&attempt).unwrap_or(Error::Unreachable { attempt, source })
            }
            error => error,
        }
    }

    fn is_secured(&self) -> bool {
        let protocol = self.properties.get("security.protocol");
        protocol.is_some_and(|protocol| !protocol.eq_ignore_ascii_case("plaintext"))
    }

    fn refusal(&self, attempt: &str) -> Option<Error> {
        let mut config = self.client();
        // librdkafka wants a group to be named; nothing is ever joined or committed.
        config.set("group.id", "atlar-ingestor").set("enable.auto.commit", "false");
        let consumer: BaseConsumer<QuietContext> = config.create_with_context(QuietContext).ok()?;
        // It connects only when it is asked something; the answer is of no use.
        let _ = consumer.fetch_metadata(None, PROBE_TIME);
        let deadline = Instant::now() + EVENTS_TIME;
        while Instant::now() < deadline {
            // Log lines come on the same way and end a poll as well, with nothing to show.
            let Some(Err(source)) = consumer.poll(EVENTS_TIME) else { continue };
            let error = Error::of(attempt, source);
            if matches!(error, Error::Refused { .. }) {
                return Some(error);
            }
        }
        None
    }
}
