//! Every metric there is, as data: what it is called, what it means, and where its values come
//! from.

use std::collections::BTreeMap;

use crate::change::Tally;
use crate::domain::Entity;
use crate::http::view::Phase;
use crate::status::{Loss, Snapshot, Source, StreamState, StreamStatus};

/// How a metric is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins at 0 with the process, never falls. Its name ends in `_total`.
    Counter,
    Gauge,
    /// A gauge: an instant, as seconds since 1970, or a duration. Its name ends in `_seconds`.
    Seconds,
    /// Always 1: the labels are what it tells. Its name ends in `_info`.
    Info,
}

/// One metric.
pub(super) struct Metric {
    /// Without the prefix of all and the ending of its kind.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    /// Without the full stop.
    pub(super) help: &'static str,
    /// No sample: not known yet.
    pub(super) read: fn(&Snapshot) -> Vec<Sample<'_>>,
}

/// One value.
pub(super) struct Sample<'a> {
    /// The values of the metric's labels, in their order.
    pub(super) labels: Vec<&'a str>,
    pub(super) number: Number,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Count(u64),
    Seconds(f64),
}

/// Those that are told once for the process, not for each workspace.
pub(super) const OF_PROCESS: [&str; 2] = ["build", "start_time"];

/// In the order of a scrape.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "build",
        kind: Kind::Info,
        labels: &["version"],
        help: "The program that is running",
        read: |s| vec![Sample { labels: vec![s.version], number: Number::Count(1) }],
    },
    Metric {
        name: "start_time",
        kind: Kind::Seconds,
        labels: &[],
        help: "When the process began",
        read: |s| instant(Some(s.started_ms)),
    },
    Metric {
        name: "ready",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while the workspace is ready to be relied on, as /readyz says, else 0",
        read: |s| count(s.not_ready().is_none().into()),
    },
    Metric {
        name: "phase",
        kind: Kind::Gauge,
        labels: &["phase"],
        help: "1 for the phase the workspace is in, 0 for the others",
        read: phases,
    },
    Metric {
        name: "acquisitions",
        kind: Kind::Counter,
        labels: &[],
        help: "How often the workspace was acquired",
        read: |s| count(s.acquisitions),
    },
    Metric {
        name: "last_acquisition_timestamp",
        kind: Kind::Seconds,
        labels: &[],
        help: "When the workspace was last acquired",
        read: |s| instant(s.acquired_ms),
    },
    Metric {
        name: "acquisition_duration",
        kind: Kind::Seconds,
        labels: &[],
        help: "How long the last acquisition took, restore included",
        read: |s| instant(s.acquired_ms.and(i64::try_from(s.acquisition_took_ms).ok())),
    },
    Metric {
        name: "restores",
        kind: Kind::Counter,
        labels: &["from"],
        help: "Acquisitions, by what the state was restored from",
        read: |s| each(Source::ALL.map(Source::as_str), &s.restores),
    },
    Metric {
        name: "sessions_ended",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Sessions that ended while the process went on, by why",
        read: |s| each(Loss::ALL.map(Loss::as_str), &s.sessions_ended),
    },
    Metric {
        name: "records_restored",
        kind: Kind::Gauge,
        labels: &[],
        help: "Records read from the state topic at the last acquisition",
        read: |s| count(s.records_restored),
    },
    Metric {
        name: "state_entities",
        kind: Kind::Gauge,
        labels: &[],
        help: "Entities whose last published state is known",
        read: |s| count(s.entities),
    },
    Metric {
        name: "batches",
        kind: Kind::Counter,
        labels: &[],
        help: "Batches committed, each one Kafka transaction",
        read: |s| count(s.batches),
    },
    Metric {
        name: "batch_number",
        kind: Kind::Gauge,
        labels: &[],
        help: "Number of the last committed batch in the workspace's life",
        read: |s| count(s.batch_no),
    },
    Metric {
        name: "events",
        kind: Kind::Counter,
        labels: &["entity"],
        help: "Change events committed to Kafka",
        read: events,
    },
    Metric {
        name: "last_event_timestamp",
        kind: Kind::Seconds,
        labels: &[],
        help: "When this process last committed an event",
        read: |s| instant(s.last_event_ms),
    },
    Metric {
        name: "streams",
        kind: Kind::Gauge,
        labels: &["stream", "state"],
        help: "Streams of the family in this state",
        read: states,
    },
    Metric {
        name: "last_success_timestamp",
        kind: Kind::Seconds,
        labels: &["stream"],
        help: "When the family's stalest stream last completed a listing",
        read: successes,
    },
    Metric {
        name: "listing_pages",
        kind: Kind::Gauge,
        labels: &["stream"],
        help: "Pages of the listings under way or the last ones",
        read: |s| summed(s, |stream| stream.pages),
    },
    Metric {
        name: "listing_requests",
        kind: Kind::Gauge,
        labels: &["stream"],
        help: "Requests of the listings under way or the last ones, retries included",
        read: |s| summed(s, |stream| stream.requests),
    },
    Metric {
        name: "listing_records",
        kind: Kind::Gauge,
        labels: &["stream"],
        help: "Records of the listings under way or the last ones",
        read: |s| summed(s, |stream| stream.listing.seen),
    },
    Metric {
        name: "records",
        kind: Kind::Counter,
        labels: &["stream", "verdict"],
        help: "Records read from Atlar, by what was found about them",
        read: records,
    },
    Metric {
        name: "odd_records",
        kind: Kind::Counter,
        labels: &["kind"],
        help: "Oddities in records that were published all the same",
        read: |s| by_word(&s.odd),
    },
    Metric {
        name: "unmapped_records",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Records that could not become events, by what is wrong with them",
        read: |s| by_word(&s.unmapped),
    },
];

