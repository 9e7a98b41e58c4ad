//! The owner against a log in memory: what is published, once, whatever fails in between.
//!
//! The log stands in for Kafka where Kafka's own faults are not the point: it can refuse a
//! commit, or take it and lose the answer. Fencing and real transactions are tested against a
//! real broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::event::{Form, Press};
use super::judge::{STALE_AGE_MIN_MS, STALE_LISTINGS_MIN};
use super::owner::{End, Options};
use super::{Dropped, Owner, OwnerHandle, Phase, Published, SeenPage};
use crate::avro::{self, Encoder, Subject};
use crate::clock::Clock;
use crate::domain::Entity;
use crate::ingest::thread::{AcquireError, Committer, WriterThread};
use crate::kafka::{self};
use crate::poll::tree::{self, Stream};
use crate::publish::{Batch, Error, Names, Write};
use crate::recover::{Pinned, Report};
use crate::state::control::{Manifest, Session};
use crate::state::record::EventLocation;
use crate::state::view::Read;
use crate::state::{Control, View};
use crate::status::Status;
use crate::store::Store;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The batch is not committed, and the answer says so.
    Refused,
    /// The batch is committed, and the answer is lost.
    AnswerLost,
}

#[derive(Default)]
struct Log {
    state: Vec<Read>,
    /// Decoded events, in the order committed.
    events: Vec<Value>,
    faults: Vec<Fault>,
    acquisitions: usize,
}

#[derive(Clone, Default)]
struct SharedLog(Arc<Mutex<Log>>);

impl SharedLog {
    fn append(&self, key: Vec<u8>, value: Vec<u8>) -> Read {
        let mut log = self.0.lock().unwrap();
        let read = Read { offset: log.state.len() as i64, key, value: Some(value) };
        log.state.push(read.clone());
        read
    }

    fn events(&self) -> Vec<Value> {
        self.0.lock().unwrap().events.clone()
    }

    /// `(id, change_no, op)` of every event.
    fn changes(&self) -> Vec<(String, i64, String)> {
        let change = |event: &Value| {
            (
                event["after"]["id"].as_str().unwrap().to_owned(),
                event["source"]["change_no"].as_i64().unwrap(),
                event["op"].as_str().unwrap().to_owned(),
            )
        };
        self.events().iter().map(change).collect()
    }

