//! The one writer of a workspace: commits batches and reads them back.
//!
//! Everything here blocks and runs on the writer's own thread. See [`crate::publish`] for the
//! protocol and [`crate::recover`] for the only way in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::batch::{Batch, Write};
use super::past::History;
use super::topics::Names;
use crate::crash::{self, Point};
use crate::kafka::group::Lease;
use crate::kafka::producer::{Outgoing, Producer, Producers, TRANSACTION_TIMEOUT_MS};
use crate::kafka::reader::{Next, Reader};
use crate::kafka::topics::Admin;
use crate::kafka::{self, Options};
use crate::state::control::{Manifest, PartitionTotal};
use crate::state::record::EventLocation;
use crate::state::view::Read;
use crate::state::{self, Control};

/// Everything of a transaction is over before the broker would abort it.
const TRANSACTION_TIME_MAX: Duration = Duration::from_millis(TRANSACTION_TIMEOUT_MS as u64 - 5_000);
/// For taking the epoch. It waits for the markers of a predecessor's transaction, which take
/// milliseconds; longer than this, and the brokers are in trouble: say so.
const INIT_TIME_MAX: Duration = Duration::from_secs(20);
/// A manifest that does not come back within this time was not committed, whatever the answer said.
const READ_BACK_TIMEOUT: Duration = Duration::from_secs(30);
const STATE_PARTITION: i32 = 0;

/// Why a batch is not known to be committed, or a workspace not acquired.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    State(#[from] state::Error),
    /// The compare-and-set failed: our view is not what the log holds.
    #[error(
        "somebody else wrote to the state topic: a record lies at {found}, expected behind {tail}"
    )]
    Moved { tail: i64, found: i64 },
    /// The commit was answered, but the log does not hold it.
    #[error("batch {batch_no} did not come back from the state topic")]
    NotReadBack { batch_no: u64 },
    /// A foreign session began after ours.
    #[error("another instance acquired the workspace")]
    TakenOver,
    #[error("the state topic is empty: this workspace has never been set up")]
    NotSetUp,
    /// No state beside events: it was lost, and everything would be published again.
    #[error("the state topic is empty, but {topic} holds events")]
    StateLost { topic: String },
    /// A rebuild broke off.
    #[error("the state was lost, and only a part of it has been taken from the events yet")]
    Partial,
    /// There is another genesis than in our view: somebody rebuilt, or set up anew.
    #[error("the state topic is not the one of before: it was lost, and begun anew")]
    Replaced,
    /// What genesis pins differs from the configuration.
    #[error("{0}")]
    Pinned(String),
    /// The API's host differs: another company's data, or the same bank at a new address.
    #[error("the host of baseUrl is {ours}, but this workspace was set up with {theirs}")]
    Host { ours: String, theirs: String },
    /// The deployment's group differs: somebody else's workspace, or a mistake.
    #[error("kafka.groupId is {ours}, but this workspace was set up with {theirs}")]
    Group { ours: String, theirs: String },
    /// The events of the last batch are not all there.
    #[error("the last batch is torn: {topic} partition {partition} lacks events of it")]
    Torn { topic: String, partition: i32 },
    /// The event that the state names is not in its topic.
    #[error("an event that the state names is not in {topic} any more")]
    HistoryGone { topic: String },
}

impl Error {
    /// What an operator can do.
    pub fn hint(&self) -> &str {
        match self {
            Error::Kafka(error) => error.hint(),
            Error::State(error) => error.hint(),
            Error::Moved { .. } | Error::TakenOver => {
                "nothing to do after a takeover or an operator's command, which may be given again; if \
                 it goes on, something outside this deployment writes to the state topic: see its ACLs"
            }
            Error::NotReadBack { .. } => "nothing was lost; it is diffed and published again",
            Error::NotSetUp => "run `atlar-ingestor setup` once",
            Error::StateLost { .. } => {
                "the state was lost: `atlar-ingestor state rebuild` takes it from the events; or \
                 use another kafka.topicPrefix"
            }
            Error::Partial => "run `atlar-ingestor state rebuild` again: it goes on to the end",
            Error::Replaced => {
                "let `atlar-ingestor state rebuild` come to its end, or run it again, and start anew"
            }
            Error::Host { .. } => {
                "another company needs another kafka.topicPrefix; the same one at a new address \
                 needs `atlar-ingestor setup --base-url URL` once"
            }
            Error::Group { .. } => {
                "use the value the workspace was set up with; to change it, stop every instance \
                 and run `atlar-ingestor setup --group-id GROUP` once"
            }
            Error::Pinned(_) => {
                "use the value the workspace was set up with, or another kafka.topicPrefix"
            }
            Error::Torn { .. } | Error::HistoryGone { .. } => {
                "event topics must keep their history; if it was deleted, set up a new kafka.topicPrefix"
            }
        }
    }

    /// Whether acquiring again may help. What no wait can mend stops the workspace.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Kafka(error) => error.is_transient(),
            Error::Moved { .. } | Error::NotReadBack { .. } | Error::TakenOver => true,
            Error::State(_)
            | Error::NotSetUp
            | Error::StateLost { .. }
            | Error::Partial
            | Error::Replaced
            | Error::Pinned(_)
            | Error::Group { .. }
            | Error::Host { .. }
            | Error::Torn { .. }
            | Error::HistoryGone { .. } => false,
        }
    }
}

