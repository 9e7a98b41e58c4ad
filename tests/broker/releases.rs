//! Several releases on one workspace: upgraded one after the other, and rolled back.
//!
//! The program is the same each time; a variable that no release knows lets it be the present
//! release, the next one, which reads format 2 and rules 2 and writes 1, or the one after it, which
//! writes 2. This process is the next one, so that it reads what all of them wrote.

use std::collections::BTreeSet;

use atlar_ingestor::simulator::Kind;
use atlar_ingestor::variant;
use serde_json::{Value, json};

use super::coherence;
use super::program::{Done, Running};
use super::topics::{self, Feed, Isolation, Stated};
use super::workspace::Workspace;

const VARIABLE: &str = "ATLAR_INGESTOR_RELEASE";
const STANDBY: &str = "standing by: another instance owns the workspace";
const ACQUIRED: &str = "workspace acquired";
const NEWER: [&str; 3] = [
    "the state topic was written by a newer release",
    "holds records of format 2, this release reads formats up to 1",
    "hint: run the release that wrote it",
];

/// A workspace whose records change in between.
struct Story {
    workspace: Workspace,
    edits: usize,
}

impl Story {
    async fn begin(test: &str) -> Story {
        assert!(variant::choose_release("introduces"));
        let story = Story { workspace: Workspace::small(test).await, edits: 0 };
        story.once("old", "store").await.ended_with(0);
        story
    }

    fn command(&self, release: &str, store: &str, command: &[&str]) -> Running {
        let store = format!("store.path={}", self.workspace.folder().join(store).display());
        self.workspace.start_with(command, &["--set", &store], &[(VARIABLE, release)])
    }

    fn run(&self, release: &str, store: &str) -> Running {
        self.command(release, store, &["run"])
    }

    async fn once(&self, release: &str, store: &str) -> Done {
        self.command(release, store, &["run", "--once"]).ended().await
    }

    /// Changes one of a few payments, so that each is changed under several releases.
    fn edit(&mut self) -> String {
        self.edits += 1;
        let id = self.workspace.bank.some(Kind::Transaction, self.edits % 3);
        let text = format!("edited {}", self.edits);
        let change = json!({"description": text});
        self.workspace.bank.world().patch(Kind::Transaction, &id, &change).unwrap();
        text
    }

    /// The same, and waits until the change is published.
    fn edit_and_see(&mut self) {
        let text = self.edit();
        Feed::open(&self.workspace.names).until(&text, |events| {
            events.iter().any(|event| event.value["after"]["description"] == text.as_str())
        });
    }

    /// Every record was published, every change of it once, and nothing else; `change_no` and the
    /// state are as they must be.
    #[track_caller]
    fn check(&self) {
        let events = self.workspace.events();
        let told = |nth: usize| {
            let text = format!("edited {nth}");
            events.iter().filter(|e| e.value["after"]["description"] == text.as_str()).count()
        };
        for nth in 1..=self.edits {
            assert_eq!(told(nth), 1, "edit {nth}");
        }
        assert_eq!(events.len(), self.workspace.bank.truth().len() + self.edits);
        coherence::check(&self.workspace.names);
    }

    /// The formats of the records in the state topic.
    fn formats(&self) -> BTreeSet<u8> {
        let records = topics::read(&self.workspace.names.state(), Isolation::Committed);
        records.iter().map(|record| record.value.as_deref().unwrap()[0]).collect()
    }

    /// The numbers of the rules that events were fingerprinted by.
    fn rules(&self) -> BTreeSet<String> {
        let events = self.workspace.events();
        events
            .iter()
            .map(|event| event.fingerprint().split(':').next().unwrap().to_owned())
            .collect()
    }

    /// How many records of entities were written.
    fn state_records(&self) -> usize {
        let state = topics::state(&self.workspace.names);
        state.iter().filter(|(_, stated)| matches!(stated, Stated::Entity { .. })).count()
    }

