use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::change::Tally;
use crate::domain::Entity;
use crate::status::{Loss, Source, StreamState, StreamStatus};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

fn stream(state: StreamState, fresh_ms: Option<i64>, new: u64) -> StreamStatus {
    let total = Tally { seen: new + 1, new, same: 1, ..Tally::default() };
    let listing = Tally { seen: 7, ..Tally::default() };
    StreamStatus { state, fresh_ms, pages: 2, requests: 3, listing, total, ..Default::default() }
}

fn overview(workspaces: Vec<Snapshot>) -> Overview {
    let mut process = Snapshot::default();
    process.version = "1.2.3";
    process.started_ms = 1_764_000_000_123;
    let workspaces = workspaces.into_iter().map(|status| (None, status)).collect();
    Overview { process, workspaces }
}

/// A status in which every metric has a value.
fn status() -> Snapshot {
    let streams = [
        ("accounts", stream(StreamState::Fresh, Some(5_000), 2)),
        ("payments/acc-1", stream(StreamState::Fresh, Some(4_250), 10)),
        ("payments/acc-2", stream(StreamState::Failed, Some(3_500), 20)),
        ("payments/acc-3", stream(StreamState::Listing, None, 0)),
        ("payments/acc-4", stream(StreamState::Off, Some(1_000), 0)),
    ];
    let mut status = Snapshot::default();
    status.odd.insert("unknown-currency", 3);
    status.unmapped.insert("no-id", 2);
    status.topic_prefix = "bank".to_owned();
    status.phase = "ready".to_owned();
    status.acquisitions = 1;
    status.acquired_ms = Some(2_000);
    status.acquisition_took_ms = 350;
    status.restores.insert(Source::Store.as_str(), 1);
    status.sessions_ended.insert(Loss::Fenced.as_str(), 2);
    status.entities = 30;
    status.batches = 4;
    status.batch_no = 9;
    status.events_by_entity = [(Entity::Payment.as_str(), 31)].into();
    status.last_event_ms = Some(6_000);
    status.streams = streams.into_iter().map(|(name, s)| (name.to_owned(), s)).collect();
    status
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|served| served == line), "no line {line:?} in\n{text}");
}

