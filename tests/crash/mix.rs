//! Stories whose blows are chosen by the dice.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Instant;

use atlar_ingestor::crash::Point;
use serde_json::json;

use super::blow::{Blow, PAUSES};
use super::dice::Dice;
use super::services;
use super::story::{Figures, Story};

/// Blows of one story.
const BLOWS: u64 = 5;

fn choose(dice: &mut Dice) -> Blow {
    match dice.between(1, 20) {
        1..=9 => Blow::Point(dice.one_of(&Point::ALL)),
        10..=12 => Blow::Events(dice.between(1, 40)),
        13..=14 => Blow::Line(dice.between(1, 8)),
        15..=16 => Blow::Pause(dice.one_of(&PAUSES)),
        17 => Blow::Deleted,
        18..=19 => Blow::Flipped,
        _ => Blow::Foreign,
    }
}

async fn told_by_dice(seed: u64) -> Figures {
    let began = Instant::now();
    let mut story = Story::begin("mix", seed).await;
    for _ in 0..BLOWS {
        let blow = match choose(&mut story.dice) {
            // Where no process came so far there is no store to be spoilt.
            Blow::Deleted | Blow::Flipped if !story.workspace.store().exists() => Blow::Foreign,
            blow => blow,
        };
        story.suffer(blow).await;
    }
    let figures = story.end().await;
    assert_eq!(figures.kills + figures.pauses + figures.stores, BLOWS);
    report(&story, &figures, began);
    figures
}

/// One line per story for `scripts/crash`.
fn report(story: &Story, figures: &Figures, began: Instant) {
    let Some(path) = services::optional("ATLAR_CRASH_OUT") else { return };
    let line = json!({
        "seed": story.seed, "kills": figures.kills, "pauses": figures.pauses, "stores": figures.stores,
        "batches": figures.batches, "events": figures.events, "sessions": figures.sessions,
        "ms": u64::try_from(began.elapsed().as_millis()).unwrap(),
        "told": story.told,
    });
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// Seeds of the tier; `scripts/crash` gives others.
#[tokio::test(flavor = "multi_thread")]
async fn stories_of_the_dice() {
    let number = |name: &str, default: u64| {
        services::optional(name).map_or(default, |text| text.parse().unwrap())
    };
    let first = number("ATLAR_CRASH_SEED", 101);
    let stories = number("ATLAR_CRASH_STORIES", 3);
    for seed in first..first + stories {
        told_by_dice(seed).await;
    }
}
