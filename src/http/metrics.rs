//! The status as OpenMetrics text. `docs/metrics.md` lists the metrics for people; a test keeps
//! both the same.
//!
//! Counters are read from the status at scrape time and kept nowhere else. Labels are bounded: a
//! stream counts to its family, the part of its name before `/`, so that no account id is a label.
//! What belongs to a workspace has its topic prefix as the first label.

mod table;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::status::{Overview, Snapshot};
use table::{Kind, METRICS, Metric, Number, OF_PROCESS, Sample};

/// Prometheus 3 fails a scrape with any other.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "atlar_ingestor";
const WORKSPACE: &str = "workspace";

/// What a scrape answers.
pub(super) fn text(overview: Overview) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Scrape(overview)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Overview);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for metric in METRICS {
            let samples = samples(metric, &self.0);
            // A description without a value tells nobody anything.
            if !samples.is_empty() {
                write(&mut encoder, metric, samples)?;
            }
        }
        Ok(())
    }
}

/// A value with its labels.
type Labelled<'a> = (Vec<(&'a str, &'a str)>, Number);

fn samples<'a>(metric: &Metric, overview: &'a Overview) -> Vec<Labelled<'a>> {
    let sources: Vec<(Option<&str>, &Snapshot)> = if OF_PROCESS.contains(&metric.name) {
        vec![(None, &overview.process)]
    } else {
        let of = overview.workspaces.iter().map(|(_, status)| status);
        of.map(|status| (Some(status.topic_prefix.as_str()), status)).collect()
    };
    let mut samples = Vec::new();
    for (prefix, status) in sources {
        for Sample { labels, number } in (metric.read)(status) {
            let workspace = prefix.map(|prefix| (WORKSPACE, prefix));
            let labels = workspace.into_iter().chain(metric.labels.iter().copied().zip(labels));
            samples.push((labels.collect(), number));
        }
    }
    samples
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    metric: &Metric,
    samples: Vec<Labelled<'_>>,
) -> Result<(), fmt::Error> {
    let help = format!("{}.", metric.help);
    let metric_type = match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge | Kind::Seconds => MetricType::Gauge,
        Kind::Info => MetricType::Info,
    };
    let unit = matches!(metric.kind, Kind::Seconds).then_some(Unit::Seconds);
    let mut encoder = encoder.encode_descriptor(metric.name, &help, unit.as_ref(), metric_type)?;
    for (labels, number) in samples {
        if metric.kind == Kind::Info {
            encoder.encode_info(&labels)?;
        } else if labels.is_empty() {
            write_number(number, metric.kind, &mut encoder)?;
        } else {
            write_number(number, metric.kind, &mut encoder.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn write_number(
    number: Number,
    kind: Kind,
    encoder: &mut MetricEncoder<'_>,
) -> Result<(), fmt::Error> {
    match (kind, number) {
        (Kind::Counter, Number::Count(count)) => {
            encoder.encode_counter::<NoLabelSet, u64, u64>(&count, None)
        }
        (_, Number::Count(count)) => encoder.encode_gauge(&count),
        (_, Number::Seconds(seconds)) => encoder.encode_gauge(&seconds),
    }
}

#[cfg(test)]
mod tests;
