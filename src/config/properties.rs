//! Properties of librdkafka that `kafka.properties` must not set: those that the exactly-once
//! protocol depends on, and those that have a key of their own.

/// Why a property is refused, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub message: &'static str,
    pub advice: String,
}

/// The commit protocol is proven for one value of each of these. `session.timeout.ms` is not among
/// them: it decides only how soon the group notices a crash.
const PROTOCOL: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "enabled_events",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.poll.interval.ms",
    "message.send.max.retries",
    "message.timeout.ms",
    "offset.store.method",
    "partition.assignment.strategy",
    "partitioner",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "socket.timeout.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// These are set by a key, which validates them and keeps secrets out of sight.
const KEYED: &[(&str, &str)] = &[
    ("bootstrap.servers", "kafka.bootstrapServers"),
    ("metadata.broker.list", "kafka.bootstrapServers"),
    ("group.id", "kafka.groupId"),
    ("security.protocol", "kafka.security.protocol"),
    ("sasl.mechanism", "kafka.security.mechanism"),
    ("sasl.mechanisms", "kafka.security.mechanism"),
    ("sasl.username", "kafka.security.username"),
    ("sasl.password", "kafka.security.passwordFile"),
    ("ssl.ca.location", "kafka.security.caFile"),
    ("ssl.certificate.location", "kafka.security.certificateFile"),
    ("ssl.key.location", "kafka.security.keyFile"),
    ("ssl.key.pem", "kafka.security.keyFile"),
    ("ssl.key.password", "kafka.security.keyPasswordFile"),
    ("ssl.endpoint.identification.algorithm", "kafka.security.verifyHostname"),
    ("enable.ssl.certificate.verification", "kafka.security.caFile"),
];

/// These would run code or carry secrets.
const UNSAFE: &[&str] = &[
    "plugin.library.paths",
    "sasl.kerberos.kinit.cmd",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "ssl.keystore.password",
    "ssl.providers",
];

/// Why a property cannot be set, if it cannot.
pub(crate) fn refusal(property: &str) -> Option<Refusal> {
    let property = property.trim().to_ascii_lowercase();
    // Properties with this beginning are for topics; librdkafka takes them without it as well.
    let property = property.strip_prefix("topic.").unwrap_or(&property);
    if PROTOCOL.contains(&property) {
        let message = "exactly-once delivery depends on this property";
        return Some(Refusal { message, advice: "take it out".to_owned() });
    }
    if let Some((_, key)) = KEYED.iter().find(|(name, _)| *name == property) {
        let message = "this property has a key of its own";
        return Some(Refusal { message, advice: format!("use `{key}`") });
    }
    UNSAFE.contains(&property).then(|| Refusal {
        message: "this property could run code or show a secret",
        advice: "take it out".to_owned(),
    })
}

/// True when the value of such a property is better not shown.
pub(crate) fn may_be_secret(property: &str) -> bool {
    let property = property.to_ascii_lowercase();
    ["password", "secret", "token", "key.pem", "oauthbearer"].iter().any(|w| property.contains(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_by_name() {
        let check = |property: &str, refused: bool| {
            assert_eq!(refusal(property).is_some(), refused, "{property}");
        };
        check("transactional.id", true);
        check("Enable.Idempotence", true);
        check("topic.acks", true);
        check("isolation.level", true);
        check("bootstrap.servers", true);
        check("linger.ms", false);
        check("client.id", false);
        check("session.timeout.ms", false);
        let advice = refusal("group.id").map(|refusal| refusal.advice);
        assert_eq!(advice.as_deref(), Some("use `kafka.groupId`"));
    }
}
