//! The poll tasks against a simulated bank, over real HTTP, with the log of a workspace in memory.

mod moves;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::driver::{Driver, Options, Outcome, SourceChoice};
use super::tree::{self, Narrowing};
use crate::atlar;
use crate::clock::Clock;
use crate::domain::Generation;
use crate::ingest::tests::bench::{Bench, SharedLog};
use crate::secret::{Credentials, Secret, SharedCredentials};
use crate::simulator::{self, Fault, FaultKind, Faults, Kind, Schemes, Simulator, World};
use crate::status::StreamState;
use crate::supervise::Group;

const LIMIT: Duration = Duration::from_secs(60);

/// How the workspace is read.
struct How {
    auth: atlar::Auth,
    generation: Option<Generation>,
    source: SourceChoice,
    narrowing: Narrowing,
    once: bool,
}

impl Default for How {
    fn default() -> How {
        let narrowing = Narrowing::default();
        let auth = atlar::Auth::Auto;
        How { auth, generation: None, source: SourceChoice::Auto, narrowing, once: true }
    }
}

async fn bank(change: impl FnOnce(&mut simulator::Options)) -> Simulator {
    let mut options = simulator::Options {
        accounts: 3,
        counterparties: 8,
        transactions_per_account: 12,
        external_payments: 5,
        ..simulator::Options::new("key", "secret")
    };
    change(&mut options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, options, Clock::system()).await.unwrap()
}

/// A workspace that is read while this lives.
struct Running {
    bench: Bench,
    driver: Driver,
    group: Group,
}

fn start(log: &SharedLog, bank: &Simulator, how: How) -> Running {
    let bench = Bench::narrowed(log, how.narrowing.clone());
    let credentials = Credentials { access_key: "key".into(), secret: Secret::new("secret") };
    let many = NonZeroU32::new(1000).unwrap();
    let client = atlar::Client::new(atlar::Options {
        base_url: format!("http://{}", bank.addr()),
        credentials: SharedCredentials::new(credentials),
        auth: how.auth,
        timeout: LIMIT,
        page_size: 10,
        per_second: many,
        max_in_flight: NonZeroU32::new(4).unwrap(),
        user_agent: "test".into(),
        allow_plain_http: false,
        retry: atlar::RETRY,
        clock: Clock::system(),
        observer: Arc::new(atlar::Silent),
    });
    let (group, _fatal) = Group::new(CancellationToken::new());
    let period = Duration::from_millis(20);
    let driver = Driver::start(
        Options {
            client: client.unwrap(),
            owner: bench.handle.clone(),
            status: bench.status.clone(),
            clock: Clock::system(),
            periods: tree::TREE.iter().map(|branch| (branch.name, period)).collect(),
            generation: how.generation,
            source: how.source,
            narrowing: Arc::new(how.narrowing),
            probe_spacing: Duration::from_millis(30),
            once: how.once,
        },
        group.clone(),
    );
    Running { bench, driver, group }
}

impl Running {
    async fn stop(self) {
        self.group.stop(LIMIT).await;
        self.bench.end().await.unwrap();
    }
}

/// One complete listing of every stream.
async fn once(log: &SharedLog, bank: &Simulator, how: How) -> BTreeMap<String, Outcome> {
    let running = start(log, bank, how);
    tokio::time::timeout(LIMIT, running.group.ended()).await.unwrap();
    let outcomes = running.driver.outcomes();
    running.bench.end().await.unwrap();
    outcomes
}

/// Events of a kind of entity.
fn of(log: &SharedLog, entity: &str) -> Vec<Value> {
    log.events().into_iter().filter(|event| event["source"]["entity"] == entity).collect()
}

/// How many events each entity has, which must be one.
fn each_once(log: &SharedLog, entity: &str) -> usize {
    let events = of(log, entity);
    assert!(events.iter().all(|event| event["source"]["change_no"] == 1), "{entity}");
    events.len()
}

fn live(world: &World, kind: Kind) -> usize {
    world.ids(kind).len()
}

