//! Acquiring a workspace: the only way to become its writer, at start and after every error.
//!
//! ```text
//!  1. genesis        the first record of the state topic: is this our workspace?
//!  2. catch up       fold the state topic from where the view (memory, else local store) ends;
//!                    are host and group those on record?
//!  3. lease          the group says that the workspace is ours: no other live instance has it
//!  4. new epoch      init_transactions: who wrote before is fenced, its open transaction aborted
//!  5. barrier        commit a session record, and read the topic up to exactly that record
//!  6. audit          the events of the last batch are all there
//!  7. lease          once more: the steps before took their time
//! ```
//!
//! The lease keeps a standby, or an owner that slept, from pushing out the owner. Nothing else
//! rests on it: take it away, and two instances disturb each other, but publish nothing twice.
//!
//! After step 5 nobody else can commit, and the view is what the log holds below the barrier. What
//! was polled before is not trusted: the caller drops it and lists again. A crash at any point
//! leaves at most an open transaction, which the next step 4 aborts, or one more session record.
//!
//! The end of the log is found by the barrier and not by an offset, because the last records may be
//! transaction markers, which are never delivered.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::crash::{self, Point};
use crate::kafka::Options;
use crate::kafka::group::{Lease, Share};
use crate::kafka::producer::{Outgoing, Producer};
use crate::kafka::reader::{Next, Reader};
use crate::kafka::topics::Admin;
use crate::publish::writer::Hold;
use crate::publish::{Error, Writer};
use crate::state::control::{Genesis, Manifest, Session};
use crate::state::view::Read;
use crate::state::{Control, View};
use crate::store::{Doubt, Expected, Store};

/// For one step of an acquisition: a restore of a million records takes about a second.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two records while catching up.
const RECORD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a standby reads on before it looks around.
const FOLLOW_TIME: Duration = Duration::from_millis(500);
const FOLLOW_STEP: Duration = Duration::from_millis(100);
const STATE_PARTITION: i32 = 0;

/// What genesis, or a later record in its place, must say for this configuration to go on.
#[derive(Debug, Clone)]
pub struct Pinned {
    pub group_id: String,
    pub base_url_host: String,
    pub partitions: i32,
}

/// How an acquisition went, for operators.
#[derive(Debug, Clone)]
pub struct Report {
    pub session: Uuid,
    /// Records read from the state topic.
    pub read: u64,
    /// Why the local store was not used.
    pub doubt: Option<Doubt>,
}

/// Acquires the workspace for `writer`. On return `view` is complete and the writer may commit;
/// on an error it is the fold of some committed stretch of the log, good for the next attempt.
/// With a store, `view` is what the store holds, where that is believed.
pub fn acquire(
    writer: &mut Writer,
    view: &mut View,
    store: Option<&mut Store>,
    pinned: &Pinned,
    session: &Session,
) -> Result<Report, Error> {
    acquire_for(Purpose::Publishing, writer, view, store, pinned, session)
}

/// [`acquire`] for the one who takes a lost state from the events: what there is of it may be a
/// part only.
pub fn acquire_to_rebuild(
    writer: &mut Writer,
    view: &mut View,
    pinned: &Pinned,
    session: &Session,
) -> Result<Report, Error> {
    acquire_for(Purpose::Rebuilding, writer, view, None, pinned, session)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Publishing,
    Rebuilding,
}

fn acquire_for(
    purpose: Purpose,
    writer: &mut Writer,
    view: &mut View,
    store: Option<&mut Store>,
    pinned: &Pinned,
    session: &Session,
) -> Result<Report, Error> {
    crash::point(Point::A);
    writer.hold = None;
    writer.following = None;
    let state_topic = writer.names.state();
    let doubt = begin(writer, view, store, pinned)?;
    let reader = open(writer, &state_topic, view.next_offset)?;
    let mut read = catch_up(&reader, view)?;
    // Before the epoch is raised: who is not at home here must not push the owner out.
    check_on_record(view, pinned)?;
    if purpose == Purpose::Publishing && view.is_partial() {
        return Err(Error::Partial);
    }
    writer.prove(view.next_offset)?;

    crash::point(Point::B);
    let producer = writer.producers.take()?;
    let barrier = write_barrier(&producer, &state_topic, session);
    writer.producers.retire(producer);
    barrier?;
    let (tail, more) = read_to_barrier(&reader, view, session.id)?;
    read += more;
    // Once more: a setup may have written between the two.
    check_on_record(view, pinned)?;

    if let Some(manifest) = &view.manifest {
        audit(writer, manifest)?;
    }
    writer.prove(tail + 1)?;
    writer.hold = Some(Hold { session: session.id, reader, tail });
    Ok(Report { session: session.id, read, doubt })
}