/// See the module.
pub struct Writer {
    pub(crate) options: Options,
    pub(crate) group_id: String,
    pub(crate) names: Names,
    pub(crate) producers: Producers,
    pub(crate) history: History,
    /// Set while the workspace is ours.
    pub(crate) hold: Option<Hold>,
    /// What the group says; none for commands that take a workspace whoever has it.
    pub(crate) lease: Option<Lease>,
    /// What a standby reads on.
    pub(crate) following: Option<Reader>,
}

/// The workspace is ours, as far as we know.
pub(crate) struct Hold {
    pub session: Uuid,
    pub reader: Reader,
    /// Offset of our last committed record in the state topic.
    pub tail: i64,
}

impl Writer {
    pub fn new(options: Options, group_id: String, names: Names) -> std::io::Result<Writer> {
        let (id, topic) = (names.transactional_id(), names.state());
        let producers = Producers::start(options.clone(), id, topic)?;
        Ok(Writer {
            options,
            group_id,
            names,
            producers,
            history: History::default(),
            hold: None,
            lease: None,
            following: None,
        })
    }

    /// One that acquires and commits only while the group gives it the workspace.
    pub fn leased(mut self, lease: Lease) -> Writer {
        self.lease = Some(lease);
        self
    }

    /// Asks the group whether the workspace is still ours. Who is not the owner any more must not
    /// push out who is; it could not publish anything stale in either case.
    pub(crate) fn prove(&self, offset: i64) -> Result<(), Error> {
        self.lease.as_ref().map_or(Ok(()), |lease| Ok(lease.check(offset)?))
    }

    /// Identity of the cluster, as its brokers give it.
    pub(crate) fn cluster_id(&self) -> Result<String, Error> {
        Ok(Admin::connect(&self.options)?.cluster_id()?)
    }

    /// Publishes a batch. Returns its records as read back from the state topic, manifest last: the
    /// proof that it is committed, and what the view is fed with. After an error the workspace is
    /// not ours any more, and the log alone knows what became of the batch.
    pub fn commit(&mut self, mut batch: Batch) -> Result<Vec<Read>, Error> {
        let Some(mut hold) = self.hold.take() else { return Err(Error::TakenOver) };
        if self.lease.as_ref().is_some_and(Lease::is_stale) {
            self.prove(hold.tail + 1)?;
        }
        let producer = self.producers.take()?;
        let outcome = self.transact(&producer, &hold, &mut batch);
        // Also after an error: the next producer's epoch aborts what this one left.
        self.producers.retire(producer);
        outcome?;
        crash::point(Point::R);
        let reads = read_back(&mut hold, batch.batch_no)?;
        self.hold = Some(hold);
        Ok(reads)
    }

    /// Whether the workspace is ours still, as far as the log tells: an error where anybody has
    /// written to the state topic since our last batch. Waits for nothing.
    pub fn look(&mut self) -> Result<(), Error> {
        let Some(hold) = &self.hold else { return Err(Error::TakenOver) };
        match hold.reader.next(Duration::ZERO) {
            Ok(Next::End | Next::TimedOut) => Ok(()),
            // Brokers in trouble tell nothing; whoever has something to publish will see.
            Err(_) => Ok(()),
            Ok(Next::Record { offset, .. }) => {
                let tail = hold.tail;
                self.hold = None;
                Err(Error::Moved { tail, found: offset })
            }
        }
    }

    fn transact(&self, producer: &Producer, hold: &Hold, batch: &mut Batch) -> Result<(), Error> {
        let deadline = Instant::now() + TRANSACTION_TIME_MAX;
        producer.init(Instant::now() + INIT_TIME_MAX)?;
        crash::point(Point::J);
        producer.begin()?;
        crash::point(Point::K);
        for event in &mut batch.events {
            let headers = event.headers.take();
            let record = Outgoing {
                topic: &event.topic,
                partition: event.partition,
                key: &event.key,
                value: &event.value,
                headers,
            };
            producer.send(record, deadline)?;
        }
        let offsets =
            if batch.events.is_empty() { Vec::new() } else { producer.drain(deadline)? };
        crash::point(Point::L);
        let state_topic = self.names.state();
        let send = |key: &[u8], value: &[u8]| {
            let record = Outgoing {
                topic: &state_topic,
                partition: STATE_PARTITION,
                key,
                value,
                headers: None,
            };
            producer.send(record, deadline)
        };
        for write in &batch.writes {
            match write {
                Write::Control(control) => send(&control.key(), &control.value())?,
                Write::Entity { key, record, event } => {
                    let mut record = record.clone();
                    if let Some(number) = event {
                        record.event = location(batch, &offsets, *number);
                    }
                    send(key, &record.encode())?
                }
            };
        }
        let manifest = Control::Manifest(manifest(batch, &offsets, hold.session));
        send(&manifest.key(), &manifest.value())?;
        let all = producer.drain(deadline)?;
        compare_and_set(hold.tail, all.get(batch.events.len()..).unwrap_or_default())?;
        crash::point(Point::M);
        crash::point(Point::O);
        producer.commit(deadline)?;
        Ok(())
    }
}