#[test]
fn tells_what_the_status_says() {
    let text = text(overview(vec![status()])).unwrap();
    for line in [
        r#"atlar_ingestor_build_info{version="1.2.3"} 1"#,
        "atlar_ingestor_start_time_seconds 1764000000.123",
        r#"atlar_ingestor_ready{workspace="bank"} 1"#,
        r#"atlar_ingestor_phase{workspace="bank",phase="ready"} 1"#,
        r#"atlar_ingestor_phase{workspace="bank",phase="waiting"} 0"#,
        "# TYPE atlar_ingestor_batches counter",
        r#"atlar_ingestor_batches_total{workspace="bank"} 4"#,
        r#"atlar_ingestor_batch_number{workspace="bank"} 9"#,
        r#"atlar_ingestor_acquisitions_total{workspace="bank"} 1"#,
        r#"atlar_ingestor_last_acquisition_timestamp_seconds{workspace="bank"} 2.0"#,
        r#"atlar_ingestor_acquisition_duration_seconds{workspace="bank"} 0.35"#,
        r#"atlar_ingestor_restores_total{workspace="bank",from="store"} 1"#,
        r#"atlar_ingestor_restores_total{workspace="bank",from="topic"} 0"#,
        r#"atlar_ingestor_sessions_ended_total{workspace="bank",reason="fenced"} 2"#,
        r#"atlar_ingestor_sessions_ended_total{workspace="bank",reason="kafka"} 0"#,
        r#"atlar_ingestor_state_entities{workspace="bank"} 30"#,
        r#"atlar_ingestor_events_total{workspace="bank",entity="payment"} 31"#,
        r#"atlar_ingestor_events_total{workspace="bank",entity="balance"} 0"#,
        r#"atlar_ingestor_last_event_timestamp_seconds{workspace="bank"} 6.0"#,
        r#"atlar_ingestor_last_success_timestamp_seconds{workspace="bank",stream="accounts"} 5.0"#,
        r#"atlar_ingestor_last_success_timestamp_seconds{workspace="bank",stream="payments"} 3.5"#,
        r#"atlar_ingestor_streams{workspace="bank",stream="payments",state="failed"} 1"#,
        r#"atlar_ingestor_streams{workspace="bank",stream="accounts",state="failed"} 0"#,
        r#"atlar_ingestor_listing_records{workspace="bank",stream="payments"} 28"#,
        r#"atlar_ingestor_listing_pages{workspace="bank",stream="payments"} 8"#,
        r#"atlar_ingestor_records_total{workspace="bank",stream="payments",verdict="new"} 30"#,
        r#"atlar_ingestor_records_total{workspace="bank",stream="payments",verdict="same"} 4"#,
    ] {
        has(&text, line);
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("acc-"), "an account id is a label");
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut status = Snapshot::default();
    status.phase = "waiting: no broker".to_owned();
    let text = text(overview(vec![status])).unwrap();
    has(&text, r#"atlar_ingestor_ready{workspace=""} 0"#);
    has(&text, r#"atlar_ingestor_phase{workspace="",phase="waiting"} 1"#);
    for unknown in ["last_event", "last_success", "last_acquisition", "acquisition_duration"] {
        assert!(!text.contains(unknown), "{unknown} in\n{text}");
    }
}

#[test]
fn each_workspace_has_its_own_values_and_the_process_one() {
    let mut second = status();
    second.topic_prefix = "bank.second".to_owned();
    second.batches = 7;
    let text = text(overview(vec![status(), second])).unwrap();
    has(&text, r#"atlar_ingestor_batches_total{workspace="bank"} 4"#);
    has(&text, r#"atlar_ingestor_batches_total{workspace="bank.second"} 7"#);
    assert_eq!(text.matches("atlar_ingestor_build_info{").count(), 1);
    assert_eq!(text.matches("# TYPE atlar_ingestor_batches counter").count(), 1);
}

#[test]
fn without_a_workspace_there_is_the_process() {
    let text = text(overview(vec![])).unwrap();
    has(&text, r#"atlar_ingestor_build_info{version="1.2.3"} 1"#);
    assert!(!text.contains("workspace"), "{text}");
}

/// Type, labels and meaning by name of the sample.
type Described = BTreeMap<String, (String, BTreeSet<String>, String)>;

fn documented() -> Described {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `atlar_ingestor_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("{row}") };
        let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (name.trim_matches('`').to_owned(), (kind.to_owned(), words(labels), meaning.to_owned()))
    })
    .collect()
}

fn served(text: &str) -> Described {
    let (mut kind, mut help) = (String::new(), String::new());
    let mut served = Described::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", _, text] => help = text.trim_end_matches('.').to_owned(),
            ["#", "TYPE", _, text] => kind = text.to_owned(),
            ["#", ..] => {}
            _ => {
                let sample = line.rsplit_once(' ').unwrap().0;
                let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
                let keys = labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
                let keys = keys.map(|pair| pair.split_once('=').unwrap().0.to_owned()).collect();
                served.insert(name.to_owned(), (kind.clone(), keys, help.clone()));
            }
        }
    }
    served
}

#[test]
fn the_document_lists_what_is_served_and_nothing_else() {
    let (documented, served) = (documented(), served(&text(overview(vec![status()])).unwrap()));
    assert_eq!(served.len(), METRICS.len(), "the test's status leaves a metric without a value");
    for (name, (kind, labels, help)) in &served {
        // The document says it once for all.
        let mut labels = labels.clone();
        let of_process = ["build_info", "start_time_seconds"].iter().any(|of| name.ends_with(of));
        assert_eq!(labels.remove("workspace"), !of_process, "{name}");
        let described = (kind.clone(), labels, help.clone());
        assert_eq!(documented.get(name), Some(&described), "{name} in docs/metrics.md");
    }
    for name in documented.keys() {
        assert!(served.contains_key(name), "{name} is documented but not served");
    }
}
