//! An owner over a log in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::avro::{self, Encoder, Subject};
use crate::change::Tally;
use crate::clock::Clock;
use crate::domain::Entity;
use crate::ingest::event::{Form, Press};
use crate::ingest::judge::Rules;
use crate::ingest::owner::{End, Options};
use crate::ingest::thread::{AcquireError, Committer, WriterThread};
use crate::ingest::{Commands, Dropped, Known, Owner, OwnerHandle, Phase, Published, SeenPage};
use crate::kafka::group::Seat;
use crate::kafka::{self};
use crate::poll::tree::{Narrowing, Stream};
use crate::publish::{Batch, Error, Names, Past, PastEvent, What, Write};
use crate::recover::{Pinned, Report};
use crate::state::control::{Manifest, Session};
use crate::state::record::EventLocation;
use crate::state::view::Read;
use crate::state::{Control, View};
use crate::status::Status;
use crate::store::Store;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The batch is not committed, and the answer says so.
    Refused,
    /// The batch is committed, and the answer is lost.
    AnswerLost,
}

#[derive(Default)]
pub struct Log {
    pub state: Vec<Read>,
    /// Decoded events, in the order committed.
    pub events: Vec<Value>,
    /// Decoded dead letters, in the order committed.
    pub letters: Vec<Value>,
    /// Every event's key and value as sent: its place is its number here.
    pub raw: Vec<PastEvent>,
    pub faults: Vec<Fault>,
    /// The next commit waits for this.
    pub gate: Option<std::sync::mpsc::Receiver<()>>,
    pub acquisitions: usize,
}

#[derive(Clone, Default)]
pub struct SharedLog(pub Arc<Mutex<Log>>);

impl SharedLog {
    pub fn append(&self, key: Vec<u8>, value: Vec<u8>) -> Read {
        let mut log = self.0.lock().unwrap();
        let read = Read { offset: log.state.len() as i64, key, value: Some(value) };
        log.state.push(read.clone());
        read
    }

    pub fn events(&self) -> Vec<Value> {
        self.0.lock().unwrap().events.clone()
    }

    /// `(id, change_no, op)` of every event.
    pub fn changes(&self) -> Vec<(String, i64, String)> {
        let change = |event: &Value| {
            (
                event["after"]["id"].as_str().unwrap().to_owned(),
                event["source"]["change_no"].as_i64().unwrap(),
                event["op"].as_str().unwrap().to_owned(),
            )
        };
        self.events().iter().map(change).collect()
    }

    pub fn fail_next(&self, fault: Fault) {
        self.0.lock().unwrap().faults.push(fault);
    }
}

impl Committer for SharedLog {
    fn acquire(
        &mut self,
        view: &mut View,
        _: Option<&mut Store>,
        _: &Pinned,
        session: &Session,
    ) -> Result<Report, AcquireError> {
        let control = Control::Session(session.clone());
        self.append(control.key(), control.value());
        let mut log = self.0.lock().unwrap();
        log.acquisitions += 1;
        for read in &log.state {
            view.apply(read).map_err(Error::State)?;
        }
        Ok(Report { session: session.id, read: 0, doubt: None })
    }

    fn follow(&mut self, view: &mut View, _: Option<&mut Store>, _: &Pinned) -> Result<u64, Error> {
        let log = self.0.lock().unwrap();
        let next = view.next_offset;
        for read in &log.state {
            view.apply(read)?;
        }
        Ok(u64::try_from(view.next_offset - next).unwrap())
    }

