//! Before a start: are the topics as they must be, does the registry hold our schemas?

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::avro::registry::{self, Client};
use crate::avro::{Encoder, Subject, schema_text};
use crate::entropy;
use crate::failure::Failure;
use crate::ingest::event::{Form, Press};
use crate::kafka;
use crate::kafka::topics::{Admin, Difference, compare};
use crate::retry::{self, Schedule};
use crate::status::{Status, chain};

/// Between two looks at a dependency that does not answer.
const LOOK_AGAIN: Schedule = Schedule {
    initial: Duration::from_secs(1),
    max: Duration::from_secs(15),
    factor: 2,
    jitter: 0.5,
    attempts: u32::MAX,
};
/// Attempts of a command that does not wait for ever.
const IMPATIENT_ATTEMPTS: u32 = 2;

/// Whether to wait for what can pass.
#[derive(Clone)]
pub struct Patience {
    /// For ever, else for a few attempts.
    pub patient: bool,
    pub stop: CancellationToken,
    pub status: Option<Status>,
}

/// A failure, and whether it can pass.
pub struct Passing {
    pub failure: Failure,
    pub transient: bool,
}

impl Patience {
    /// Repeats `attempt` while it fails in passing.
    pub async fn wait_for<T, F, A>(&self, what: &str, mut attempt: A) -> Result<T, Failure>
    where
        A: FnMut() -> F,
        F: Future<Output = Result<T, Passing>>,
    {
        let mut failures = 0;
        loop {
            let stopped = || Failure::interrupted(format!("stopped while waiting for {what}"));
            let passing = match self.stop.run_until_cancelled(attempt()).await {
                None => return Err(stopped()),
                Some(Ok(value)) => return Ok(value),
                Some(Err(passing)) => passing,
            };
            failures += 1;
            let go_on = self.patient || failures < IMPATIENT_ATTEMPTS;
            if !(passing.transient && go_on) {
                return Err(passing.failure);
            }
            let cause = one_line(&passing.failure);
            if let Some(status) = &self.status {
                status.phase(&format!("waiting for {what}: {cause}"));
            }
            let delay = LOOK_AGAIN.delay(failures, entropy::fraction(), None);
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(delay_ms, hint = passing.failure.hint, "waiting for {what}: {cause}");
            if retry::sleep(delay, &self.stop).await.is_err() {
                return Err(stopped());
            }
        }
    }
}

/// What is not usable is named by whoever waits for it: the causes are enough.
fn one_line(failure: &Failure) -> String {
    failure.source.as_deref().map_or_else(|| failure.what.clone(), |source| chain(source))
}

/// Turns a failed call to Kafka into what the operator reads.
pub fn kafka_failure(error: kafka::Error) -> Passing {
    let transient = matches!(error, kafka::Error::Unreachable { .. });
    let hint = error.hint();
    let failure = match &error {
        kafka::Error::NoTopic { .. } => Failure::dependency(error.to_string(), hint),
        _ => Failure::dependency("Kafka is not usable", hint).because(error),
    };
    Passing { failure, transient }
}

/// Turns a failed call to the registry into what the operator reads.
pub fn registry_failure(error: registry::Error) -> Passing {
    let transient = error.is_retryable();
    let hint = error.hint();
    let failure = match error {
        registry::Error::Incompatible { .. } => Failure::schema(error.to_string(), hint),
        error => Failure::dependency("the schema registry is not usable", hint).because(error),
    };
    Passing { failure, transient }
}

/// Refuses topics that break the promise; says what else differs.
pub async fn check_topics(settings: &Settings, patience: &Patience) -> Result<(), Failure> {
    if settings.embedded_broker {
        return Ok(());
    }
    let wanted = settings.names.wanted(settings.pinned.partitions);
    let actual = patience
        .wait_for("Kafka", || async {
            let admin = Admin::connect(&settings.kafka).map_err(kafka_failure)?;
            admin.describe(&wanted).await.map_err(kafka_failure)
        })
        .await?;
    let (breaking, harmless): (Vec<Difference>, Vec<Difference>) =
        compare(&wanted, &actual).into_iter().partition(Difference::breaks_promise);
    for difference in harmless {
        tracing::warn!("{difference}");
    }
    if breaking.is_empty() {
        return Ok(());
    }
    let missing = breaking.iter().any(|found| matches!(found, Difference::Missing { .. }));
    let hint = if missing {
        "create the topics with `atlar-ingestor setup`"
    } else {
        "correct the topics' settings, or kafka.partitions, or use another kafka.topicPrefix"
    };
    Err(Failure::dependency("the topics are not as they must be", hint)
        .with_details(block(breaking.iter().map(|found| format!("topic {found}")))))
}

/// Findings of one line each, as one block of a failure.
pub fn block(lines: impl Iterator<Item = String>) -> Vec<String> {
    vec![lines.collect::<Vec<_>>().join("\n")]
}

/// Looks up the ids of our schemas, and makes what turns records into events.
pub async fn press(settings: &Settings, patience: &Patience) -> Result<Press, Failure> {
    let registry = settings.registry()?;
    let mut forms = BTreeMap::new();
    for subject in Subject::ALL {
        let id = patience.wait_for("the schema registry", || lookup(settings, &registry, subject));
        forms.insert(subject, form(settings, subject, id.await?)?);
    }
    settings.press(forms)
}

/// The same without a registry, for events that are only shown.
pub fn unregistered_press(settings: &Settings) -> Result<Press, Failure> {
    let mut forms = BTreeMap::new();
    for subject in Subject::ALL {
        forms.insert(subject, form(settings, subject, 0)?);
    }
    settings.press(forms)
}

async fn lookup(settings: &Settings, registry: &Client, subject: Subject) -> Result<u32, Passing> {
    let name = subject.name(settings.names.prefix());
    match registry.lookup(&name, schema_text(subject)).await {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(Passing {
            failure: Failure::schema(
                format!("the registry does not hold this release's schema for {name}"),
                "register it with `atlar-ingestor setup`",
            ),
            transient: false,
        }),
        Err(error) => Err(registry_failure(error)),
    }
}

fn form(settings: &Settings, subject: Subject, id: u32) -> Result<Form, Failure> {
    let encoder = Encoder::new(subject, id).map_err(|error| {
        Failure::unexpected("a schema of this release is unusable").because(error)
    })?;
    let schema_url = format!("{}/schemas/ids/{id}", settings.public_registry_url());
    Ok(Form { encoder, schema_url })
}

impl Settings {
    fn press(&self, mut forms: BTreeMap<Subject, Form>) -> Result<Press, Failure> {
        let letters = forms.remove(&Subject::DeadLetter);
        let letters = letters
            .ok_or_else(|| Failure::unexpected("no schema for dead letters was looked up"))?;
        let of_entity = |(subject, form)| match subject {
            Subject::Entity(entity) => Some((entity, form)),
            Subject::Scan | Subject::DeadLetter => None,
        };
        Ok(Press {
            forms: forms.into_iter().filter_map(of_entity).collect(),
            letters,
            names: self.names.clone(),
            partitions: self.pinned.partitions,
            program_version: env!("CARGO_PKG_VERSION"),
        })
    }
}