    fn fail_next(&self, fault: Fault) {
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

    fn commit(&mut self, batch: &Batch) -> Result<Vec<Read>, Error> {
        let fault = self.0.lock().unwrap().faults.pop();
        if fault == Some(Fault::Refused) {
            return Err(kafka::Error::Fenced.into());
        }
        let mut reads = Vec::new();
        for write in &batch.writes {
            reads.push(match write {
                Write::Control(control) => self.append(control.key(), control.value()),
                Write::Entity { key, record, event } => {
                    let mut record = record.clone();
                    if event.is_some() {
                        record.event = Some(EventLocation { partition: 0, offset: 0 });
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
            let schema = avro::schema(Subject::Entity(event.entity)).unwrap();
            let (_, datum) = avro::wire_format(&event.value).unwrap();
            self.0.lock().unwrap().events.push(avro::decode(schema, datum).unwrap());
        }
        if fault == Some(Fault::AnswerLost) {
            return Err(Error::NotReadBack { batch_no: batch.batch_no });
        }
        Ok(reads)
    }
}

/// An owner over a log, and a wall clock that the test sets.
struct Bench {
    handle: OwnerHandle,
    now_ms: Arc<Mutex<i64>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), End>>,
}

impl Bench {
    fn start(log: &SharedLog) -> Bench {
        let now_ms = Arc::new(Mutex::new(1_000_000));
        let clock = Clock::from_fn({
            let now_ms = Arc::clone(&now_ms);
            move || *now_ms.lock().unwrap()
        });
        let forms = Entity::ALL.iter().map(|entity| {
            let encoder = Encoder::new(Subject::Entity(*entity), 1).unwrap();
            (*entity, Form { encoder, schema_url: "http://registry/schemas/ids/1".into() })
        });
        let press = Press {
            forms: forms.collect::<BTreeMap<_, _>>(),
            names: Names::new("t"),
            partitions: 6,
            program_version: "0",
        };
        let (owner, handle) = Owner::new(Options {
            writer: WriterThread::start(log.clone()).unwrap(),
            press: Arc::new(press),
            pinned: Pinned { group_id: String::new(), base_url_host: String::new(), partitions: 6 },
            store: None,
            include_raw: true,
            patient: true,
            status: Status::new(clock.clone(), "t"),
            clock,
            instance: "test".into(),
        });
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "owned by the bench, awaited at its end")]
        let task = tokio::spawn(owner.run(stop.clone()));
        Bench { handle, now_ms, stop, task }
    }

    async fn session(&self) -> u64 {
        let mut phase = self.handle.phase();
        let ready = phase.wait_for(|phase| matches!(phase, Phase::Ready { .. })).await.unwrap();
        match *ready {
            Phase::Ready { session_no, .. } => session_no,
            _ => unreachable!(),
        }
    }

    /// One complete listing of these records.
    async fn list(&self, stream: &Stream, records: &[Value]) -> Result<Published, Dropped> {
        self.list_requested(stream, records, Instant::now()).await
    }

    async fn list_requested(
        &self,
        stream: &Stream,
        records: &[Value],
        requested_at: Instant,
    ) -> Result<Published, Dropped> {
        let session_no = self.session().await;
        let items = records.iter().map(|record| Bytes::from(record.to_string())).collect();
        let stream = stream.clone();
        let page =
            SeenPage { session_no, stream: stream.clone(), items, requested_at, received_ms: 5 };
        self.handle.page(page).await?;
        self.handle.finished(session_no, stream, records.len() as u64).await
    }

    /// Lists until the listing is not dropped with its session, as the poll tasks do.
    async fn list_again_if_dropped(&self, stream: &Stream, records: &[Value]) -> Published {
        loop {
            if let Ok(published) = self.list(stream, records).await {
                return published;
            }
        }
    }

    async fn end(self) -> Result<(), End> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

fn stream(name: &str) -> Stream {
    tree::roots().find(|stream| stream.branch.name == name).unwrap()
}

fn counterparty(id: &str, version: i64, name: &str) -> Value {
    json!({"id": id, "organizationId": "o", "name": name, "version": version,
        "updated": format!("2026-01-01T00:00:00.{version:09}Z"), "created": "2026-01-01T00:00:00Z"})
}

fn change(id: &str, change_no: i64, op: &str) -> (String, i64, String) {
    (id.to_owned(), change_no, op.to_owned())
}

#[tokio::test(start_paused = true)]
async fn publishes_differences_and_nothing_else() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let a = counterparty("a", 1, "A");
    bench.list(&list, &[a.clone(), counterparty("b", 1, "B")]).await.unwrap();
    bench.list(&list, &[a.clone(), counterparty("b", 1, "B")]).await.unwrap();
    // A higher version without other content is no difference; a new name and a new record are.
    let third = [counterparty("a", 2, "A"), counterparty("b", 2, "B2"), counterparty("c", 1, "C")];
    bench.list(&list, &third).await.unwrap();
    bench.list(&list, &third).await.unwrap();
    let expected =
        [change("a", 1, "r"), change("b", 1, "r"), change("b", 2, "u"), change("c", 1, "c")];
    assert_eq!(log.changes(), expected);
    let snapshots: Vec<_> =
        log.events().iter().map(|e| e["source"]["snapshot"].as_str().unwrap().to_owned()).collect();
    assert_eq!(snapshots, ["first", "first", "false", "false"]);
    bench.end().await.unwrap();

    // Another process, nothing but the log: nothing comes twice.
    let bench = Bench::start(&log);
    let published = bench.list(&list, &third).await.unwrap();
    assert_eq!((published.tally.same, published.tally.events()), (3, 0));
    assert_eq!(log.changes(), expected);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_commit_and_a_lost_answer_publish_once() {
    for fault in [Fault::Refused, Fault::AnswerLost] {
        let log = SharedLog::default();
        let bench = Bench::start(&log);
        let list = stream("counterparties");
        let records = [counterparty("a", 1, "A"), counterparty("b", 1, "B")];
        log.fail_next(fault);
        assert_eq!(bench.list(&list, &records).await, Err(Dropped), "{fault:?}");
        bench.list_again_if_dropped(&list, &records).await;
        assert_eq!(log.changes(), [change("a", 1, "r"), change("b", 1, "r")], "{fault:?}");
        assert_eq!(log.0.lock().unwrap().acquisitions, 2, "{fault:?}");
        let batches = log.0.lock().unwrap().state.iter().filter(|r| r.key == b"\0M").count();
        assert!(batches <= 2, "{fault:?}");
        bench.end().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_back_before_the_commit_never_happened() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    let session_no = bench.session().await;
    let flapping = [counterparty("a", 2, "B"), counterparty("a", 3, "A")];
    let items = flapping.iter().map(|record| Bytes::from(record.to_string())).collect();
    let requested_at = Instant::now();
    let page = SeenPage { session_no, stream: list.clone(), items, requested_at, received_ms: 0 };
    bench.handle.page(page).await.unwrap();
    bench.handle.finished(session_no, list.clone(), 2).await.unwrap();
    assert_eq!(log.changes(), [change("a", 1, "r")]);
    // The version is on record all the same: version 2 is older than what was seen.
    let published = bench.list(&list, &[counterparty("a", 2, "B")]).await.unwrap();
    assert_eq!(published.tally.stale, 1);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lower_version_is_believed_when_it_is_served_long_enough() {
    let log = SharedLog::default();
    let list = stream("counterparties");
    let lower = [counterparty("a", 4, "Old")];
    let mut bench = Bench::start(&log);
    bench.list(&list, &[counterparty("a", 5, "New")]).await.unwrap();
    for listing in 0..STALE_LISTINGS_MIN {
        let published = bench.list(&list, &lower).await.unwrap();
        assert_eq!(published.tally.stale, 1, "listing {listing}");
        // What was counted survives a restart.
        let now_ms = *bench.now_ms.lock().unwrap();
        bench.end().await.unwrap();
        bench = Bench::start(&log);
        *bench.now_ms.lock().unwrap() = now_ms;
    }
    assert_eq!(bench.list(&list, &lower).await.unwrap().tally.stale, 1, "not long enough");
    *bench.now_ms.lock().unwrap() += STALE_AGE_MIN_MS;
    assert_eq!(bench.list(&list, &lower).await.unwrap().tally.changed, 1);
    assert_eq!(log.changes(), [change("a", 1, "r"), change("a", 2, "u")]);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_crossed_a_publication_waits_for_the_next_listing() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let before = Instant::now();
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    let other = [counterparty("a", 1, "A2")];
    let crossed = bench.list_requested(&list, &other, before).await.unwrap();
    assert_eq!((crossed.tally.crossed, crossed.tally.changed), (1, 0));
    assert_eq!(bench.list(&list, &other).await.unwrap().tally.changed, 1);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn joins_republish_what_they_change_and_only_that() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let (banks, accounts) = (stream("third-parties"), stream("accounts"));
    let payments = tree::of_account("x").next().unwrap();
    let bank = |name: &str| [json!({"id": "t", "name": name})];
    let account = |id: &str, iban: &str| {
        json!({"id": id, "organizationId": "o", "thirdPartyId": "t", "currency": "EUR", "version": 1,
            "bank": {"id": "", "name": ""}, "balance": {"type": "BOOKED", "version": 1},
            "identifiers": [{"type": "IBAN", "market": "DE", "number": iban}]})
    };
    let payment = |id: &str, iban: &str| {
        json!({"id": id, "organizationId": "o", "account": {"id": "x"}, "version": 1,
            "amount": {"currency": "EUR", "value": 1, "stringValue": "0.01"},
            "counterpartyDetails": {"externalAccount": {"identifier":
                {"type": "IBAN", "market": "DE", "number": iban}}}})
    };
    bench.list(&banks, &bank("Old")).await.unwrap();
    bench.list(&accounts, &[account("x", "DE1")]).await.unwrap();
    let two = [payment("p", "DE2"), payment("q", "DE9")];
    bench.list(&payments, &two).await.unwrap();
    assert_eq!(log.events()[0]["after"]["bank_name"], "Old");
    assert_eq!(log.events()[1]["after"]["type"], "PAY-IN");
    // A renamed bank re-publishes its accounts, an account's balance nothing, a late own account
    // the payments it turns into transfers.
    bench.list(&banks, &bank("New")).await.unwrap();
    let mut moved = account("x", "DE1");
    moved["balance"]["version"] = json!(2);
    bench.list(&accounts, &[moved, account("y", "DE2")]).await.unwrap();
    bench.list(&payments, &two).await.unwrap();
    bench.list(&payments, &two).await.unwrap();
    let expected = [
        change("x", 1, "r"),
        change("p", 1, "r"),
        change("q", 1, "r"),
        change("x", 2, "u"),
        change("y", 1, "c"),
        change("p", 2, "u"),
    ];
    assert_eq!(log.changes(), expected);
    assert_eq!(log.events()[3]["after"]["bank_name"], "New");
    assert_eq!(log.events()[5]["after"]["type"], "TRANSFER");
    bench.end().await.unwrap();
    // Join facts are in the log: after a restart nothing turns back.
    let bench = Bench::start(&log);
    bench.list(&payments, &two).await.unwrap();
    assert_eq!(log.changes(), expected);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_organisation_stops_the_workspace_before_anything_is_published() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    bench.list(&list, &[counterparty("a", 1, "A")]).await.unwrap();
    let mut foreign = counterparty("z", 1, "Z");
    foreign["organizationId"] = json!("other");
    let listed = bench.list(&list, &[counterparty("b", 1, "B"), foreign]).await;
    assert_eq!(listed, Err(Dropped));
    assert!(matches!(bench.task.await.unwrap(), Err(End::Refused(_))));
    assert_eq!(log.changes(), [change("a", 1, "r")]);
}

#[tokio::test(start_paused = true)]
async fn odd_records_cost_no_sibling() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let records = [
        json!({"name": "without id"}),
        json!("not an object"),
        json!({"id": "", "name": "x"}),
        json!({"id": "big", "organizationId": "o", "version": 99999999999999999999u128 as f64}),
        counterparty("a", 1, "A"),
        Value::Null,
    ];
    let published = bench.list(&list, &records).await.unwrap();
    assert_eq!(published.tally.seen, 6);
    assert!(log.changes().contains(&change("a", 1, "r")));
    assert!(published.tally.unmapped >= 4, "{:?}", published.tally);
    bench.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn large_listings_are_split_into_batches_that_are_bounded() {
    let log = SharedLog::default();
    let bench = Bench::start(&log);
    let list = stream("counterparties");
    let session_no = bench.session().await;
    let count = 23_000;
    for chunk in 0..count / 500 {
        let records = (0..500).map(|n| counterparty(&format!("{}", chunk * 500 + n), 1, "N"));
        let items = records.map(|record| Bytes::from(record.to_string())).collect();
        let requested_at = Instant::now();
        let page =
            SeenPage { session_no, stream: list.clone(), items, requested_at, received_ms: 0 };
        bench.handle.page(page).await.unwrap();
    }
    bench.handle.finished(session_no, list.clone(), count).await.unwrap();
    assert_eq!(log.changes().len(), 23_000);
    let batches = log.0.lock().unwrap().state.iter().filter(|r| r.key == b"\0M").count();
    assert!((3..=60).contains(&batches), "{batches} batches");
    let timeout = Duration::from_secs(60);
    tokio::time::timeout(timeout, bench.end()).await.unwrap().unwrap();
}
