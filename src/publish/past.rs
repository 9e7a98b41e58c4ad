//! Events that were published earlier, read back by their places.
//!
//! The state record of an entity says where its last event lies, so what was published of it last
//! is one read away. Places are read in one ordered pass per partition, by one client: forward
//! where the gap is small, by a jump where it is not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Error;
use crate::kafka::reader::{Next, Reader};
use crate::kafka::{self, Options};

/// Records are polled through up to this gap: a jump costs a fetch of its own.
const GAP_MAX: i64 = 64;
/// For one record.
const RECORD_TIMEOUT: Duration = Duration::from_secs(30);

/// Where an event lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// An event as it lies in its topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastEvent {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Reads past events. The client is made when it is first needed, and kept: making one costs more
/// than what it reads.
#[derive(Default)]
pub struct History {
    reader: Option<Reader>,
}

impl History {
    /// Reads the events at these places, in the order wanted. Fails where one is not there any
    /// more.
    pub fn read(
        &mut self,
        options: &Options,
        group_id: &str,
        wanted: &[Past],
    ) -> Result<Vec<PastEvent>, Error> {
        let mut reader = self.reader.take();
        let found = read(&mut reader, options, group_id, wanted)?;
        // After an error the next call has a new one.
        self.reader = reader;
        Ok(found)
    }
}

fn read(
    kept: &mut Option<Reader>,
    options: &Options,
    group_id: &str,
    wanted: &[Past],
) -> Result<Vec<PastEvent>, Error> {
    let mut places: BTreeMap<(&str, i32), Vec<(i64, usize)>> = BTreeMap::new();
    for (at, past) in wanted.iter().enumerate() {
        places.entry((&past.topic, past.partition)).or_default().push((past.offset, at));
    }
    let mut found: Vec<PastEvent> = vec![PastEvent::default(); wanted.len()];
    for ((topic, partition), mut places) in places {
        places.sort_unstable();
        let (Some((first, _)), Some((farthest, _))) = (places.first(), places.last()) else {
            continue;
        };
        let reader = match kept {
            Some(reader) => reader,
            None => kept.insert(Reader::restless(options, group_id)?),
        };
        if !reader.turn_back(topic, partition, (*first, *farthest), RECORD_TIMEOUT)? {
            return Err(Error::HistoryGone { topic: topic.to_owned() });
        }
        let mut next = *first;
        let mut last: Option<(i64, PastEvent)> = None;
        for (offset, at) in places {
            if offset > next + GAP_MAX {
                reader.jump(offset)?;
            }
            let event = match &last {
                // Two entities never share an event, but a place may be wanted twice.
                Some((known, event)) if *known == offset => event.clone(),
                _ => at_offset(reader, topic, offset)?,
            };
            next = offset + 1;
            if let Some(slot) = found.get_mut(at) {
                slot.clone_from(&event);
            }
            last = Some((offset, event));
        }
    }
    Ok(found)
}

fn at_offset(reader: &Reader, topic: &str, wanted: i64) -> Result<PastEvent, Error> {
    let deadline = Instant::now() + RECORD_TIMEOUT;
    let gone = || Error::HistoryGone { topic: topic.to_owned() };
    loop {
        match reader.next(deadline.saturating_duration_since(Instant::now()))? {
            Next::Record { offset, .. } if offset < wanted => {}
            Next::Record { offset, key, value: Some(value) } if offset == wanted => {
                return Ok(PastEvent { key: key.unwrap_or_default(), value });
            }
            Next::Record { .. } => return Err(gone()),
            // The marker of its transaction may reach the reader's broker a moment later.
            Next::End if Instant::now() < deadline => {}
            Next::End => return Err(gone()),
            Next::TimedOut => return Err(kafka::Error::timed_out("reading past events").into()),
        }
    }
}