/// Checks that this is our workspace; with a store, `view` becomes what it holds, where that is
/// believed.
fn begin(
    writer: &Writer,
    view: &mut View,
    store: Option<&mut Store>,
    pinned: &Pinned,
) -> Result<Option<Doubt>, Error> {
    let genesis = read_genesis(writer).map_err(|error| lost(writer, pinned, error))?;
    check_partitions(&genesis, pinned)?;
    if view.genesis.as_ref().is_some_and(|known| known.id != genesis.id) {
        return Err(Error::Replaced);
    }
    let Some(store) = store else { return Ok(None) };
    let state_topic = writer.names.state();
    let expected = Expected {
        cluster_id: writer.cluster_id()?,
        genesis: genesis.id,
        offsets: Admin::connect(&writer.options)?.offsets(&state_topic, STATE_PARTITION)?,
    };
    match store.load(&expected) {
        Ok(kept) => *view = kept,
        Err(reason) => return Ok(Some(reason)),
    }
    Ok(None)
}

/// Keeps the view of a standby current: reads on for a moment, or until the workspace is ours.
/// Returns how many records came.
pub fn follow(
    writer: &mut Writer,
    view: &mut View,
    store: Option<&mut Store>,
    pinned: &Pinned,
) -> Result<u64, Error> {
    let share = writer.lease.as_ref().map(Lease::share);
    let known = writer.following.take().filter(|_| share == Some(Share::Elsewhere));
    let reader = match known {
        Some(reader) => reader,
        // Where nobody is known to be the owner the brokers may be away: this asks them.
        None => {
            begin(writer, view, store, pinned)?;
            open(writer, &writer.names.state(), view.next_offset)?
        }
    };
    let deadline = Instant::now() + FOLLOW_TIME;
    let mut read = 0;
    while Instant::now() < deadline && writer.lease.as_ref().map(Lease::share) == share {
        match reader.next(FOLLOW_STEP)? {
            Next::Record { offset, key, value } => {
                view.apply(&Read { offset, key: key.unwrap_or_default(), value })?;
                read += 1;
            }
            Next::End => check_on_record(view, pinned)?,
            Next::TimedOut => {}
        }
    }
    writer.following = Some(reader);
    Ok(read)
}

/// The workspace's genesis: always the first record of the state topic, as `setup` writes it before
/// anything else and compaction keeps the last record of a key.
pub fn read_genesis(writer: &Writer) -> Result<Genesis, Error> {
    let reader = open(writer, &writer.names.state(), 0)?;
    match reader.next(RECORD_TIMEOUT)? {
        Next::End => Err(Error::NotSetUp),
        Next::TimedOut => Err(timed_out("reading the state topic")),
        Next::Record { offset, key, value } => {
            let key = key.unwrap_or_default();
            match Control::decode(&key, &value.unwrap_or_default(), offset)? {
                Some(Control::Genesis(genesis)) => Ok(genesis),
                _ => Err(crate::state::Error::Damaged { offset }.into()),
            }
        }
    }
}

/// An empty state topic beside events is no workspace that was never set up.
fn lost(writer: &Writer, pinned: &Pinned, error: Error) -> Error {
    match error {
        Error::NotSetUp => match any_events(writer, pinned.partitions) {
            Ok(Some(topic)) => Error::StateLost { topic },
            Ok(None) => Error::NotSetUp,
            Err(error) => error,
        },
        error => error,
    }
}

/// The first topic of the workspace that holds events.
pub fn any_events(writer: &Writer, partitions: i32) -> Result<Option<String>, Error> {
    first_with_events(&writer.options, &writer.group_id, &writer.names.events(), partitions)
}

/// The first of these topics that holds events.
pub fn first_with_events(
    options: &Options,
    group_id: &str,
    topics: &[String],
    partitions: i32,
) -> Result<Option<String>, Error> {
    let admin = Admin::connect(options)?;
    for topic in topics {
        for partition in 0..partitions {
            let (low, high) = admin.offsets(topic, partition)?;
            if low == high {
                continue;
            }
            // What lies there may be markers of aborted transactions only.
            let reader = Reader::open(options, group_id, topic, partition, low)?;
            match reader.next(STEP_TIMEOUT)? {
                Next::Record { .. } => return Ok(Some(topic.clone())),
                Next::End => {}
                Next::TimedOut => return Err(timed_out("looking for events")),
            }
        }
    }
    Ok(None)
}

/// Whether the event topics have the partitions that the workspace was set up with.
pub fn check_partitions(genesis: &Genesis, pinned: &Pinned) -> Result<(), Error> {
    let ours = pinned.partitions;
    match genesis.partitions.values().find(|theirs| **theirs != ours) {
        Some(theirs) => Err(Error::Pinned(format!(
            "kafka.partitions is {ours}, but this workspace was set up with {theirs}"
        ))),
        None => Ok(()),
    }
}

