//! One workspace through a number of blows, and what must hold of it at the end.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use atlar_ingestor::domain::Entity;
use atlar_ingestor::publish::Names;
use atlar_ingestor::simulator::{Options, Traps};
use serde_json::Value;

use super::bank::{self, Bank};
use super::coherence;
use super::dice::Dice;
use super::dump;
use super::program::{self, Done, Running};
use super::services;
use super::topics::{self, Feed, Isolation, Stated};
use super::waiting::{LIMIT, wait_for};
use super::workspace::Workspace;

/// Steps of the bank's life while a process is waited for, one at each look.
const LIFE_MAX: u32 = 250;
/// The group gives a process up after so long: short, because a story has many deaths.
const SESSION_MS: &str = "1000";
/// Complete listings that an undisturbed process has behind it: the checker asks what came of each
/// but the last ones.
const LISTINGS: usize = 4;

/// What happened, for the figures.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    pub kills: u64,
    pub pauses: u64,
    pub stores: u64,
    /// Brokers that were killed or stopped, and requests that reached one late.
    pub brokers: u64,
    pub late: u64,
    pub batches: u64,
    pub events: u64,
    pub sessions: u64,
}

pub struct Story {
    pub seed: u64,
    pub dice: Dice,
    pub workspace: Workspace,
    pub figures: Figures,
    /// What was done, for whoever looks into a failure.
    pub told: Vec<String>,
    newcomers: u32,
}

impl Story {
    pub async fn begin(name: &str, seed: u64) -> Story {
        // A deletion has no event yet.
        let traps = Traps { deletions: false, ..Traps::all() };
        let bank = Bank::start(Options { seed, traps, ..bank::small() }).await;
        let name = format!("crash-{name}-{seed}");
        let workspace = Workspace::with_session(&name, bank, SESSION_MS);
        workspace.setup(&[]).await.ended_with(0);
        let (dice, told) = (Dice::new(seed), Vec::new());
        Story { seed, dice, workspace, figures: Figures::default(), told, newcomers: 0 }
    }

    pub fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    /// Lets the bank live on a little.
    pub fn live(&mut self) {
        let steps = self.dice.between(1, 25);
        self.workspace.bank.world().live(usize::try_from(steps).unwrap());
    }

    /// What lets the bank live at each look of a wait.
    pub fn life(&self) -> impl Fn() + use<> {
        let world = self.workspace.bank.world();
        let lived = Cell::new(0);
        move || {
            if lived.get() < LIFE_MAX {
                lived.set(lived.get() + 1);
                world.live(1);
            }
        }
    }

    /// Waits until there are more events than so many; the bank lives on meanwhile.
    pub fn publishes_more_than(&self, before: usize) {
        let life = self.life();
        Feed::open(&self.workspace.names).until("more events", |events| {
            life();
            events.len() > before
        });
    }

    /// Starts a command with a crash point armed.
    pub fn armed(&self, command: &[&str], plan: &str) -> Running {
        let variable = "ATLAR_INGESTOR_CRASH_AT";
        self.workspace.start_with(command, &[], &[(variable, plan)])
    }

    /// Undisturbed, it recovers and publishes the rest; then there is nothing more to publish. A
    /// list may be read before the one that is joined to it: the name of a bank that changed
    /// reaches its accounts with the next cycle.
    pub async fn recover(&mut self) {
        self.once_free(&[]).await;
        let mut again = self.workspace.once(&[]).await.ended_with(0);
        if again.published() > 0 {
            again = self.workspace.once(&[]).await.ended_with(0);
        }
        assert_eq!(again.published(), 0, "not quiet: {again}");
    }