fn by_word<'a>(counts: &BTreeMap<&'a str, u64>) -> Vec<Sample<'a>> {
    counts.iter().map(|(word, number)| labelled(vec![*word], *number)).collect()
}

/// A count for each of the words, also for those that never came.
fn each<'a, const N: usize>(
    words: [&'a str; N],
    counts: &BTreeMap<&'a str, u64>,
) -> Vec<Sample<'a>> {
    let sample = |word| labelled(vec![word], counts.get(word).copied().unwrap_or(0));
    words.into_iter().map(sample).collect()
}

/// A reader of one verdict's count.
type Verdict = (&'static str, fn(&Tally) -> u64);

const VERDICTS: &[Verdict] = &[
    ("new", |tally| tally.new),
    ("changed", |tally| tally.changed),
    ("same", |tally| tally.same),
    ("rebased", |tally| tally.rebased),
    ("stale", |tally| tally.stale),
    ("crossed", |tally| tally.crossed),
    ("foreign", |tally| tally.foreign),
    ("resynced", |tally| tally.resynced),
    ("excluded", |tally| tally.excluded),
    ("unconfirmed", |tally| tally.unconfirmed),
    ("unmapped", |tally| tally.unmapped),
];

const STATES: [StreamState; 6] = [
    StreamState::Waiting,
    StreamState::Listing,
    StreamState::Fresh,
    StreamState::Failed,
    StreamState::Refused,
    StreamState::Off,
];

/// As in `/status.json`.
const fn state_word(state: StreamState) -> &'static str {
    match state {
        StreamState::Waiting => "waiting",
        StreamState::Listing => "listing",
        StreamState::Fresh => "fresh",
        StreamState::Failed => "failed",
        StreamState::Refused => "refused",
        StreamState::Off => "off",
    }
}

fn count(count: u64) -> Vec<Sample<'static>> {
    vec![labelled(vec![], count)]
}

fn labelled(labels: Vec<&str>, count: u64) -> Sample<'_> {
    Sample { labels, number: Number::Count(count) }
}

fn instant(ms: Option<i64>) -> Vec<Sample<'static>> {
    let sample = |ms| Sample { labels: vec![], number: seconds(ms) };
    ms.map(sample).into_iter().collect()
}

/// Milliseconds as seconds: exact for as long as anybody will read this.
fn seconds(ms: i64) -> Number {
    Number::Seconds(ms as f64 / 1000.0)
}

fn phases(status: &Snapshot) -> Vec<Sample<'_>> {
    let present = Phase::of(&status.phase);
    let sample = |phase: Phase| labelled(vec![phase.as_str()], (phase == present).into());
    Phase::ALL.into_iter().map(sample).collect()
}

fn events(status: &Snapshot) -> Vec<Sample<'_>> {
    let sample = |entity: &Entity| labelled(vec![entity.as_str()], status.events_of(*entity));
    Entity::ALL.iter().map(sample).collect()
}

/// The streams of each family. The families are the branches of `poll::tree`, a few in all.
fn families(status: &Snapshot) -> BTreeMap<&str, Vec<&StreamStatus>> {
    let mut families: BTreeMap<&str, Vec<&StreamStatus>> = BTreeMap::new();
    for (name, stream) in &status.streams {
        let family = name.split_once('/').map_or(name.as_str(), |(family, _)| family);
        families.entry(family).or_default().push(stream);
    }
    families
}

fn summed(status: &Snapshot, read: impl Fn(&StreamStatus) -> u64) -> Vec<Sample<'_>> {
    let sum = |streams: Vec<&StreamStatus>| streams.into_iter().map(&read).sum();
    families(status).into_iter().map(|(name, of)| labelled(vec![name], sum(of))).collect()
}

fn states(status: &Snapshot) -> Vec<Sample<'_>> {
    let mut samples = Vec::new();
    for (family, streams) in families(status) {
        for state in STATES {
            let count = streams.iter().filter(|stream| stream.state == state).count() as u64;
            samples.push(labelled(vec![family, state_word(state)], count));
        }
    }
    samples
}

/// The oldest of a family, since one stream that is stale must not hide behind the others. Streams
/// that were never complete are seen in `streams`.
fn successes(status: &Snapshot) -> Vec<Sample<'_>> {
    let oldest = |streams: &[&StreamStatus]| {
        let asked = streams.iter().filter(|stream| stream.state != StreamState::Off);
        asked.filter_map(|stream| stream.fresh_ms).min()
    };
    families(status)
        .into_iter()
        .filter_map(|(family, streams)| oldest(&streams).map(|ms| (family, ms)))
        .map(|(family, ms)| Sample { labels: vec![family], number: seconds(ms) })
        .collect()
}

fn records(status: &Snapshot) -> Vec<Sample<'_>> {
    let mut samples = Vec::new();
    for (family, streams) in families(status) {
        for (verdict, read) in VERDICTS {
            let count = streams.iter().map(|stream| read(&stream.total)).sum();
            samples.push(labelled(vec![family, verdict], count));
        }
    }
    samples
}
