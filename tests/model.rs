//! The delivery protocol as a state machine, and every state it can reach.
//!
//! The program's promise rests on the order of a few steps and on what is dropped when one of them
//! fails. Here these steps are written down small enough that all their interleavings can be
//! walked through: two instances on one workspace, a broker, a source that moves, and faults. The
//! rules are those of `src/recover.rs`, `src/publish/writer.rs` and `src/ingest`, one step for each
//! request that another process may overtake:
//!
//! | step | what it does | where it fails |
//! |---|---|---|
//! | catch up | read the state topic to its end; a record that is read drops its entity's short cut | |
//! | take an epoch | who sent before is fenced; an open transaction is aborted, a prepared one awaited | |
//! | barrier | commit a session record, which holds nothing that is read from the log | fenced: acquire |
//! | read to the barrier | the view is the log below it, and the next record's place is known | not there: acquire |
//! | poll, judge | diff against view and overlay: a batch in commit, a batch being built | |
//! | judge the inbox | one webhook; the next offset goes with the batch that judged it, in its manifest | |
//! | take an epoch | a new one for each batch | |
//! | send the events | | fenced: drop, acquire |
//! | send the state | manifest last; the first record must lie at the place expected | fenced, elsewhere: drop, acquire |
//! | commit | the coordinator decides, then writes a marker in each topic | fenced: drop, acquire |
//! | read back | the next manifest in the log is ours, or the batch does not count | another's, none: drop, acquire |
//! | hear | an owner learns at some time that another one took over | drop, acquire |
//!
//! Acquiring begins at the top. Dropped are the producer, the page in hand, and both batches; view
//! and short cuts stay.
//!
//! Nothing tells an instance beforehand who owns the workspace: both go for it whenever they like.
//! Any step may come at any later time, which is what a paused process looks like to others.
//! Faults: death with or without the disk, answers that do not come, requests that arrive late or
//! twice, a transaction that the coordinator gives up, a commit that is answered and was an abort.
//! The coordinator speaks the first protocol (before KIP-890): the end of a transaction acts on
//! whatever transaction its epoch has open.
//!
//! What must hold in every state ([`world::Violation`]): the change numbers of an entity are 1, 2,
//! 3 … in its topic; each event tells of a later state of the source than the one before; events
//! and state agree whenever no transaction is open; an inbox record is applied at most once. And
//! from every state either instance, alone and without further faults, publishes what the source
//! holds and applies all that the inbox holds.
//!
//! A model is worth what it can find: each [`rules::Flaw`] takes one rule away, and must lead to a
//! violation. `cargo test --test model -- --nocapture` shows the shortest way to each.
//!
//! Left out: versions that do not move with the content, lower versions that are believed after a
//! while, joins, deletes held back. They decide what a difference is, not how it is delivered. An
//! entity that returns after a delete is taken to go on counting its versions. Sequence numbers of
//! an epoch are taken to work: a copy of a record that was written is not written again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use rules::{Flaw, Scene};
use search::{Outcome, explore};

#[path = "model/broker.rs"]
mod broker;
#[path = "model/judge.rs"]
mod judge;
#[path = "model/log.rs"]
mod log;
#[path = "model/next.rs"]
mod next;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/search.rs"]
mod search;
#[path = "model/world.rs"]
mod world;
#[path = "model/writer.rs"]
mod writer;

/// Explores a scene by the program's own rules. These steps must be among those taken: a model that
/// cannot go wrong proves nothing.
#[track_caller]
fn check_holds(scene: &'static Scene, steps: &[&str]) {
    let outcome = explore(scene, None);
    println!("{}: {outcome}", scene.name);
    let Outcome::Holds { told, .. } = outcome else { panic!("{}: {outcome}", scene.name) };
    for step in steps {
        assert!(told.contains(step), "{}: nobody ever {step}", scene.name);
    }
}

#[test]
fn a_value_is_published_once_whatever_fails() {
    let steps = [
        "dies and loses its disk",
        "is fenced",
        "sends state, and sees that somebody wrote before",
        "is told that it committed, but the coordinator aborts",
        "does not find its batch",
        "does not find its session record",
        "reads that another one took over",
        "gets the late request",
        "gives the open transaction up",
    ];
    check_holds(&rules::VALUE, &steps);
}

#[test]
fn a_value_that_comes_back_is_published_again() {
    check_holds(&rules::RETURN, &["hears that another one took over", "reads its batch back"]);
}

#[test]
fn a_batch_is_there_as_a_whole_or_not_at_all() {
    check_holds(&rules::SEVERAL, &["commits at the second try; the first is still under way"]);
}

#[test]
fn a_webhook_is_applied_once() {
    check_holds(&rules::WEBHOOKS, &["sends a webhook of an earlier state", "judges a webhook"]);
}

#[test]
fn a_delete_and_a_webhook_do_not_undo_each_other() {
    check_holds(&rules::DELETES, &["sends a webhook of an earlier state", "judges a webhook"]);
}

#[test]
fn each_rule_is_needed() {
    for flaw in Flaw::ALL {
        let scene = flaw.scene();
        let outcome = explore(scene, Some(flaw));
        println!("{flaw:?} in {}: {outcome}", scene.name);
        assert!(matches!(outcome, Outcome::Violated { .. }), "{flaw:?}: {outcome}");
    }
}
