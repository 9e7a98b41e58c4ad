//! Who is in a group, asked without joining it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::kafka::{Error, Options, QuietContext};

/// While the members of a group are called together the coordinator says nothing about them.
const SETTLE_TIME: Duration = Duration::from_secs(10);
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

/// A live member that takes part in sharing out a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// Its address, as the broker sees it.
    pub host: String,
}

/// A member of the group that subscribes to the topic, if there is one. A member that died counts
/// until its session is over. Blocks.
pub fn subscriber(
    options: &Options,
    group_id: &str,
    topic: &str,
) -> Result<Option<Subscriber>, Error> {
    let attempt = format!("asking who is in the group {group_id}");
    let failed = |source| options.explain(Error::of(&attempt, source));
    let client: BaseConsumer<QuietContext> =
        options.client().create_with_context(QuietContext).map_err(failed)?;
    let deadline = Instant::now() + SETTLE_TIME;
    loop {
        let groups =
            client.fetch_group_list(Some(group_id), Options::ANSWER_TIMEOUT).map_err(failed)?;
        let group = groups.groups().iter().find(|group| group.name() == group_id);
        let Some(group) = group.filter(|group| !group.members().is_empty()) else {
            return Ok(None);
        };
        if group.state() == "Stable" {
            let subscribes = |metadata: &[u8]| topics(metadata).any(|found| found == topic);
            let mut members = group.members().iter();
            let found = members.find(|member| member.metadata().is_some_and(subscribes));
            return Ok(found.map(|member| Subscriber { host: member.client_host().to_owned() }));
        }
        if Instant::now() >= deadline {
            // There are members, and nobody says whose they are.
            return Err(Error::timed_out(&format!("{attempt}, whose members are being called")));
        }
        std::thread::park_timeout(SETTLE_PAUSE);
    }
}

/// The topics of a subscription as the consumer protocol writes it: a version, then an array of
/// strings, then what does not matter here.
fn topics(metadata: &[u8]) -> impl Iterator<Item = &str> {
    let count = metadata.get(2..6).and_then(|bytes| bytes.try_into().ok());
    let count = count.map_or(0, i32::from_be_bytes).max(0);
    let mut rest = metadata.get(6..).unwrap_or_default();
    (0..count).map_while(move |_| {
        let length = rest.get(..2).and_then(|bytes| bytes.try_into().ok());
        let end = 2 + usize::try_from(i16::from_be_bytes(length?)).ok()?;
        let name = std::str::from_utf8(rest.get(2..end)?).ok()?;
        rest = rest.get(end..)?;
        Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_topics_of_a_subscription() {
        let bytes = b"\0\x01\0\0\0\x02\0\x03a.b\0\x01c\xff\xff\xff\xff";
        assert_eq!(topics(bytes).collect::<Vec<_>>(), ["a.b", "c"]);
        // Cut short, or something else altogether.
        assert_eq!(topics(&bytes[..12]).collect::<Vec<_>>(), ["a.b"]);
        for bytes in [&b""[..], b"\0\x01\xff\xff\xff\xff", b"\0\x01\0\0\0\x09\xff\xff"] {
            assert_eq!(topics(bytes).count(), 0, "{bytes:?}");
        }
    }
}
