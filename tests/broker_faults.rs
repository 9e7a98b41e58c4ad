//! Walks the table of docs/faults.md: each of its cells is a scenario here, played with the program
//! itself against a simulated bank, a real broker and a real registry.
//!
//! A scenario that plays out otherwise than its cell says fails, and so do a cell without scenario
//! and a scenario without cell. After each fault that passes, every record of the bank must be on
//! the topics exactly once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test they help"
)]

#[path = "faults/atlar.rs"]
mod atlar;
#[path = "faults/child.rs"]
mod child;
#[path = "faults/dependencies.rs"]
mod dependencies;
#[path = "faults/door.rs"]
mod door;
#[path = "faults/machine.rs"]
mod machine;
#[path = "faults/place.rs"]
mod place;
#[path = "faults/services.rs"]
mod services;
#[path = "faults/state.rs"]
mod state;
#[path = "faults/table.rs"]
mod table;
#[path = "faults/topics.rs"]
mod topics;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use place::{Place, Services};
use table::{Cell, Outcome};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
/// Scenarios mostly wait.
const AT_ONCE: usize = 10;

type Playing = Pin<Box<dyn Future<Output = ()> + Send>>;
type Scenario = fn(Place) -> Playing;

/// Each function under its name with hyphens, as the table has it.
macro_rules! scenarios {
    ($($part:ident: $($name:ident)*;)*) => {
        BTreeMap::from([$($((
            stringify!($name).replace('_', "-"),
            (|place| Box::pin($part::$name(place))) as Scenario,
        ),)*)*])
    };
}

fn scenarios() -> BTreeMap<String, Scenario> {
    scenarios! {
        atlar:
            refused_start refused_later refused_once
            forbidden_start forbidden_later forbidden_once
            no_connection_start no_connection_later no_connection_once
            web_page_start web_page_later web_page_once
            not_offered_start not_offered_later not_offered_once
            nothing_offered_start nothing_offered_later nothing_offered_once
            truncated_start truncated_later truncated_once
            cut_start cut_later cut_once
            slow_start slow_later slow_once
            shape_start shape_later shape_once
            repeated_token_start repeated_token_later repeated_token_once
            too_many_start too_many_later too_many_once
            server_error_start server_error_later server_error_once
            organization_start organization_later organization_once;
        dependencies:
            broker_start broker_later broker_once
            topics_missing_start topics_missing_later topics_missing_once
            topic_settings_start topic_settings_later topic_settings_once
            group_start group_later group_once
            host_start host_later host_once
            owned_start owned_later owned_once
            newer_state_start newer_state_later newer_state_once
            registry_start registry_later registry_once
            schema_start schema_later schema_once;
        state:
            state_lost_start state_lost_later state_lost_once
            state_partial_start state_partial_later state_partial_once;
        machine:
            store_unwritable_start store_unwritable_later store_unwritable_once
            store_in_use_start store_in_use_later store_in_use_once
            store_gone_start store_gone_later store_gone_once
            store_damaged_start store_damaged_later store_damaged_once
            port_start port_later port_once
            configuration_start configuration_later configuration_once
            credentials_file_start credentials_file_later credentials_file_once
            connector_file_start connector_file_later connector_file_once;
    }
}

#[expect(clippy::disallowed_methods, reason = "scripts/test says where the services are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn services() -> Services {
    let needed = |name: &str| {
        variable(name)
            .unwrap_or_else(|| panic!("{name} is missing: use scripts/test --tier broker"))
    };
    let registry = needed("ATLAR_INGESTOR_REGISTRY__URL");
    let (address, path) = registry
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("a registry on this machine");
    Services {
        bootstrap: needed("ATLAR_INGESTOR_KAFKA__BOOTSTRAP_SERVERS"),
        registry: address.parse().expect("an address and a port"),
        registry_path: format!("/{path}"),
    }
}

fn cells() -> Vec<Cell> {
    let text = std::fs::read_to_string(TABLE).expect("docs/faults.md");
    table::parse(&text).unwrap_or_else(|error| panic!("docs/faults.md: {error}"))
}

#[test]
fn the_table_and_the_scenarios_name_the_same_cells() {
    let scenarios = scenarios();
    let cells = cells();
    let without: Vec<&str> = cells
        .iter()
        .map(|cell| cell.id.as_str())
        .filter(|id| !scenarios.contains_key(*id))
        .collect();
    assert!(without.is_empty(), "cells without a scenario: {without:?}");
    let unnamed: Vec<&String> =
        scenarios.keys().filter(|id| !cells.iter().any(|cell| cell.id == **id)).collect();
    assert!(unnamed.is_empty(), "scenarios without a cell: {unnamed:?}");
}