    /// Lists once, as soon as the group has given up whoever died or sleeps.
    pub async fn once_free(&self, more: &[&str]) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let done = self.workspace.once(more).await;
            if done.code != 6 || Instant::now() > deadline {
                done.ended_with(0);
                return;
            }
        }
    }

    /// Lives on undisturbed for some listings.
    async fn live_on(&mut self) {
        let world = self.workspace.bank.world();
        let life = self.life();
        let ends = || world.ends_served("/v1/counterparties");
        let wanted = ends() + LISTINGS;
        let running = self.workspace.start(&["run"], &[]);
        let look = || {
            life();
            (ends() >= wanted).then_some(())
        };
        wait_for("some listings", look, || running.so_far()).await;
        running.stop().await;
    }

    /// Recovers, and checks everything.
    pub async fn end(&mut self) -> Figures {
        self.recover().await;
        self.live_on().await;
        self.recover().await;
        self.figures.batches = coherence::check(&self.workspace.names);
        let state = topics::state(&self.workspace.names);
        self.figures.sessions =
            state.iter().filter(|(_, stated)| is_session(stated)).count() as u64;
        self.check_versions(&state);
        self.checked().await.ended_with(0);
        let published = last_events(&self.workspace.names);
        self.figures.events = self.workspace.events().len() as u64;
        let names = self.newcomer(&["run", "--once"]).await.0;
        let differs = differences(&published, &last_events(&names));
        assert!(differs.is_empty(), "a newcomer publishes something else: {differs:#?}");
        self.figures
    }

    /// By a program that shares no code with us.
    pub async fn checked(&self) -> Done {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/check.py");
        let (bootstrap, registry) = (services::bootstrap(), services::registry());
        let url = self.workspace.bank.url();
        let arguments = [
            &["-B", script, "--bootstrap", &bootstrap, "--registry", &registry][..],
            &["--prefix", self.workspace.names.prefix(), "--simulator", &url, "--quiet-source"],
            // What a predecessor left open the next acquisition has ended.
            &["--settle", "0", "--no-before", "--no-deletes", "--store-dump", "store.jsonl"],
        ];
        let folder = self.workspace.folder();
        let dump: String =
            dump::lines(&self.workspace.store()).iter().map(|line| format!("{line}\n")).collect();
        fs::write(folder.join("store.jsonl"), dump).unwrap();
        let python = services::python();
        program::start(&python, &arguments.concat(), &[], folder, "check").ended().await
    }

    /// The state has the bank's version of each record.
    fn check_versions(&self, state: &[(i64, Stated)]) {
        let mut known: BTreeMap<(Entity, &str), Option<i64>> = BTreeMap::new();
        for (_, stated) in state {
            if let Stated::Entity { entity, id, record } = stated {
                known.insert((*entity, id), record.version);
            }
        }
        let truth = self.workspace.bank.truth();
        let truth: BTreeMap<(Entity, &str), Option<i64>> = truth
            .iter()
            .map(|((entity, id), version)| ((*entity, id.as_str()), Some(i64::from(*version))))
            .collect();
        assert_eq!(known, truth, "known, and the truth");
    }

    /// A workspace beside this one that has read the same bank, undisturbed; and its store.
    pub async fn newcomer(&mut self, command: &[&str]) -> (Names, PathBuf) {
        self.newcomers += 1;
        let prefix = format!("{}-new-{}", self.workspace.names.prefix(), self.newcomers);
        let store = self.workspace.folder().join(format!("new-{}", self.newcomers));
        let topics = format!("kafka.topicPrefix={prefix}");
        let path = format!("store.path={}", store.display());
        let more = ["--set", &topics, "--set", &path];
        self.workspace.setup(&more).await.ended_with(0);
        self.workspace.start(command, &more).ended().await.ended_with(0);
        (Names::new(&prefix), store)
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: {:#?}", self.seed, self.told);
        }
    }
}

fn is_session(stated: &Stated) -> bool {
    matches!(stated, Stated::Control(atlar_ingestor::state::Control::Session(_)))
}

/// What is known of each entity after its last event.
fn last_events(names: &Names) -> BTreeMap<(Entity, String), Value> {
    let events = topics::events(names, Isolation::Committed);
    events.into_iter().map(|e| ((e.entity, e.id.clone()), e.value["after"].clone())).collect()
}

/// A version with equal content is no event: these are of the last one that was.
const OF_A_VERSION: [&str; 3] = ["raw", "updated_at", "version"];

/// Fields of entities that differ.
pub fn differences(
    ours: &BTreeMap<(Entity, String), Value>,
    theirs: &BTreeMap<(Entity, String), Value>,
) -> Vec<String> {
    let mut found = Vec::new();
    for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let (Some(one), Some(two)) = (ours.get(key), theirs.get(key)) else {
            found.push(format!("{key:?} is not in both"));
            continue;
        };
        let fields = one.as_object().unwrap().iter();
        let fields = fields.filter(|(field, _)| !OF_A_VERSION.contains(&field.as_str()));
        let fields = fields.filter(|(field, value)| two[field.as_str()] != **value);
        found.extend(fields.map(|(field, value)| {
            format!("{key:?} {field}: {value}\nnewcomer: {}", two[field.as_str()])
        }));
    }
    found
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