fn location(batch: &Batch, offsets: &[i64], number: usize) -> Option<EventLocation> {
    let event = batch.events.get(number)?;
    let offset = *offsets.get(number)?;
    Some(EventLocation { partition: event.partition, offset })
}

fn manifest(batch: &Batch, offsets: &[i64], session: Uuid) -> Manifest {
    let mut totals: BTreeMap<(&str, i32), (u32, i64)> = BTreeMap::new();
    let mut change_xor = 0;
    for (event, offset) in batch.events.iter().zip(offsets) {
        let total = totals.entry((&event.topic, event.partition)).or_insert((0, -1));
        total.0 += 1;
        total.1 = total.1.max(*offset);
        change_xor ^= event.id.as_u64_pair().0;
    }
    let partitions = totals.into_iter().map(|((topic, partition), (count, last_offset))| {
        PartitionTotal { topic: topic.to_owned(), partition, count, last_offset }
    });
    Manifest {
        session,
        batch_no: batch.batch_no,
        state_records: u32::try_from(batch.writes.len()).unwrap_or(u32::MAX),
        events: u32::try_from(batch.events.len()).unwrap_or(u32::MAX),
        partitions: partitions.collect(),
        change_xor: format!("{change_xor:016x}"),
        inbox_offset: None,
    }
}

/// Behind our last record lies its commit marker, so the next record has the offset after that; the
/// embedded broker of the demo writes no marker. A record directly behind ours on a real broker is
/// not possible, so accepting both weakens nothing. The offsets come from the partition's leader
/// under acks=all: nobody can have written in between.
fn compare_and_set(tail: i64, offsets: &[i64]) -> Result<(), Error> {
    let first = offsets.first().copied().unwrap_or(-1);
    if first != tail + 2 && first != tail + 1 {
        return Err(Error::Moved { tail, found: first });
    }
    for (expected, offset) in (first..).zip(offsets) {
        if *offset != expected {
            return Err(Error::Moved { tail, found: *offset });
        }
    }
    Ok(())
}

fn read_back(hold: &mut Hold, batch_no: u64) -> Result<Vec<Read>, Error> {
    let deadline = Instant::now() + READ_BACK_TIMEOUT;
    let mut reads = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match hold.reader.next(left)? {
            Next::TimedOut => return Err(Error::NotReadBack { batch_no }),
            // The marker may reach the reader's broker a moment after the answer to the commit.
            Next::End if left.is_zero() => return Err(Error::NotReadBack { batch_no }),
            Next::End => {}
            Next::Record { offset, key, value } => {
                let read = Read { offset, key: key.unwrap_or_default(), value };
                let end = ends_batch(&read, hold.session, batch_no)?;
                reads.push(read);
                if end {
                    hold.tail = offset;
                    return Ok(reads);
                }
            }
        }
    }
}

/// Whether this is the manifest waited for; an error where the log shows another owner.
fn ends_batch(read: &Read, session: Uuid, batch_no: u64) -> Result<bool, Error> {
    let (Some(value), true) = (&read.value, state::control::is_control(&read.key)) else {
        return Ok(false);
    };
    match Control::decode(&read.key, value, read.offset)? {
        Some(Control::Session(_)) => Err(Error::TakenOver),
        Some(Control::Manifest(found)) if found.session != session => Err(Error::TakenOver),
        Some(Control::Manifest(found)) if found.batch_no != batch_no => {
            Err(state::Error::Chain { batch_no: found.batch_no, offset: read.offset }.into())
        }
        Some(Control::Manifest(_)) => Ok(true),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_right_behind_our_last_record_is_accepted() {
        assert!(compare_and_set(10, &[12, 13, 14]).is_ok());
        assert!(compare_and_set(10, &[11, 12]).is_ok(), "the embedded broker writes no marker");
        for offsets in [&[13, 14][..], &[10, 11], &[12, 14], &[14], &[]] {
            assert!(
                matches!(compare_and_set(10, offsets), Err(Error::Moved { .. })),
                "{offsets:?}"
            );
        }
    }

    #[test]
    fn the_log_shows_who_owns_the_workspace() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let batch = Batch { batch_no: 5, events: vec![], writes: vec![] };
        let read =
            |control: Control| Read { offset: 1, key: control.key(), value: Some(control.value()) };
        let manifest_of = |session| read(Control::Manifest(manifest(&batch, &[], session)));
        assert!(ends_batch(&manifest_of(ours), ours, 5).unwrap());
        assert!(matches!(ends_batch(&manifest_of(theirs), ours, 5), Err(Error::TakenOver)));
        assert!(matches!(
            ends_batch(&manifest_of(ours), ours, 6),
            Err(Error::State(state::Error::Chain { .. }))
        ));
        let other = read(Control::Organization("o".into()));
        assert!(!ends_batch(&other, ours, 5).unwrap());
    }
}