/// `ATLAR_TEST_FAULTS=broker-` plays only the scenarios whose ids begin so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_cell_of_the_table_holds() {
    let only = variable("ATLAR_TEST_FAULTS").unwrap_or_default();
    let mut cells: Vec<Cell> = cells().into_iter().filter(|c| c.id.starts_with(&only)).collect();
    assert!(!cells.is_empty(), "no cell begins with {only:?}");
    // The longest one first.
    cells.sort_by_key(|cell| cell.id != "broker-later");
    let failed = play(cells).await;
    let said: Vec<String> = failed.iter().map(|(cell, why)| format!("{cell}: {why}")).collect();
    assert!(failed.is_empty(), "{} cells do not hold:\n\n{}", failed.len(), said.join("\n\n"));
}

/// Plays the scenarios of cells, and returns those that fail.
async fn play(cells: Vec<Cell>) -> Vec<(Cell, String)> {
    let services = Arc::new(services());
    let scenarios = scenarios();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    let mut played = BTreeMap::new();
    for cell in cells {
        let scenario = scenarios[&cell.id];
        let (services, room, its) = (Arc::clone(&services), Arc::clone(&room), cell.clone());
        let task = playing.spawn(async move {
            let _turn = room.acquire().await;
            let began = tokio::time::Instant::now();
            let id = its.id.clone();
            scenario(Place::new(its, services).await).await;
            eprintln!("{id}: {:.1} s", began.elapsed().as_secs_f64());
        });
        played.insert(task.id(), cell);
    }
    let mut failed = Vec::new();
    while let Some(end) = playing.join_next_with_id().await {
        if let Err(error) = end {
            let cell = played.remove(&error.id()).expect("each task has its cell");
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            failed.push((cell, text.unwrap_or_default()));
        }
    }
    failed
}

/// The walk can fail: a cell that promises anything else than what happens is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cell_that_is_not_true_is_found_out() {
    let true_one = |id: &str| cells().into_iter().find(|cell| cell.id == id).unwrap();
    let (ends, warns) = (true_one("configuration-start"), true_one("not-offered-once"));
    let other = || Some("anything else".to_owned());
    let doctored = vec![
        Cell { outcome: Outcome::Exit(4), ..ends.clone() },
        Cell { message: other(), ..ends.clone() },
        Cell { hint: other(), ..ends.clone() },
        Cell { outcome: Outcome::Exit(5), ..warns.clone() },
        Cell { message: other(), ..warns.clone() },
        Cell { hint: other(), ..warns.clone() },
    ];
    let count = doctored.len();
    assert_eq!(play(doctored).await.len(), count, "a cell that is not true passed");
    assert!(play(vec![ends]).await.is_empty());
}

#[test]
fn a_table_that_is_not_whole_is_refused() {
    let head = "| fault | `run` at start | `run` later | `run --once` |\n|---|---|---|---|\n";
    let cell = |id: &str, rest: &str| format!("<a id=\"{id}\"></a>{rest}");
    let good = "**exit 4** at once<br>`m`<br>hint: h";
    let row = |id: &str, later: String| {
        let (start, once) = (cell(&format!("{id}-start"), good), cell(&format!("{id}-once"), good));
        format!("| what | {start} | {later} | {once} |\n")
    };
    let later = |rest: &str| row("a", cell("a-later", rest));
    let whole = format!("text\n\n{head}{}", later("**no effect**"));
    assert_eq!(table::parse(&whole).unwrap().len(), 3);
    let wrong = [
        "no table".to_owned(),
        format!("{head}{}", later("**perhaps**")),
        format!("{head}{}", later("**exit 4**<br>`m`")),
        format!("{head}{}", later("**waits**")),
        format!("{head}{}", later("**goes on**<br>`m`<br>h")),
        format!("{head}{}", row("a", "–".to_owned())),
        format!("{head}{}", row("a", cell("a-once", good))),
        format!("{head}| what | {} |\n", cell("a-start", good)),
        format!("{head}{}{}", later(good), later(good)),
    ];
    for text in wrong {
        assert!(table::parse(&text).is_err(), "{text}");
    }
}
