//! Where a scenario plays: a simulated bank behind a door, topics of its own, a folder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atlar_ingestor::clock::Clock;
use atlar_ingestor::simulator::{Kind, Options, Simulator, World};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::child::{self, Ended, Line, PATIENCE, Running};
use super::door::Door;
use super::table::{Cell, Outcome};
use super::topics;

/// What must never be read anywhere.
pub const ACCESS_KEY: &str = "key-that-nobody-may-read";
pub const SECRET: &str = "secret-that-nobody-may-read";

/// Numbers the places, so that no two have topics in common.
static PLACES: AtomicUsize = AtomicUsize::new(0);

/// Broker and registry that all scenarios share.
#[derive(Clone)]
pub struct Services {
    pub bootstrap: String,
    pub registry: SocketAddr,
    pub registry_path: String,
}

/// See the module.
pub struct Place {
    pub cell: Cell,
    pub services: Arc<Services>,
    pub folder: TempDir,
    pub prefix: String,
    pub bank: Simulator,
    /// In front of the bank: what baseUrl names.
    pub door: Door,
    pub registry: Door,
    /// Arguments of every command.
    settings: Vec<String>,
    edited: Vec<(&'static str, String)>,
}

pub async fn bank(address: SocketAddr, organization: Option<&str>) -> Simulator {
    let options = Options {
        accounts: 2,
        counterparties: 3,
        transactions_per_account: 4,
        external_payments: 3,
        organization_id: organization.map(str::to_owned),
        ..Options::new(ACCESS_KEY, SECRET)
    };
    let listener = TcpListener::bind(address).await.unwrap();
    Simulator::start(listener, options, Clock::system()).await.unwrap()
}

impl Place {
    /// Everything stands, nothing is set up.
    pub async fn new(cell: Cell, services: Arc<Services>) -> Place {
        let bank = bank("127.0.0.1:0".parse().unwrap(), None).await;
        let (mut door, mut registry) = (Door::shut(bank.addr()), Door::shut(services.registry));
        door.open();
        registry.open();
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "accessKey": ACCESS_KEY,
            "secret": SECRET,
            "baseUrl": format!("http://{}", door.address()),
            "pollingPeriod": "1s",
            "requests": { "perSecond": 200, "timeout": "2s" },
            "registry": { "url": format!("http://{}{}", registry.address(), services.registry_path) },
        });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let mut place = Place {
            prefix: format!("faults-{}-{}-{number}", cell.id, std::process::id()),
            settings: vec!["--config".to_owned(), "config.json".to_owned()],
            edited: Vec::new(),
            cell,
            folder,
            bank,
            door,
            registry,
            services,
        };
        let (prefix, bootstrap) = (place.prefix.clone(), place.services.bootstrap.clone());
        place.set("kafka.topicPrefix", &prefix);
        place.set("kafka.bootstrapServers", &bootstrap);
        place.set("kafka.groupId", &prefix);
        place.set("kafka.partitions", "1");
        place.set("http.listen", "127.0.0.1:0");
        place
    }

    /// For every command from here on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.extend(pair(key, value));
    }

    pub fn world(&self) -> World {
        self.bank.world()
    }

    pub fn topic(&self, entity: &str) -> String {
        format!("{}.{entity}", self.prefix)
    }

    /// Starts a command; `more` are settings that go before those of the place.
    pub fn command(&self, words: &[&str], more: &[(&str, &str)]) -> Running {
        self.command_in(words, more, None)
    }

    pub fn command_in(
        &self,
        words: &[&str],
        more: &[(&str, &str)],
        shell: Option<&str>,
    ) -> Running {
        let mut arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(self.settings.iter().cloned());
        arguments.extend(more.iter().flat_map(|(key, value)| pair(key, value)));
        child::start(self.folder.path(), &arguments, shell)
    }

    pub fn run(&self) -> Running {
        self.command(&["run"], &[])
    }

    pub fn once(&self) -> Running {
        self.command(&["run", "--once"], &[])
    }

    /// Creates topics, schemas and genesis.
    pub async fn set_up(&self) {
        self.done(&["setup"]).await;
    }

    /// Takes the state from the events.
    pub async fn rebuild(&self) {
        self.done(&["state", "rebuild"]).await;
    }

    async fn done(&self, words: &[&str]) {
        let ended = self.command(words, &[]).ended().await;
        assert_eq!(ended.code, Some(0), "{words:?} said\n{}", child::text(&ended.said));
        clean(&ended.said);
    }

    /// Asks the simulator to spoil answers from now on.
    pub async fn spoil(&self, rule: &Value) {
        let url = format!("http://{}/_simulator/faults", self.bank.addr());
        client().post(url).json(rule).send().await.unwrap().error_for_status().unwrap();
    }

    /// The simulator serves as it should again.
    pub async fn mend(&self) {
        let url = format!("http://{}/_simulator/faults", self.bank.addr());
        client().delete(url).send().await.unwrap().error_for_status().unwrap();
    }

    /// A new payment and a renamed counterparty: two more events.
    pub fn edit(&mut self) {
        let world = self.world();
        world.create_transaction(None, Some(4711)).unwrap();
        let id = world.ids(Kind::Counterparty).remove(0);
        let name = format!("edited {}", self.edited.len());
        world.patch(Kind::Counterparty, &id, &json!({ "alias": name })).unwrap();
        self.edited.push(("counterparty", id));
    }

    /// The process ends as the cell says, and says why.
    pub async fn ends(&self, running: Running) -> Ended {
        let ended = running.ended().await;
        let said = child::text(&ended.said);
        let Outcome::Exit(code) = self.cell.outcome else { panic!("this cell ends nothing") };
        assert_eq!(ended.code, Some(code), "it said\n{said}");
        if code == 0 {
            self.told(&ended.said);
        } else {
            let beginning = self.cell.message.as_deref().unwrap_or_default();
            let hint = self.cell.hint.as_deref().unwrap_or_default();
            let report = report(&ended.said);
            assert_eq!(report.matches("\nhint: ").count(), 1, "not one clear error\n{said}");
            assert!(report.contains(beginning), "not {beginning:?}\n{said}");
            assert!(report.ends_with(&format!("hint: {hint}")), "not the hint {hint:?}\n{said}");
        }
        clean(&ended.said);
        ended
    }

    /// The log says what the cell says.
    fn told(&self, said: &[Line]) {
        assert!(said.iter().any(|line| self.fits(line)), "it said\n{}", child::text(said));
    }

    fn fits(&self, line: &Line) -> bool {
        let message = self.cell.message.as_deref().unwrap_or_default();
        line.text.contains(message)
            && self.cell.hint.as_ref().is_none_or(|hint| line.hint.as_ref() == Some(hint))
    }

    /// Waits until the process says what the cell says; then it is as ready as the cell says.
    pub async fn tells(&self, running: &mut Running) {
        running.says(&format!("what {} promises", self.cell), |line| self.fits(line)).await;
        if self.cell.outcome == Outcome::Waits {
            self.state(running, "waiting", |status| status["summary"]["ready"] == false).await;
        }
    }

    /// Waits until the status fits.
    pub async fn state(
        &self,
        running: &mut Running,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        let address = address(running).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let answer = client().get(format!("{address}status.json")).send().await;
            let text = answer.expect("a status page").text().await.unwrap();
            let status: Value = serde_json::from_str(&text).unwrap();
            if fits(&status) {
                return status;
            }
            let said = || child::text(&running.said());
            assert!(tokio::time::Instant::now() < deadline, "never {what}: {text}\n{}", said());
        }
    }

    /// `/readyz`: status and text.
    pub async fn readiness(&self, running: &mut Running) -> (u16, String) {
        let url = format!("{}readyz", address(running).await);
        let answer = client().get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits until everything that the bank holds by now has been listed and published: two complete
    /// listings of each stream, since the first may have begun before.
    pub async fn complete(&self, running: &mut Running) {
        let status = self.state(running, "there", |_| true).await;
        let mut after = status["now_ms"].as_i64().unwrap();
        for _ in 0..2 {
            let fresh = |status: &Value| {
                // One that nobody needs is off, without an error.
                let unneeded = |s: &&Value| s["state"] == "off" && s["error"].is_null();
                let streams = status["streams"].as_object().unwrap().values();
                let streams: Vec<&Value> = streams.filter(|s| !unneeded(s)).collect();
                let fresh = streams.iter().all(|s| s["fresh_ms"].as_i64() > Some(after));
                // One stream for each account, and four beside them.
                status["phase"] == "ready" && streams.len() >= 4 + 2 && fresh
            };
            let status = self.state(running, "complete", fresh).await;
            let streams = status["streams"].as_object().unwrap().values();
            after = streams.filter_map(|s| s["fresh_ms"].as_i64()).max().unwrap();
        }
    }

    /// The fault is gone: the process catches up, ends cleanly, and every record is there once.
    pub async fn finish(&self, mut running: Running) {
        self.complete(&mut running).await;
        self.stop(running).await;
        self.check().await;
    }

    pub async fn stop(&self, running: Running) {
        let ended = running.stop().await;
        assert_eq!(ended.code, Some(0), "it said\n{}", child::text(&ended.said));
        clean(&ended.said);
    }

    /// `run --once` without a fault.
    pub async fn run_once(&self) {
        let ended = self.once().ended().await;
        assert_eq!(ended.code, Some(0), "it said\n{}", child::text(&ended.said));
        clean(&ended.said);
    }

    /// What the topics must hold by now.
    pub fn truth(&self) -> topics::Expected {
        topics::truth(&self.world(), &self.edited)
    }

    /// The topics hold this and nothing else.
    pub async fn check_against(&self, expected: &topics::Expected) {
        topics::check(&self.services.bootstrap, &self.prefix, expected).await;
    }

    /// A broker of one's own, with nothing on it.
    pub fn use_broker(&mut self, bootstrap: &str) {
        let services = Services { bootstrap: bootstrap.to_owned(), ..(*self.services).clone() };
        self.services = Arc::new(services);
        self.set("kafka.bootstrapServers", bootstrap);
    }

    /// Every record is on the topics exactly once, every edit once more.
    pub async fn check(&self) {
        self.check_against(&self.truth()).await;
    }

    /// Nothing is on the topics.
    pub async fn check_nothing(&self) {
        self.check_against(&topics::Expected::new()).await;
    }
}

fn pair(key: &str, value: &str) -> [String; 2] {
    ["--set".to_owned(), format!("{key}={value}")]
}

/// The error that ends a process: from `error:` on, with causes and hint.
fn report(said: &[Line]) -> String {
    let plain = said.iter().filter(|line| line.raw == line.text);
    plain.map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// No panic, no secret.
fn clean(said: &[Line]) {
    let text = child::text(said);
    for word in ["panicked", "RUST_BACKTRACE", ACCESS_KEY, SECRET] {
        assert!(!text.contains(word), "{word:?} in\n{text}");
    }
}

pub async fn address(running: &mut Running) -> String {
    const OPENING: &str = "status page at ";
    let line =
        running.says("where its status page is", |line| line.text.starts_with(OPENING)).await;
    line.text[OPENING.len()..].to_owned()
}

pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}
