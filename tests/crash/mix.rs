//! Stories whose blows are chosen by the dice, or from a list to its end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Instant;

use atlar_ingestor::crash::Point;
use serde_json::json;

use super::blow::{Blow, PAUSES};
use super::broker;
use super::dice::Dice;
use super::proxy::Request;
use super::services;
use super::story::{Figures, Story};

/// Blows of one story.
const BLOWS: usize = 10;

/// What a story is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Seven deaths, a sleeper, a store that is spoilt, trouble with a broker; in any order.
    Mix,
    /// Deaths at named points. Nineteen stories with seeds in a row meet each point ten times.
    Points,
    /// Brokers die and are restarted.
    Brokers,
    /// Owners die beside a standby.
    Pairs,
}

impl Kind {
    fn of(name: &str) -> Option<Kind> {
        match name {
            "mix" => Some(Kind::Mix),
            "points" => Some(Kind::Points),
            "brokers" => Some(Kind::Brokers),
            "pairs" => Some(Kind::Pairs),
            _ => None,
        }
    }
}

fn death(dice: &mut Dice) -> Blow {
    match dice.between(1, 10) {
        1..=2 => Blow::Point(dice.one_of(&Point::ALL)),
        3..=6 => Blow::Look(dice.between(1, 160)),
        7..=8 => Blow::Events(dice.between(1, 40)),
        _ => Blow::Line(dice.between(1, 8)),
    }
}

fn spoilt_store(dice: &mut Dice) -> Blow {
    dice.one_of(&[Blow::Deleted, Blow::Flipped, Blow::Flipped, Blow::Foreign])
}

fn broker_trouble(dice: &mut Dice) -> Blow {
    const LATE: [Request; 4] =
        [Request::EndTxn, Request::Produce, Request::InitProducerId, Request::AddPartitionsToTxn];
    let brokers = broker::brokers();
    // The proxy stands before one broker.
    match dice.between(1, if brokers == 1 { 5 } else { 3 }) {
        1..=2 => Blow::Broker("kill", dice.between(1, brokers)),
        3 => Blow::Broker("stop", dice.between(1, brokers)),
        _ => Blow::Late(dice.one_of(&LATE), u32::try_from(dice.between(0, 3)).unwrap()),
    }
}

fn blows(kind: Kind, seed: u64, dice: &mut Dice) -> Vec<Blow> {
    match kind {
        Kind::Mix => {
            let mut blows: Vec<Blow> = (0..BLOWS - 3).map(|_| death(dice)).collect();
            blows.push(Blow::Pause(dice.one_of(&PAUSES)));
            blows.push(spoilt_store(dice));
            blows.push(broker_trouble(dice));
            // Fisher and Yates.
            for last in (1..blows.len()).rev() {
                let other = usize::try_from(dice.between(0, last as u64)).unwrap();
                blows.swap(last, other);
            }
            blows
        }
        Kind::Points => {
            let first = usize::try_from(seed).unwrap() * BLOWS;
            let point = |number: usize| Point::ALL[number % Point::ALL.len()];
            (first..first + BLOWS).map(|number| Blow::Point(point(number))).collect()
        }
        Kind::Brokers => (0..BLOWS).map(|_| broker_trouble(dice)).collect(),
        Kind::Pairs => (0..BLOWS).map(|_| Blow::Beside(dice.between(1, 80))).collect(),
    }
}

async fn told(name: &str, seed: u64) {
    let kind = Kind::of(name).unwrap_or_else(|| panic!("no such kind of story: {name}"));
    let began = Instant::now();
    let mut story = Story::begin(name, seed).await;
    for blow in blows(kind, seed, &mut story.dice) {
        let blow = match blow {
            // Where no process came so far there is no store to be spoilt.
            Blow::Deleted | Blow::Flipped if !story.workspace.store().exists() => Blow::Foreign,
            blow => blow,
        };
        story.suffer(blow).await;
    }
    let figures = story.end().await;
    let Figures { kills, pauses, stores, brokers, late, .. } = figures;
    assert_eq!(kills + pauses + stores + brokers + late, BLOWS as u64);
    report(&story, name, &figures, began);
}

/// One line per story for `scripts/crash`.
fn report(story: &Story, name: &str, figures: &Figures, began: Instant) {
    let Some(path) = services::optional("ATLAR_CRASH_OUT") else { return };
    let line = json!({
        "story": name, "seed": story.seed,
        "kills": figures.kills, "pauses": figures.pauses, "stores": figures.stores,
        "brokers": figures.brokers, "late": figures.late,
        "batches": figures.batches, "events": figures.events, "sessions": figures.sessions,
        "ms": u64::try_from(began.elapsed().as_millis()).unwrap(),
        "told": story.told,
    });
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// `ATLAR_CRASH_STORY=mix:7` tells the story with this seed.
#[tokio::test(flavor = "multi_thread")]
async fn the_story() {
    let wanted = services::optional("ATLAR_CRASH_STORY").unwrap_or_else(|| "mix:101".to_owned());
    let (name, seed) = wanted.split_once(':').unwrap();
    told(name, seed.parse().unwrap()).await;
}

#[test]
fn the_shares_of_a_mix_are_kept() {
    let mut dice = Dice::new(7);
    let mixed = blows(Kind::Mix, 7, &mut dice);
    let count = |wanted: fn(&Blow) -> bool| mixed.iter().filter(|blow| wanted(blow)).count();
    assert_eq!(mixed.len(), BLOWS);
    assert_eq!(count(|blow| matches!(blow, Blow::Pause(_))), 1);
    assert_eq!(count(|blow| matches!(blow, Blow::Broker(..) | Blow::Late(..))), 1);
    let spoilt = |blow: &Blow| matches!(blow, Blow::Deleted | Blow::Flipped | Blow::Foreign);
    assert_eq!(count(spoilt), 1);
}

#[test]
fn stories_about_points_meet_each_one_as_often() {
    let number = Point::ALL.len() as u64;
    let all: Vec<Blow> =
        (1..=number).flat_map(|seed| blows(Kind::Points, seed, &mut Dice::new(seed))).collect();
    for point in Point::ALL {
        let met = all.iter().filter(|blow| **blow == Blow::Point(point)).count();
        assert_eq!(met, BLOWS, "{point:?}");
    }
}
