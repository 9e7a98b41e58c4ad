//! `tail`: events as they are published, decoded.

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::render::{self, Shown};
use super::{ConfigArgs, Context, Output, WorkspaceArg, values};
use crate::app::Settings;
use crate::app::connectors::planned;
use crate::app::preflight::{kafka_failure, registry_failure};
use crate::avro::{self, registry};
use crate::clock::Clock;
use crate::config::{Deployment, Needs};
use crate::failure::Failure;
use crate::kafka::follower::{Begin, Followed, Follower};
use crate::kafka::{self};
use crate::supervise::{Group, Signals};
use crate::telemetry;

/// The flags of `tail`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Topics, with or without the prefix: payment, atlar.payment [default: all event topics].
    #[arg(value_name = "TOPIC")]
    pub topics: Vec<String>,

    /// Where to begin: beginning, end, or -20 for the last 20 events of each topic.
    #[arg(
        long,
        value_name = "WHERE",
        default_value = "beginning",
        allow_hyphen_values = true,
        value_parser = values::from
    )]
    pub from: values::From,

    /// Begin with the last N events of each topic, as --from -N does.
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub last: Option<u64>,

    /// Stop at the end instead of waiting for more.
    #[arg(long)]
    pub exit: bool,

    /// Only events with this key.
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,

    /// Which workspace's.
    #[command(flatten)]
    pub workspace: WorkspaceArg,

    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

impl Args {
    /// Where to begin, by either flag.
    pub fn begin(&self) -> values::From {
        self.last.map_or(self.from, values::From::Last)
    }
}

/// Events on their way to the terminal.
const QUEUED_MAX: usize = 256;

/// Prints events until it is told to stop, or to the end.
pub async fn execute(args: Args, context: &Context) -> Result<(), Failure> {
    let deployment = Deployment::load(&args.config.sources(&context.environment), Needs::Nothing)?;
    telemetry::start(&deployment.top.log)?;
    let planned = args.workspace.select(planned(&deployment)?)?;
    let settings = Settings::of(&planned.workspace.config, Clock::system())?;
    let begin = match args.begin() {
        values::From::Beginning => Begin::Beginning,
        values::From::End => Begin::End,
        values::From::Last(count) => Begin::Last(count),
    };
    let stop = CancellationToken::new();
    let mut signals = Signals::listen()
        .map_err(|error| Failure::unexpected("cannot listen for signals").because(error))?;
    let topics = topics(&settings, &args.topics);
    let mut following = follow(&settings, &topics, begin, args.exit, &stop).await?;
    loop {
        let record = tokio::select! {
            record = following.next() => record?,
            _ = signals.next() => {
                stop.cancel();
                return Ok(());
            }
        };
        let Some((record, value)) = record else { return Ok(()) };
        if args.key.as_ref().is_some_and(|key| record.key.as_deref() != Some(key.as_bytes())) {
            continue;
        }
        let shown = Shown { record: &record, value };
        let text = match context.output {
            Output::Text => render::line(&shown),
            Output::Json => render::document(&shown).to_string(),
        };
        super::print(&format!("{text}\n"))?;
    }
}

fn topics(settings: &Settings, named: &[String]) -> Vec<String> {
    if named.is_empty() {
        return settings.names.events();
    }
    let prefix = format!("{}.", settings.names.prefix());
    let whole = |name: &String| match name.starts_with(&prefix) {
        true => name.clone(),
        false => format!("{prefix}{name}"),
    };
    named.iter().map(whole).collect()
}

/// Decoded events of several topics.
pub struct Following {
    queue: mpsc::Receiver<Result<Option<Followed>, kafka::Error>>,
    registry: registry::Client,
    /// Topics whose end has not been reached; with `to_end`, nothing comes after the last.
    unread: usize,
    to_end: bool,
    group: Group,
}

/// Follows topics, each with a reader of its own.
pub async fn follow(
    settings: &Settings,
    topics: &[String],
    begin: Begin,
    to_end: bool,
    stop: &CancellationToken,
) -> Result<Following, Failure> {
    let registry = settings.registry()?;
    let (sender, queue) = mpsc::channel(QUEUED_MAX);
    let (group, _fatal) = Group::new(stop.child_token());
    for topic in topics {
        let (kafka, group_id) = (settings.kafka.clone(), settings.pinned.group_id.clone());
        let (topic, sender, stop) = (topic.clone(), sender.clone(), group.stop_token());
        group.start(async move {
            // Opening blocks for as long as the brokers take to answer.
            let opened = tokio::task::spawn_blocking(move || {
                Follower::open(&kafka, &group_id, &topic, begin)
            });
            let mut follower = match opened.await {
                Ok(Ok(follower)) => follower,
                Ok(Err(error)) => {
                    // Nobody listens any more: fine.
                    let _ = sender.send(Err(error)).await;
                    return Ok(());
                }
                Err(error) => {
                    return Err(Failure::unexpected("a reader ended").because(error));
                }
            };
            loop {
                let next = tokio::select! {
                    next = follower.next() => next,
                    () = stop.cancelled() => return Ok(()),
                };
                let ended = next.is_err();
                if sender.send(next).await.is_err() || ended {
                    return Ok(());
                }
            }
        });
    }
    Ok(Following { queue, registry, unread: topics.len(), to_end, group })
}

impl Following {
    /// The next event, decoded; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<(Followed, Value)>, Failure> {
        loop {
            match self.queue.recv().await {
                Some(Ok(Some(record))) => {
                    let value = self.decode(&record).await?;
                    return Ok(Some((record, value)));
                }
                Some(Ok(None)) => {
                    self.unread = self.unread.saturating_sub(1);
                    if self.unread == 0 && self.to_end {
                        self.group.stop_token().cancel();
                        return Ok(None);
                    }
                }
                Some(Err(error)) => return Err(kafka_failure(error).failure),
                None => return Ok(None),
            }
        }
    }

    async fn decode(&self, record: &Followed) -> Result<Value, Failure> {
        let Some(bytes) = &record.value else { return Ok(Value::Null) };
        let foreign = |error: avro::Error| {
            let what = format!("{} holds a record that is not ours", record.topic);
            Failure::dependency(what, "name the topics of one prefix").because(error)
        };
        let (id, datum) = avro::wire_format(bytes).map_err(foreign)?;
        let schema = self.registry.schema_by_id(id).await;
        let schema = schema.map_err(|error| registry_failure(error).failure)?;
        avro::decode(&schema, datum).map_err(foreign)
    }
}
