//! One workspace of a test: a bank, topics of its own, a folder, and the program's configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use atlar_ingestor::domain::Entity;
use atlar_ingestor::kafka::{Options, group};
use atlar_ingestor::publish::Names;
use serde_json::json;
use tempfile::TempDir;

use super::bank::{ACCESS_KEY, Bank, SECRET};
use super::program::{self, Done, Running};
use super::services;
use super::topics::{self, Event, Isolation};
use super::waiting::wait_for;

pub const BINARY: &str = env!("CARGO_BIN_EXE_atlar-ingestor");
pub const PARTITIONS: i32 = 2;
pub const SESSION_MS: &str = "3000";

pub struct Workspace {
    pub bank: Bank,
    pub names: Names,
    folder: TempDir,
    started: AtomicU32,
}

impl Workspace {
    /// A workspace that is not set up. `test` names it: no two tests may share a name.
    pub async fn bare(test: &str) -> Workspace {
        Workspace::of(test, Bank::small().await)
    }

    pub async fn small(test: &str) -> Workspace {
        let workspace = Workspace::bare(test).await;
        workspace.setup(&[]).await.ended_with(0);
        workspace
    }

    pub fn of(test: &str, bank: Bank) -> Workspace {
        Workspace::with_session(test, bank, SESSION_MS)
    }

    /// With another session timeout of the group, in milliseconds.
    pub fn with_session(test: &str, bank: Bank, session_ms: &str) -> Workspace {
        // The process id keeps runs on one broker apart.
        let names = Names::new(&format!("{test}-{}", std::process::id()));
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "accessKey": ACCESS_KEY,
            "secret": SECRET,
            "baseUrl": bank.url(),
            "pollingPeriod": "1s",
            "requests": { "perSecond": 1000 },
            "kafka": {
                "bootstrapServers": services::bootstrap(),
                "topicPrefix": names.prefix(),
                "partitions": PARTITIONS,
                // A group of its own, which notices soon when a member was killed.
                "groupId": names.prefix(),
                "properties": { "session.timeout.ms": session_ms },
            },
            "registry": { "url": services::registry() },
            "store": { "path": folder.path().join("store") },
            "http": { "listen": "127.0.0.1:0" },
            "log": { "format": "json" },
        });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        Workspace { bank, names, folder, started: AtomicU32::new(0) }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Starts a command of the program with this workspace's configuration.
    pub fn start(&self, command: &[&str], more: &[&str]) -> Running {
        self.start_with(command, more, &[])
    }

    /// The same, with environment variables.
    pub fn start_with(
        &self,
        command: &[&str],
        more: &[&str],
        variables: &[(&str, &str)],
    ) -> Running {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let config = ["--config", "config.json"];
        let arguments: Vec<&str> = [command, &config, more].concat();
        let name = format!("{number}-{}", command[0]);
        program::start(BINARY, &arguments, variables, self.folder.path(), &name)
    }

    pub async fn setup(&self, more: &[&str]) -> Done {
        self.start(&["setup"], more).ended().await
    }

    pub async fn once(&self, more: &[&str]) -> Done {
        self.start(&["run", "--once"], more).ended().await
    }

    /// Starts `run` and waits until the workspace is acquired.
    pub async fn run(&self, more: &[&str]) -> Running {
        let mut running = self.start(&["run"], more);
        running.says("workspace acquired", 1).await;
        running
    }

    /// What a running process answers to a GET.
    pub async fn ask(&self, running: &Running, path: &str) -> reqwest::Response {
        let said = running.so_far().log("status page at ");
        let page = said[0]["message"].as_str().unwrap().trim_start_matches("status page at ");
        // An error says that a provider is installed already: equally good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(super::waiting::LIMIT);
        client.build().unwrap().get(format!("{page}{path}")).send().await.unwrap()
    }

    /// What `/status.json` of a running process says.
    pub async fn status(&self, running: &Running) -> serde_json::Value {
        self.ask(running, "status.json").await.json().await.unwrap()
    }

    /// Waits until the group has given up whoever was killed.
    pub async fn without_owner(&self) {
        let options = self.kafka();
        let member =
            || group::subscriber(&options, self.names.prefix(), &self.names.state()).unwrap();
        let look = || member().is_none().then_some(());
        wait_for("a group without members", look, || format!("{:?}", member())).await;
    }

    pub fn kafka(&self) -> Options {
        let bootstrap_servers = services::bootstrap();
        Options { bootstrap_servers, properties: BTreeMap::new() }
    }

    pub fn events(&self) -> Vec<Event> {
        topics::events(&self.names, Isolation::Committed)
    }

    /// Fails the test unless each record of the bank was published exactly once, and nothing else.
    #[track_caller]
    pub fn every_record_once(&self) {
        let mut published: BTreeMap<(Entity, String), Vec<u64>> = BTreeMap::new();
        for event in self.events() {
            let changes = published.entry((event.entity, event.id.clone())).or_default();
            changes.push(event.change_no());
        }
        let expected: BTreeMap<_, _> =
            self.bank.truth().into_keys().map(|key| (key, vec![1])).collect();
        assert_eq!(published, expected);
    }

    /// The events after the first ones of each entity, in the order of offsets within a partition.
    pub fn later_events(&self) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.change_no() > 1).collect()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // For whoever looks into the failure.
            self.folder.disable_cleanup(true);
            eprintln!("kept: {}", self.folder.path().display());
        }
    }
}
