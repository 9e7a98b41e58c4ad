//! Faults of the state topic: what it said is gone, or there only in part.

use atlar_ingestor::state::Control;
use atlar_ingestor::state::control::Rebuild;

use super::place::Place;
use super::topics;

/// Deleted, and made anew by whoever missed it.
async fn lose(place: &Place) {
    topics::empty(&place.services.bootstrap, &place.topic("state")).await;
}

/// As a rebuild leaves it that was killed before its first batch: a genesis of its own, and the
/// record that says that there is more to come.
async fn break_off(place: &Place) {
    let (bootstrap, state) = (&place.services.bootstrap, place.topic("state"));
    let (key, value) = topics::first(bootstrap, &state).await;
    let Some(Control::Genesis(mut genesis)) = Control::decode(&key, &value, 0).unwrap() else {
        panic!("the first record is no genesis");
    };
    lose(place).await;
    genesis.id = atlar_ingestor::entropy::identity();
    let begun = Rebuild { started_ms: genesis.created_ms, finished_ms: None, entities: 0 };
    for control in [Control::Genesis(genesis), Control::Rebuild(begun)] {
        topics::write(bootstrap, &state, &control.key(), &control.value()).await;
    }
}

pub async fn state_lost_start(place: Place) {
    place.set_up().await;
    place.run_once().await;
    lose(&place).await;
    place.ends(place.run()).await;
    place.rebuild().await;
    place.finish(place.run()).await;
}

/// Noticed with the next batch: its first record lies elsewhere than it must.
pub async fn state_lost_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    lose(&place).await;
    place.edit();
    place.ends(running).await;
    place.rebuild().await;
    place.finish(place.run()).await;
}

/// Here its records alone are deleted, as by a retention that somebody set.
pub async fn state_lost_once(place: Place) {
    place.set_up().await;
    place.run_once().await;
    topics::forget(&place.services.bootstrap, &place.topic("state")).await;
    place.ends(place.once()).await;
    place.rebuild().await;
    place.run_once().await;
    place.check().await;
}

pub async fn state_partial_start(place: Place) {
    place.set_up().await;
    place.run_once().await;
    break_off(&place).await;
    place.ends(place.run()).await;
    place.rebuild().await;
    place.finish(place.run()).await;
}

/// Somebody rebuilt, or began to, behind the back of a process that its group had given up.
pub async fn state_partial_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    break_off(&place).await;
    place.edit();
    place.ends(running).await;
    place.rebuild().await;
    place.finish(place.run()).await;
}

pub async fn state_partial_once(place: Place) {
    place.set_up().await;
    place.run_once().await;
    break_off(&place).await;
    place.ends(place.once()).await;
    place.rebuild().await;
    place.run_once().await;
    place.check().await;
}