    /// Runs `older` and `newer` side by side: each is owner and standby once, and takes over.
    async fn side_by_side(&mut self, older: &str, newer: &str) {
        let mut first = self.run(older, "store");
        first.says(ACQUIRED, 1).await;
        self.edit_and_see();
        let mut second = self.run(newer, "other");
        second.says(STANDBY, 1).await;
        self.edit_and_see();
        first.signal("TERM");
        second.says(ACQUIRED, 1).await;
        self.edit_and_see();
        first.ended().await.ended_with(0);

        let mut third = self.run(older, "store");
        third.says(STANDBY, 1).await;
        // A change that the killed one may have begun to publish, and not told anybody.
        self.edit();
        second.kill();
        third.says(ACQUIRED, 1).await;
        self.edit_and_see();
        third.stop().await;
        self.check();
    }

    async fn alone(&mut self, release: &str) {
        let mut running = self.run(release, "store");
        running.says(ACQUIRED, 1).await;
        self.edit_and_see();
        running.stop().await;
        self.check();
    }

    /// A release that can read what is there comes, and there is nothing to publish.
    async fn nothing_is_new_to(&self, release: &str, store: &str) -> Done {
        let before = self.state_records();
        let done = self.once(release, store).await.ended_with(0);
        assert_eq!(done.published(), 0, "{release}: {done}");
        assert_eq!(self.state_records(), before, "{release} wrote what was there: {done}");
        self.check();
        done
    }

