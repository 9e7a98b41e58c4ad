//! How a stream moves to another generation of the API: steps 2 and 3 of [`super::generation`].

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::driver::Outcome;
use super::task::{Task, session_over};
use super::tree::{self, Narrowing, Stream};
use crate::atlar::{ListRequest, Listing, Step, Stop};
use crate::domain::Generation;
use crate::failure::Failure;
use crate::ingest::{Coverage, Ids, Known, Moved};
use crate::status::StreamState;

impl Task {
    /// Reads a complete listing in another generation for its ids, and asks the owner to go there.
    /// Returns when to try again; none: at once.
    pub(super) async fn move_to(
        &mut self,
        session_no: u64,
        known: &Known,
        to: Generation,
        stop: &CancellationToken,
    ) -> Result<Option<Duration>, Failure> {
        let target = self.stream.in_generation(to);
        let ids = match self.moving.take().filter(|(generation, _)| *generation == to) {
            Some((_, ids)) => ids,
            None => match self.ids_of(&target, stop).await {
                Ok(ids) => ids,
                Err(reason) => return self.failed(session_no, known, &reason).await,
            },
        };
        match self.driver.options.owner.move_to(session_no, target, ids.clone()).await {
            Ok(Moved::Held(coverage)) => {
                self.list_meanwhile(session_no, known, to, stop).await;
                self.held(to, coverage);
                Ok(Some(self.period()))
            }
            Ok(Moved::Accepted) => {
                self.probes.clear();
                // The session that has it on record is another one.
                session_over(&mut self.phase, session_no).await;
                Ok(None)
            }
            Err(_) => {
                // The listing does not depend on a session: the next one is asked with it.
                self.moving = Some((to, ids));
                session_over(&mut self.phase, session_no).await;
                Ok(None)
            }
        }
    }

    /// A complete listing, for its ids. Also of what the configuration leaves out: it lives on in
    /// the topics.
    async fn ids_of(&self, target: &Stream, stop: &CancellationToken) -> Result<Ids, Stop> {
        let to = target.generation;
        // Balances of v1 are read from the accounts that carry them.
        let read = match (target.routes.of(to), target.branch.inside.and_then(tree::branch)) {
            (None, Some(inside)) => Stream::single(inside).in_generation(to),
            _ => target.clone(),
        };
        let mut ids = Ids::default();
        let Some((path, query)) = read.request(&Narrowing::default()) else { return Ok(ids) };
        let client = self.driver.options.client.clone();
        let mut listing = Listing::start(client, ListRequest { path, query });
        loop {
            match listing.next_page(stop).await? {
                Step::Restarted => ids = Ids::default(),
                Step::Page(page) => ids.add(target, &page.items),
                Step::Complete(_) => return Ok(ids),
            }
        }
    }

    /// Nobody moves yet: what is on record is read on, where it is served.
    async fn list_meanwhile(
        &mut self,
        session_no: u64,
        known: &Known,
        to: Generation,
        stop: &CancellationToken,
    ) {
        let on_record = known.generation(&self.stream.name).filter(|on_record| *on_record != to);
        if let Some(on_record) = on_record {
            self.stream.generation = on_record;
            // How it ends does not matter: the stream is shown as held either way.
            let _ = self.list(session_no, known, stop).await;
        }
    }

    /// The other generation lacks too much: nobody moves there without an operator.
    fn held(&self, to: Generation, coverage: Coverage) {
        let Coverage { live, missing } = coverage;
        let what = format!("{to} lacks {missing} of the {live} live records of this stream");
        let hint = "give the access key the right to read all of them there; if they are gone for \
                    good, `atlar-ingestor state accept-generation` lets the stream move";
        self.show(StreamState::Failed, &what, hint);
        let outcome = Outcome::Failed { what, hint: hint.to_owned() };
        self.driver.record(&self.stream.name, outcome);
    }
}
