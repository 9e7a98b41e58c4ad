//! Headers of a change event: binary CloudEvents 1.0, and what recovery and audits need.
//!
//! Headers are not encrypted by field-level tools and land in user interfaces: no name, no account
//! number, no amount is ever in one.

use rdkafka::message::{Header, OwnedHeaders};
use uuid::{Uuid, uuid};

use crate::change::Print;
use crate::domain::Op;

use super::What;

/// UUIDv5 of `atlar-ingestor` in the URL namespace (RFC 9562): all our event ids lie in it.
pub const NAMESPACE: Uuid = uuid!("563ef20d-3a61-5ddf-934b-d12ece252a10");

/// Identity of an event: the same change has the same id however often it is computed.
pub fn event_id(topic: &str, entity_id: &str, change_no: u64) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{topic}/{entity_id}/{change_no}").as_bytes())
}

/// What the headers say.
pub struct Facts<'a> {
    pub id: Uuid,
    pub what: What,
    /// The event's key.
    pub subject: &'a str,
    pub organization_id: &'a str,
    /// RFC 3339 of the envelope's `ts_ms`.
    pub time: &'a str,
    /// Where the schema is found, without user name or password.
    pub schema_url: &'a str,
    pub stream: &'a str,
    pub batch_no: u64,
    pub print: Print,
}

/// `ce_type` of an event.
pub fn event_type(what: What) -> String {
    let happened = match what {
        What::Change { op: Op::Read, .. } => "snapshot",
        What::Change { op: Op::Create, .. } | What::DeadLetter => "created",
        What::Change { op: Op::Update, .. } => "updated",
        What::Change { op: Op::Delete, .. } => "deleted",
    };
    format!("atlar.{}.{happened}.v1", what.name())
}

/// The headers, in a fixed order.
pub fn headers(facts: &Facts<'_>) -> OwnedHeaders {
    let id = facts.id.as_hyphenated().to_string();
    let (trace, span) = facts.id.as_u64_pair();
    let source = format!("/atlar/{}/{}", facts.organization_id, facts.what.name());
    let pairs: [(&str, &str); 12] = [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_type", &event_type(facts.what)),
        ("ce_source", &source),
        ("ce_subject", facts.subject),
        ("ce_time", facts.time),
        ("ce_dataschema", facts.schema_url),
        ("content-type", "application/avro"),
        // Deterministic like the id: a replayed event belongs to the same trace (W3C Trace
        // Context).
        ("traceparent", &format!("00-{trace:016x}{span:016x}-{:016x}-00", span.max(1))),
        ("atlar_stream", facts.stream),
        ("atlar_batch", &facts.batch_no.to_string()),
        ("atlar_fingerprint", &facts.print.to_string()),
    ];
    let mut headers = OwnedHeaders::new_with_capacity(pairs.len());
    for (key, value) in pairs {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Entity;

    #[test]
    fn the_namespace_and_ids_are_those_documented() {
        assert_eq!(Uuid::new_v5(&Uuid::NAMESPACE_URL, b"atlar-ingestor"), NAMESPACE);
        let id = event_id("atlar.payment", "p", 1);
        assert_eq!(id, event_id("atlar.payment", "p", 1));
        assert_ne!(id, event_id("atlar.payment", "p", 2));
        assert_eq!(
            event_type(What::Change { entity: Entity::ExternalPayment, op: Op::Read }),
            "atlar.external-payment.snapshot.v1"
        );
    }
}