    /// A release that cannot read what is there writes nothing at all.
    async fn refused(&self, release: &str, store: &str, command: &[&str]) {
        let ends = topics::ends(&self.workspace.names);
        let done = self.command(release, store, command).ended().await.ended_with(7);
        done.saying(&NEWER);
        assert_eq!(topics::ends(&self.workspace.names), ends, "{command:?} has written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_to_another_format_publishes_every_change_once() {
    let mut story = Story::begin("rel-upgrade").await;
    story.alone("old").await;
    story.side_by_side("old", "introduces").await;
    assert_eq!((story.formats(), story.rules()), ([1].into(), ["1".to_owned()].into()));
    story.side_by_side("introduces", "writes").await;
    story.alone("writes").await;
    let both = ["1", "2"].map(str::to_owned);
    assert_eq!((story.formats(), story.rules()), ([1, 2].into(), both.into()));
    story.nothing_is_new_to("writes", "store").await;
    story.nothing_is_new_to("writes", "empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_to_other_rules_publishes_every_change_once() {
    let mut story = Story::begin("rel-rules").await;
    story.side_by_side("old", "introduces-rules").await;
    assert_eq!(story.rules(), ["1".to_owned()].into());
    story.side_by_side("introduces-rules", "writes-rules").await;
    story.alone("writes-rules").await;
    let both = ["1", "2"].map(str::to_owned);
    assert_eq!((story.formats(), story.rules()), ([1].into(), both.into()));
    story.nothing_is_new_to("writes-rules", "store").await;
    story.nothing_is_new_to("writes-rules", "empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_one_release_goes_on_where_the_newer_one_was() {
    let mut story = Story::begin("rel-back").await;
    story.nothing_is_new_to("introduces", "store").await;
    for _ in 0..3 {
        story.edit();
    }
    assert_eq!(story.once("writes", "store").await.ended_with(0).published(), 3);
    assert_eq!(story.formats(), [1, 2].into());

    // With the store of the newer one, and without any.
    let done = story.nothing_is_new_to("introduces", "store").await;
    assert_eq!(done.acquired().0, "used", "{done}");
    story.nothing_is_new_to("introduces", "empty").await;
    story.edit();
    assert_eq!(story.once("introduces", "store").await.ended_with(0).published(), 1);
    story.check();
    // And forward again.
    story.nothing_is_new_to("writes", "store").await;
    story.edit();
    assert_eq!(story.once("writes", "store").await.ended_with(0).published(), 1);
    story.check();
    // It runs as well as it lists once.
    story.alone("introduces").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_two_releases_is_refused_before_anything_is_written() {
    let mut story = Story::begin("rel-refused").await;
    story.edit();
    story.once("writes", "store").await.ended_with(0);
    for store in ["store", "empty"] {
        story.refused("old", store, &["run"]).await;
        story.refused("old", store, &["run", "--once"]).await;
    }
    story.refused("old", "empty", &["setup"]).await;

    // By one first, which leaves records of both formats, and a store whose entries tell none.
    story.edit();
    story.once("introduces", "store").await.ended_with(0);
    for store in ["store", "empty"] {
        story.refused("old", store, &["run"]).await;
        story.refused("old", store, &["run", "--once"]).await;
    }
    // Nothing was spoilt.
    story.nothing_is_new_to("introduces", "store").await;
    story.nothing_is_new_to("writes", "store").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_cannot_read_what_the_owner_writes_stops() {
    let mut story = Story::begin("rel-standby").await;
    let mut owner = story.run("introduces", "store");
    owner.says(ACQUIRED, 1).await;
    story.edit_and_see();
    let mut old = story.run("old", "other");
    old.says(STANDBY, 1).await;
    let mut newest = story.run("writes", "newest");
    newest.says(STANDBY, 1).await;
    // Asleep, it is not the one that the group gives the workspace to.
    old.signal("STOP");
    owner.signal("TERM");
    newest.says(ACQUIRED, 1).await;
    owner.ended().await.ended_with(0);
    story.edit_and_see();
    old.signal("CONT");
    let old = old.ended().await.ended_with(7).saying(&NEWER);
    assert_eq!(old.log(ACQUIRED).len(), 0, "{old}");
    story.edit_and_see();
    newest.stop().await;
    story.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_to_unknown_rules_publishes_only_what_has_changed() {
    let mut story = Story::begin("rel-unknown").await;
    for _ in 0..3 {
        story.edit();
    }
    assert_eq!(story.once("writes-rules", "store").await.ended_with(0).published(), 3);
    // By two: what it cannot compare it looks up in the events, and remembers by its own rules.
    story.edit();
    let before = story.state_records();
    assert_eq!(story.once("old", "store").await.ended_with(0).published(), 1);
    assert_eq!(story.state_records(), before + 3, "one changed, two followed");
    story.check();
    story.nothing_is_new_to("old", "store").await;
    story.nothing_is_new_to("old", "empty").await;
    // Back to the rules that the others have still.
    story.nothing_is_new_to("writes-rules", "store").await;
    story.edit();
    assert_eq!(story.once("writes-rules", "store").await.ended_with(0).published(), 1);
    story.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_both_formats_with_a_release_that_reads_them() {
    let mut story = Story::begin("rel-export").await;
    story.edit();
    story.once("writes", "store").await.ended_with(0);
    let id = story.workspace.bank.some(Kind::Transaction, 1);
    let inspect = ["state", "inspect", "--entity", "payment", "--id", &id, "-o", "json"];
    for release in ["introduces", "writes"] {
        for command in [&["state", "export"][..], &["state", "export", "--raw"]] {
            let done = story.command(release, "empty", command).ended().await.ended_with(0);
            let lines: Vec<Value> =
                done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let shown = |name: &str| lines.iter().filter(|line| line["record"] == name).count();
            let all = story.workspace.bank.truth().len();
            assert!(shown("entity") >= all && shown("genesis") == 1 && shown("unknown") == 0);
        }
        let done = story.command(release, "empty", &inspect).ended().await.ended_with(0);
        let shown: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(shown["change_no"], 2, "{done}");
        assert!(shown["fingerprint"].as_str().unwrap().starts_with("2:"), "{done}");
        story.command(release, "empty", &["state", "inspect"]).ended().await.ended_with(0);
    }
    for command in [&["state", "export"][..], &["state", "inspect"], &inspect] {
        let done = story.command("old", "empty", command).ended().await.ended_with(7);
        done.saying(&[NEWER[1], "run the release that wrote it"]);
    }
}
