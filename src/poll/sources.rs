//! Which list external payments come from, where the configuration leaves it open: the first that
//! is served, of those that may be chosen so. The choice is put on record and kept; as long as none
//! is served, it is asked for again every day.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::driver::{Driver, Outcome};
use super::task::{NOT_OFFERED_PERIOD, pause, session_over, wait_for_session};
use super::tree::{self, EXTERNAL_PAYMENTS, SOURCES, Stream};
use crate::atlar::{ListRequest, PageError};
use crate::domain::Generation;
use crate::failure::Failure;
use crate::ingest::Phase;
use crate::status::{StreamState, chain};

/// See the module.
pub(super) struct Chooser {
    driver: Driver,
    phase: watch::Receiver<Phase>,
}

/// What came of asking.
enum Asked {
    Found,
    None,
    Stopped,
    Failed(PageError),
    Dropped,
}

impl Chooser {
    pub(super) fn new(driver: Driver) -> Chooser {
        let phase = driver.options.owner.phase();
        Chooser { driver, phase }
    }

    /// Ends when the stream of the chosen list has been started, or with `--once` when there is
    /// none, and when told to stop.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let stop = self.driver.group.stop_token();
        stop.clone().run_until_cancelled(self.turns(stop)).await.unwrap_or(Ok(()))
    }

    async fn turns(&mut self, stop: CancellationToken) -> Result<(), Failure> {
        let status = self.driver.options.status.clone();
        status.stream(EXTERNAL_PAYMENTS, |_| {});
        loop {
            let Some(session_no) = wait_for_session(&mut self.phase, &stop).await else {
                return Ok(());
            };
            let period = match self.ask(session_no).await {
                Asked::Found => {
                    status.forget_stream(EXTERNAL_PAYMENTS);
                    return Ok(());
                }
                Asked::Stopped => return Ok(()),
                Asked::Dropped => continue,
                Asked::None => {
                    status.stream(EXTERNAL_PAYMENTS, |status| status.state = StreamState::Off);
                    tracing::info!(
                        "no list of external payments is offered; asking again every day"
                    );
                    self.driver.record(EXTERNAL_PAYMENTS, Outcome::NotOffered);
                    NOT_OFFERED_PERIOD
                }
                Asked::Failed(error) => self.failed(&error),
            };
            if self.driver.options.once
                || !pause(
                    &self.driver,
                    &mut self.phase,
                    EXTERNAL_PAYMENTS,
                    session_no,
                    period,
                    &stop,
                )
                .await
            {
                return Ok(());
            }
        }
    }

    async fn ask(&mut self, session_no: u64) -> Asked {
        if let Some(stream) = self.on_record() {
            self.driver.start_stream(stream);
            return Asked::Found;
        }
        for source in SOURCES.iter().filter(|source| source.automatic) {
            let Some(stream) = tree::of_source(source.name) else { continue };
            let generations = match self.driver.options.generation {
                Some(generation) if source.routes.of(generation).is_some() => vec![generation],
                _ => vec![Generation::V1, Generation::V2],
            };
            for generation in generations {
                match self.is_served(&stream.in_generation(generation), session_no).await {
                    Asked::Found => {
                        if self.driver.options.owner.choose(session_no, source.name).await.is_err()
                        {
                            return Asked::Dropped;
                        }
                        // What is on record counts: another instance may have been first.
                        let stream = self.on_record().unwrap_or(stream);
                        self.driver.start_stream(stream);
                        return Asked::Found;
                    }
                    Asked::None => {}
                    other => return other,
                }
            }
        }
        Asked::None
    }

    fn on_record(&self) -> Option<Stream> {
        match &*self.phase.borrow() {
            Phase::Ready { known, .. } => tree::of_source(known.source.as_deref()?),
            Phase::Acquiring | Phase::Ended => None,
        }
    }

    async fn is_served(&mut self, stream: &Stream, session_no: u64) -> Asked {
        let options = &self.driver.options;
        let Some((path, query)) = stream.request(&options.narrowing) else { return Asked::None };
        let stop = self.driver.group.stop_token();
        let list = ListRequest { path, query };
        let page = tokio::select! {
            page = options.client.page(&list, None, &stop) => page,
            () = session_over(&mut self.phase, session_no) => return Asked::Dropped,
        };
        match page {
            Ok(_) => Asked::Found,
            Err(PageError::NotOffered { .. }) => Asked::None,
            Err(PageError::Cancelled(_)) => Asked::Stopped,
            Err(error) => Asked::Failed(error),
        }
    }

    fn failed(&self, error: &PageError) -> Duration {
        let (what, hint) = (chain(error), error.hint().to_owned());
        let refused = matches!(error, PageError::Unauthorized { .. } | PageError::Forbidden { .. });
        self.driver.options.status.stream(EXTERNAL_PAYMENTS, |status| {
            status.state = if refused { StreamState::Refused } else { StreamState::Failed };
            status.error = Some(what.clone());
            status.hint = Some(hint.clone());
        });
        tracing::warn!(stream = EXTERNAL_PAYMENTS, hint, "no list could be chosen: {what}");
        let outcome = match error {
            PageError::Unauthorized { .. } => Outcome::Refused { what, hint },
            _ => Outcome::Failed { what, hint },
        };
        self.driver.record(EXTERNAL_PAYMENTS, outcome);
        self.driver.period_of(EXTERNAL_PAYMENTS)
    }
}