    fn commit(&mut self, batch: Batch) -> Result<Vec<Read>, Error> {
        let gate = self.0.lock().unwrap().gate.take();
        if let Some(gate) = gate {
            gate.recv().unwrap();
        }
        let fault = self.0.lock().unwrap().faults.pop();
        if fault == Some(Fault::Refused) {
            return Err(kafka::Error::Fenced.into());
        }
        let mut reads = Vec::new();
        let base = self.0.lock().unwrap().raw.len();
        for write in &batch.writes {
            reads.push(match write {
                Write::Control(control) => self.append(control.key(), control.value()),
                Write::Entity { key, record, event } => {
                    let mut record = record.clone();
                    if let Some(number) = event {
                        let offset = (base + number) as i64;
                        record.event = Some(EventLocation { partition: 0, offset });
                    }
                    assert!(
                        record.event.is_some(),
                        "a state record without the place of its event"
                    );
                    self.append(key.clone(), record.encode())
                }
            });
        }
        let manifest = Control::Manifest(Manifest {
            session: uuid::Uuid::nil(),
            batch_no: batch.batch_no,
            state_records: 0,
            events: 0,
            partitions: vec![],
            change_xor: String::new(),
            inbox_offset: None,
        });
        reads.push(self.append(manifest.key(), manifest.value()));
        for event in &batch.events {
            let subject = match event.what {
                What::Change { entity, .. } => Subject::Entity(entity),
                What::DeadLetter => Subject::DeadLetter,
            };
            let schema = avro::schema(subject).unwrap();
            let (_, datum) = avro::wire_format(&event.value).unwrap();
            let decoded = avro::decode(schema, datum).unwrap();
            let mut log = self.0.lock().unwrap();
            log.raw.push(PastEvent { key: event.key.clone(), value: event.value.clone() });
            match event.what {
                What::Change { .. } => log.events.push(decoded),
                What::DeadLetter => log.letters.push(decoded),
            }
        }
        if fault == Some(Fault::AnswerLost) {
            return Err(Error::NotReadBack { batch_no: batch.batch_no });
        }
        Ok(reads)
    }

    fn look(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn past(&mut self, wanted: &[Past]) -> Result<Vec<PastEvent>, Error> {
        let log = self.0.lock().unwrap();
        Ok(wanted.iter().map(|past| log.raw[past.offset as usize].clone()).collect())
    }
}

/// An owner over a log, and a wall clock that the test sets.
pub struct Bench {
    pub handle: OwnerHandle,
    pub commands: Commands,
    pub status: Status,
    pub now_ms: Arc<Mutex<i64>>,
    stop: CancellationToken,
    pub task: tokio::task::JoinHandle<Result<(), End>>,
}

impl Bench {
    pub fn start(log: &SharedLog) -> Bench {
        Bench::narrowed(log, Narrowing::default())
    }

    pub fn narrowed(log: &SharedLog, narrowing: Narrowing) -> Bench {
        Bench::with(log, narrowing, None, true)
    }

    /// One of several, whose turn it is when its seat says so.
    pub fn seated(log: &SharedLog, seat: Seat, patient: bool) -> Bench {
        Bench::with(log, Narrowing::default(), Some(seat), patient)
    }

