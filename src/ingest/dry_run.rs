//! `run --dry-run`: everything but the writing.
//!
//! The state topic is folded as it is, without an epoch and without a barrier; a batch is printed
//! and then taken into the view as if it had been committed, so that the rest of the program need
//! not know. The events' places are made up, and nothing of it outlives the process.

use std::time::Duration;

use super::thread::{AcquireError, Committer};
use crate::kafka::reader::{Next, Reader};
use crate::kafka::{self, Options};
use crate::publish::{Batch, Error, History, Names, Past, PastEvent, Write};
use crate::recover::{self, Pinned, Report};
use crate::state::control::{Manifest, Session};
use crate::state::view::Read;
use crate::state::{Control, View};
use crate::store::Store;

/// Shows a batch.
pub type Print = Box<dyn FnMut(&Batch) + Send>;

const RECORD_TIMEOUT: Duration = Duration::from_secs(30);

/// See the module.
pub struct DryRun {
    options: Options,
    group_id: String,
    names: Names,
    print: Print,
    next_offset: i64,
    folded: bool,
    history: History,
}

impl DryRun {
    pub fn new(options: Options, group_id: String, names: Names, print: Print) -> DryRun {
        let history = History::default();
        DryRun { options, group_id, names, print, next_offset: 0, folded: false, history }
    }

    /// Without a state beside events the workspace is not new: its state was lost.
    fn refuse_lost_state(&self, partitions: i32) -> Result<(), Error> {
        let events = self.names.events();
        match recover::first_with_events(&self.options, &self.group_id, &events, partitions) {
            Ok(Some(topic)) => Err(Error::StateLost { topic }),
            Ok(None) | Err(Error::Kafka(kafka::Error::NoTopic { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn fold(&self, view: &mut View) -> Result<u64, Error> {
        let topic = self.names.state();
        let reader = match Reader::open(&self.options, &self.group_id, &topic, 0, view.next_offset)
        {
            // Not set up yet: everything is new.
            Err(kafka::Error::NoTopic { .. }) => return Ok(0),
            reader => reader?,
        };
        let mut read = 0;
        loop {
            match reader.next(RECORD_TIMEOUT)? {
                Next::Record { offset, key, value } => {
                    view.apply(&Read { offset, key: key.unwrap_or_default(), value })?;
                    read += 1;
                }
                Next::End => return Ok(read),
                Next::TimedOut => {
                    return Err(kafka::Error::timed_out("reading the state topic").into());
                }
            }
        }
    }
}

impl Committer for DryRun {
    fn acquire(
        &mut self,
        view: &mut View,
        _store: Option<&mut Store>,
        pinned: &Pinned,
        session: &Session,
    ) -> Result<Report, AcquireError> {
        // A later acquisition of this process starts from its own view, which is ahead of the log
        // by what was only printed.
        let read = if self.folded { 0 } else { self.fold(view)? };
        self.folded = true;
        if view.is_partial() {
            return Err(Error::Partial.into());
        }
        if view.genesis.is_none() {
            self.refuse_lost_state(pinned.partitions)?;
        }
        self.next_offset = view.next_offset;
        Ok(Report { session: session.id, read, doubt: None })
    }

    fn follow(&mut self, _: &mut View, _: Option<&mut Store>, _: &Pinned) -> Result<u64, Error> {
        // It owns nothing, so it never waits for its turn.
        Ok(0)
    }

    fn commit(&mut self, batch: Batch) -> Result<Vec<Read>, Error> {
        (self.print)(&batch);
        let mut reads = Vec::with_capacity(batch.writes.len() + 1);
        let mut push = |key: Vec<u8>, value: Vec<u8>| {
            reads.push(Read { offset: self.next_offset, key, value: Some(value) });
            self.next_offset += 1;
        };
        for write in &batch.writes {
            match write {
                Write::Entity { key, record, .. } => push(key.clone(), record.encode()),
                Write::Control(control) => push(control.key(), control.value()),
            }
        }
        let manifest = Control::Manifest(Manifest {
            session: uuid::Uuid::nil(),
            batch_no: batch.batch_no,
            state_records: 0,
            events: 0,
            partitions: Vec::new(),
            change_xor: String::new(),
            inbox_offset: None,
        });
        push(manifest.key(), manifest.value());
        Ok(reads)
    }

    fn look(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn past(&mut self, wanted: &[Past]) -> Result<Vec<PastEvent>, Error> {
        self.history.read(&self.options, &self.group_id, wanted)
    }
}