fn good(outcomes: &BTreeMap<String, Outcome>) {
    assert!(outcomes.values().all(Outcome::is_good), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_generation_tells_every_record_once() {
    for generation in [Generation::V1, Generation::V2] {
        let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
        let world = bank.world();
        let how = || How { generation: Some(generation), ..How::default() };
        good(&once(&log, &bank, how()).await);
        let kinds = [
            ("account", Kind::Account),
            ("counterparty", Kind::Counterparty),
            ("payment", Kind::Transaction),
            ("external-payment", Kind::ExternalPayment),
        ];
        for (entity, kind) in kinds {
            assert_eq!(each_once(&log, entity), live(&world, kind), "{entity} {generation}");
        }
        assert!(each_once(&log, "balance") > 0, "{generation}");
        let versions: Vec<_> =
            log.events().iter().map(|e| e["source"]["api_version"].clone()).collect();
        assert!(versions.iter().all(|v| *v == generation.as_str()), "{versions:?}");
        let count = log.events().len();
        good(&once(&log, &bank, how()).await);
        assert_eq!(log.events().len(), count, "{generation}: something came twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_of_external_payments_can_be_read() {
    let sources = [
        ("external-payments", Kind::ExternalPayment),
        ("expected-transactions", Kind::ExternalPayment),
        ("direct-debits", Kind::DirectDebit),
        ("pending-transactions", Kind::PendingTransaction),
    ];
    for (name, kind) in sources {
        let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
        let source = SourceChoice::Fixed(tree::source(name).unwrap());
        good(&once(&log, &bank, How { source, ..How::default() }).await);
        assert_eq!(each_once(&log, "external-payment"), live(&bank.world(), kind), "{name}");
        for event in of(&log, "external-payment") {
            assert_eq!(event["after"]["source_resource"], name);
            assert_eq!(event["source"]["stream"], format!("external-payments/{name}"));
        }
    }
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    good(&once(&log, &bank, How { source: SourceChoice::Off, ..How::default() }).await);
    assert_eq!(of(&log, "external-payment").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_authenticate_reads_everything() {
    let ways = [
        (atlar::Auth::Hmac, Schemes::HmacOnly, atlar::Scheme::Hmac),
        (atlar::Auth::Basic, Schemes::BasicOnly, atlar::Scheme::Basic),
        (atlar::Auth::OAuth2, Schemes::OAuthOnly, atlar::Scheme::OAuth2),
        (atlar::Auth::Auto, Schemes::HmacOnly, atlar::Scheme::Hmac),
        (atlar::Auth::Auto, Schemes::BasicOnly, atlar::Scheme::Basic),
    ];
    for (auth, schemes, accepted) in ways {
        let bank = bank(|options| {
            options.schemes = schemes;
            // Tokens that end in the middle of a listing.
            options.token_life_ms = 1_000;
        })
        .await;
        let log = SharedLog::default();
        let running = start(&log, &bank, How { auth, ..How::default() });
        tokio::time::timeout(LIMIT, running.group.ended()).await.unwrap();
        good(&running.driver.outcomes());
        assert_eq!(running.driver.options.client.accepted_auth(), Some(accepted), "{auth:?}");
        assert_eq!(each_once(&log, "payment"), live(&bank.world(), Kind::Transaction), "{auth:?}");
        running.bench.end().await.unwrap();
    }
    // What is not offered is not guessed: signed requests alone are refused by a bank with tokens.
    let bank = bank(|options| options.schemes = Schemes::OAuthOnly).await;
    let outcomes = once(&SharedLog::default(), &bank, How::default()).await;
    assert!(matches!(outcomes["third-parties"], Outcome::Refused { .. }), "{outcomes:?}");
    assert_eq!(outcomes["accounts"], Outcome::Blocked { by: "third-parties" });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_source_that_is_served_is_chosen_and_kept() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let world = bank.world();
    let lists = ["/v1/external-payments", "/payments/v2/external-payments"];
    for list in lists {
        world.retire(list, 404).unwrap();
    }
    good(&once(&log, &bank, How::default()).await);
    let names = |log: &SharedLog| -> Vec<Value> {
        of(log, "external-payment").iter().map(|e| e["after"]["source_resource"].clone()).collect()
    };
    let count = names(&log).len();
    assert!(count > 0 && names(&log).iter().all(|name| name == "expected-transactions"));
    // The other list is back: the choice is on record.
    for list in lists {
        world.bring_back(list).unwrap();
    }
    good(&once(&log, &bank, How::default()).await);
    assert_eq!(names(&log).len(), count);
    // Nothing is served: no error, and no choice.
    let log = SharedLog::default();
    for list in lists.into_iter().chain(["/v1/expected-transactions"]) {
        world.retire(list, 404).unwrap();
    }
    let outcomes = once(&log, &bank, How::default()).await;
    assert_eq!(outcomes["external-payments"], Outcome::NotOffered);
    good(&outcomes);
    world.bring_back(lists[0]).unwrap();
    good(&once(&log, &bank, How::default()).await);
    assert!(names(&log).iter().all(|name| name == "external-payments") && !names(&log).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_not_asked_for() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let world = bank.world();
    let accounts = world.ids(Kind::Account);
    let narrowing = Narrowing { include: vec![accounts[0].clone()], ..Narrowing::default() };
    good(&once(&log, &bank, How { narrowing, ..How::default() }).await);
    let named = |event: &Value| match event["source"]["entity"].as_str().unwrap() {
        "account" => event["after"]["id"].clone(),
        _ => event["after"]["account_id"].clone(),
    };
    for event in log.events().iter().filter(|e| e["source"]["entity"] != "counterparty") {
        assert_eq!(named(event), json!(accounts[0]), "{event:#}");
    }
    // The rest follows when the configuration lets it.
    good(&once(&log, &bank, How::default()).await);
    assert_eq!(each_once(&log, "account"), accounts.len());
    assert_eq!(each_once(&log, "payment"), live(&world, Kind::Transaction));

    for generation in [Generation::V1, Generation::V2] {
        let log = SharedLog::default();
        let mut days: Vec<String> = world
            .ids(Kind::Transaction)
            .iter()
            .map(|id| {
                world.get(Kind::Transaction, id).unwrap().payload["date"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        days.sort();
        let since = days[days.len() / 2].clone();
        let wanted = days.iter().filter(|day| **day >= since).count();
        let narrowing = Narrowing { payments_since: Some(since), ..Narrowing::default() };
        let how = How { narrowing, generation: Some(generation), ..How::default() };
        good(&once(&log, &bank, how).await);
        assert_eq!(each_once(&log, "payment"), wanted, "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_may_not_be_read_blocks_what_joins_it_and_nothing_else() {
    let forbidden = Fault {
        route: Some("/payments/v2/external-accounts".into()),
        ..Fault::always(FaultKind::Status(403))
    };
    let bank = bank(|options| options.faults = Faults(vec![forbidden])).await;
    let log = SharedLog::default();
    let how = How { generation: Some(Generation::V2), ..How::default() };
    let outcomes = once(&log, &bank, how).await;
    assert_eq!(outcomes["counterparties"], Outcome::Blocked { by: "external-accounts" });
    assert!(matches!(outcomes["external-accounts"], Outcome::Failed { .. }), "{outcomes:?}");
    assert_eq!(of(&log, "counterparty").len(), 0);
    assert!(!of(&log, "payment").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_joined_list_has_to_tell_is_judged_by_the_same_start() {
    // Slower than any other list.
    let slow = Fault {
        route: Some("/v1beta/third-parties".into()),
        slow_ms: 400,
        ..Fault::always(FaultKind::Slow)
    };
    let bank = bank(|options| options.faults = Faults(vec![slow])).await;
    let (log, world) = (SharedLog::default(), bank.world());
    let account = world.ids(Kind::Account).remove(0);
    world.patch(Kind::Account, &account, &json!({"bank": null})).unwrap();
    world.retire("/v1beta/third-parties", 404).unwrap();
    good(&once(&log, &bank, How::default()).await);
    let of_account = |log: &SharedLog| {
        let events = of(log, "account").into_iter();
        let events = events.filter(|event| event["after"]["id"] == account.as_str());
        events.map(|event| event["after"]["bank_name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of_account(&log), [Value::Null]);
    world.bring_back("/v1beta/third-parties").unwrap();
    good(&once(&log, &bank, How::default()).await);
    let names = of_account(&log);
    assert!(names.len() == 2 && names[1].is_string(), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_read_before_is_missed_and_one_that_never_was_is_not() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let world = bank.world();
    for list in ["/v1/counterparties", "/payments/v2/counterparties"] {
        world.retire(list, 404).unwrap();
    }
    let outcomes = once(&log, &bank, How::default()).await;
    assert_eq!(outcomes["counterparties"], Outcome::NotOffered);
    assert_eq!(outcomes["external-accounts"], Outcome::Unneeded);
    good(&outcomes);
    world.bring_back("/v1/counterparties").unwrap();
    good(&once(&log, &bank, How::default()).await);
    let count = log.events().len();
    world.retire("/v1/counterparties", 404).unwrap();
    let outcomes = once(&log, &bank, How::default()).await;
    assert!(matches!(outcomes["counterparties"], Outcome::Failed { .. }), "{outcomes:?}");
    assert_eq!(log.events().len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_heard_while_the_owner_is_away() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let running = start(&log, &bank, How { once: false, ..How::default() });
    running.bench.session().await;
    // The next commit hangs, and with it every listing that has ended.
    let (open, gate) = std::sync::mpsc::sync_channel(1);
    log.0.lock().unwrap().gate = Some(gate);
    bank.world().create_transaction(None, None).unwrap();
    let stopped = tokio::time::timeout(LIMIT, running.group.stop(LIMIT)).await;
    assert_eq!(stopped, Ok(true));
    open.send(()).unwrap();
    running.bench.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_listing_has_read_is_published() {
    let fault = Fault {
        route: Some("/v1/counterparties".into()),
        query: Some("token=".into()),
        ..Fault::always(FaultKind::RepeatToken)
    };
    let bank = bank(|options| {
        options.faults = Faults(vec![fault]);
        options.counterparties = 40;
    })
    .await;
    let log = SharedLog::default();
    let outcomes = once(&log, &bank, How::default()).await;
    assert!(matches!(outcomes["counterparties"], Outcome::Failed { .. }), "{outcomes:?}");
    assert!(!of(&log, "counterparty").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_streams_that_come_inside_others_and_those_nobody_needs() {
    let (log, bank) = (SharedLog::default(), bank(|_| {}).await);
    let running = start(&log, &bank, How::default());
    tokio::time::timeout(LIMIT, running.group.ended()).await.unwrap();
    let snapshot = running.bench.status.snapshot();
    let state = |name: &str| snapshot.streams[name].state;
    assert_eq!(state("balances"), StreamState::Fresh);
    assert_eq!(state("external-accounts"), StreamState::Off);
    assert_eq!(state("external-payments/external-payments"), StreamState::Fresh);
    assert!(!snapshot.streams.contains_key("external-payments"));
    running.stop().await;
}