    fn with(log: &SharedLog, narrowing: Narrowing, seat: Option<Seat>, patient: bool) -> Bench {
        let now_ms = Arc::new(Mutex::new(1_000_000));
        let clock = Clock::from_fn({
            let now_ms = Arc::clone(&now_ms);
            move || *now_ms.lock().unwrap()
        });
        let form = |subject| {
            let encoder = Encoder::new(subject, 1).unwrap();
            Form { encoder, schema_url: "http://registry/schemas/ids/1".into() }
        };
        let forms = Entity::ALL.iter().map(|entity| (*entity, form(Subject::Entity(*entity))));
        let press = Press {
            forms: forms.collect::<BTreeMap<_, _>>(),
            letters: form(Subject::DeadLetter),
            names: Names::new("t"),
            partitions: 6,
            program_version: "0",
        };
        let status = Status::new(clock.clone(), "t");
        let (commands, orders) = Commands::new();
        let rules =
            Rules { press: Arc::new(press), include_raw: true, narrowing: Arc::new(narrowing) };
        let (owner, handle) = Owner::new(Options {
            writer: WriterThread::start(log.clone()).unwrap(),
            seat,
            rules,
            orders,
            pinned: Pinned { group_id: String::new(), base_url_host: String::new(), partitions: 6 },
            store: None,
            patient,
            status: status.clone(),
            clock,
            instance: "test".into(),
        });
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "owned by the bench, awaited at its end")]
        let task = tokio::spawn(owner.run(stop.clone()));
        Bench { handle, commands, status, now_ms, stop, task }
    }

    pub async fn session(&self) -> u64 {
        let mut phase = self.handle.phase();
        let ready = phase.wait_for(|phase| matches!(phase, Phase::Ready { .. })).await.unwrap();
        match *ready {
            Phase::Ready { session_no, .. } => session_no,
            _ => unreachable!(),
        }
    }

    /// What is on record, once the workspace is acquired.
    pub async fn known(&self) -> Known {
        let mut phase = self.handle.phase();
        let ready = phase.wait_for(|phase| matches!(phase, Phase::Ready { .. })).await.unwrap();
        match &*ready {
            Phase::Ready { known, .. } => known.clone(),
            _ => unreachable!(),
        }
    }

    /// Waits for a session after this one.
    pub async fn session_after(&self, session: u64) {
        let mut phase = self.handle.phase();
        let number = |phase: &Phase| match phase {
            Phase::Ready { session_no, .. } => *session_no,
            _ => 0,
        };
        let later = |phase: &Phase| number(phase) > session;
        phase.wait_for(later).await.unwrap();
    }

    /// One complete listing of these records.
    pub async fn list(&self, stream: &Stream, records: &[Value]) -> Result<Published, Dropped> {
        self.list_requested(stream, records, Instant::now()).await
    }

    pub async fn list_requested(
        &self,
        stream: &Stream,
        records: &[Value],
        requested_at: Instant,
    ) -> Result<Published, Dropped> {
        let items = records.iter().map(|record| Bytes::from(record.to_string())).collect();
        self.list_items(stream, items, requested_at).await
    }

    /// One complete listing of records in these very words.
    pub async fn list_texts(
        &self,
        stream: &Stream,
        texts: &[String],
    ) -> Result<Published, Dropped> {
        let items = texts.iter().map(|text| Bytes::from(text.clone())).collect();
        self.list_items(stream, items, Instant::now()).await
    }

    async fn list_items(
        &self,
        stream: &Stream,
        items: Vec<Bytes>,
        requested_at: Instant,
    ) -> Result<Published, Dropped> {
        let listed = items.len() as u64;
        let session_no = self.session().await;
        // As the poll tasks do at the start of a listing.
        self.status.stream(&stream.name, |status| status.listing = Tally::default());
        let stream = stream.clone();
        let page =
            SeenPage { session_no, stream: stream.clone(), items, requested_at, received_ms: 5 };
        self.handle.page(page).await?;
        self.handle.finished(session_no, stream, listed).await
    }

    /// Hands over one page and nothing more.
    pub async fn page(&self, session_no: u64, stream: &Stream, records: &[Value]) {
        let items = records.iter().map(|record| Bytes::from(record.to_string())).collect();
        let stream = stream.clone();
        let requested_at = Instant::now();
        let page = SeenPage { session_no, stream, items, requested_at, received_ms: 0 };
        self.handle.page(page).await.unwrap();
    }

    /// Waits until so many records of the stream were judged.
    pub async fn seen(&self, stream: &Stream, count: u64) {
        let judged = || {
            let snapshot = self.status.snapshot();
            snapshot.streams.get(&stream.name).is_some_and(|s| s.total.seen >= count)
        };
        while !judged() {
            tokio::task::yield_now().await;
        }
    }

    /// Lists until the listing is not dropped with its session, as the poll tasks do.
    pub async fn list_again_if_dropped(&self, stream: &Stream, records: &[Value]) -> Published {
        loop {
            if let Ok(published) = self.list(stream, records).await {
                return published;
            }
        }
    }

    pub async fn end(self) -> Result<(), End> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}