/// Whether the configuration's group and host are those on record. `view` is complete.
fn check_on_record(view: &View, pinned: &Pinned) -> Result<(), Error> {
    check_group(view, pinned)?;
    check_host(view, pinned)
}

/// Whether the group is the one that the workspace belongs to.
pub fn check_group(view: &View, pinned: &Pinned) -> Result<(), Error> {
    match view.group() {
        Some(theirs) if theirs != pinned.group_id => {
            Err(Error::Group { ours: pinned.group_id.clone(), theirs: theirs.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Whether the API's host is the one that the workspace belongs to.
pub fn check_host(view: &View, pinned: &Pinned) -> Result<(), Error> {
    match view.host() {
        Some(theirs) if theirs != pinned.base_url_host => {
            Err(Error::Host { ours: pinned.base_url_host.clone(), theirs: theirs.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The fold of the state topic as it is, for who only looks.
pub fn read_view(writer: &Writer) -> Result<View, Error> {
    let reader = open(writer, &writer.names.state(), 0)?;
    let mut view = View::default();
    catch_up(&reader, &mut view)?;
    Ok(view)
}

fn open(writer: &Writer, topic: &str, offset: i64) -> Result<Reader, Error> {
    Ok(Reader::open(&writer.options, &writer.group_id, topic, STATE_PARTITION, offset)?)
}

fn catch_up(reader: &Reader, view: &mut View) -> Result<u64, Error> {
    let mut read = 0;
    loop {
        match reader.next(RECORD_TIMEOUT)? {
            Next::End => return Ok(read),
            Next::TimedOut => return Err(timed_out("reading the state topic")),
            Next::Record { offset, key, value } => {
                view.apply(&Read { offset, key: key.unwrap_or_default(), value })?;
                read += 1;
                crash::point(Point::F);
            }
        }
    }
}

fn write_barrier(producer: &Producer, topic: &str, session: &Session) -> Result<(), Error> {
    let deadline = Instant::now() + STEP_TIMEOUT;
    crash::point(Point::C);
    producer.init(deadline)?;
    producer.begin()?;
    let control = Control::Session(session.clone());
    let (key, value) = (control.key(), control.value());
    let record =
        Outgoing { topic, partition: STATE_PARTITION, key: &key, value: &value, headers: None };
    producer.send(record, deadline)?;
    producer.drain(deadline)?;
    crash::point(Point::D);
    crash::point(Point::E);
    producer.commit(deadline)?;
    Ok(())
}

/// Reads on until our own session record; returns its offset.
fn read_to_barrier(reader: &Reader, view: &mut View, ours: Uuid) -> Result<(i64, u64), Error> {
    let deadline = Instant::now() + STEP_TIMEOUT;
    let mut read = 0;
    while Instant::now() < deadline {
        match reader.next(RECORD_TIMEOUT)? {
            Next::End => {}
            Next::TimedOut => break,
            Next::Record { offset, key, value } => {
                view.apply(&Read { offset, key: key.unwrap_or_default(), value })?;
                read += 1;
                crash::point(Point::F);
                if view.session.as_ref().is_some_and(|session| session.id == ours) {
                    return Ok((offset, read));
                }
            }
        }
    }
    Err(timed_out("waiting for our own session record"))
}

/// Counts the events of the last batch. One writer appends a batch to a partition without gaps, so
/// they are the last `count` offsets up to the one in the manifest. Dead letters are left
/// out: their topic forgets after 90 days, and no state record points there.
fn audit(writer: &Writer, manifest: &Manifest) -> Result<(), Error> {
    let histories = writer.names.events();
    let mut reader = Reader::restless(&writer.options, &writer.group_id)?;
    for total in manifest.partitions.iter().filter(|total| histories.contains(&total.topic)) {
        let first = total.last_offset + 1 - i64::from(total.count);
        let torn = || Error::Torn { topic: total.topic.clone(), partition: total.partition };
        let (topic, places) = (&total.topic, (first, total.last_offset));
        if !reader.turn_back(topic, total.partition, places, RECORD_TIMEOUT)? {
            return Err(torn());
        }
        let (mut found, mut at_end) = (0, false);
        while found < total.count {
            match reader.next(RECORD_TIMEOUT)? {
                Next::Record { offset, .. } if offset > total.last_offset => return Err(torn()),
                Next::Record { .. } => found += 1,
                // Perhaps of the partition before.
                Next::End => at_end = true,
                Next::TimedOut if at_end => return Err(torn()),
                Next::TimedOut => return Err(timed_out("reading the events of the last batch")),
            }
        }
    }
    Ok(())
}

fn timed_out(attempt: &str) -> Error {
    crate::kafka::Error::timed_out(attempt).into()
}
