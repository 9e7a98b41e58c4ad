//! What the owner does with a message of a poll task.

use super::{End, Handled, Ordered, Owner};
use crate::avro::{self, Subject};
use crate::crash::{self, Point};
use crate::domain::Entity;
use crate::ingest::judge::{Aside, Judge, LastEvent, Observed};
use crate::ingest::thread::AcquireError;
use crate::ingest::{Dropped, Message, Moved, Published, SeenPage, building};
use crate::publish::{Past, PastEvent};
use crate::state::control::ListStatus;

impl Owner {
    pub(super) async fn handle(
        &mut self,
        judge: &mut Judge,
        message: Message,
    ) -> Result<Handled, End> {
        let now_ms = self.options.clock.now_ms();
        match message {
            Message::Page(page) if page.session_no == self.session_no => {
                if judge.obeys(&page.stream) {
                    return self.observe(judge, &page, now_ms).await;
                }
            }
            Message::Finished { session_no, stream, listed, reply }
                if session_no == self.session_no && judge.obeys(&stream) =>
            {
                judge.finish(&stream, listed, now_ms);
                crash::point(Point::W);
                let tally = self.options.status.listing_tally(&stream.name);
                wait(judge, reply, Published { tally });
                self.publish_phase(judge);
            }
            Message::NotOffered { session_no, stream } if session_no == self.session_no => {
                if stream.branch.entity.is_none() {
                    judge.record_list(&stream, ListStatus::NotOffered);
                    self.publish_phase(judge);
                }
            }
            Message::Decide { session_no, stream, reply } if session_no == self.session_no => {
                judge.decide(&stream);
                self.publish_phase(judge);
                let _ = reply.send(());
            }
            Message::Choose { session_no, source, reply } if session_no == self.session_no => {
                judge.choose_source(source);
                wait(judge, reply, Published::default());
                self.publish_phase(judge);
            }
            Message::Move { session_no, stream, ids, reply } if session_no == self.session_no => {
                let coverage = judge.coverage(&stream.name, &ids);
                if !coverage.suffices() {
                    if let Some(hold) = judge.decisions.hold(&stream, coverage) {
                        judge.building.push_control(hold);
                    }
                    let _ = reply.send(Moved::Held(coverage));
                    return Ok(Handled::Done);
                }
                let moving = judge.decisions.moving(&stream).into_iter();
                self.ordered.extend(moving.map(|control| Ordered { control, reply: None }));
                let generation = stream.generation.as_str();
                tracing::info!(stream = %stream.name, generation, "stream moves to another API");
                let _ = reply.send(Moved::Accepted);
                return Ok(Handled::Ordered);
            }
            Message::Finished { reply, .. } => {
                let _ = reply.send(Err(Dropped));
            }
            // Their senders hear by the dropped reply that they were too late.
            Message::Page(_)
            | Message::NotOffered { .. }
            | Message::Decide { .. }
            | Message::Choose { .. }
            | Message::Move { .. } => {}
        }
        Ok(Handled::Done)
    }

    async fn observe(
        &mut self,
        judge: &mut Judge,
        page: &SeenPage,
        now_ms: i64,
    ) -> Result<Handled, End> {
        let Observed { tallies, aside } = judge.observe(page, now_ms)?;
        self.count(judge, &tallies);
        crash::point(Point::H);
        if aside.is_empty() {
            return Ok(Handled::Done);
        }
        let names = &self.options.rules.press.names;
        let place = |aside: &Aside| Past {
            topic: names.entity(aside.entity),
            partition: aside.location.partition,
            offset: aside.location.offset,
        };
        let wanted = aside.iter().map(place).collect();
        let events = match self.options.writer.past(wanted).await? {
            Ok(events) => events,
            Err(error) if error.is_transient() => return Ok(Handled::Lost(error)),
            Err(error) => return Err(AcquireError::from(error).into()),
        };
        for (aside, event) in aside.iter().zip(&events) {
            let published = last_published(aside.entity, event, aside.change_no);
            let published =
                published.ok_or_else(|| End::OtherHistory { topic: names.entity(aside.entity) })?;
            let observed = judge.resolve(page, aside, &published, now_ms)?;
            self.count(judge, &observed.tallies);
        }
        Ok(Handled::Done)
    }

    fn count(&self, judge: &mut Judge, tallies: &[(String, crate::change::Tally)]) {
        let odd = std::mem::take(&mut judge.notes);
        let unmapped = std::mem::take(&mut judge.unmapped_reasons);
        if !odd.is_empty() || !unmapped.is_empty() {
            self.options.status.odd(odd, unmapped);
        }
        for (stream, tally) in tallies {
            self.options.status.observed(stream, tally);
        }
    }
}

/// Lets a listing's end wait for all that came of it.
pub(super) fn wait(judge: &mut Judge, reply: building::Waiter, published: Published) {
    if !judge.building.is_empty() {
        judge.building.wait(reply, published);
    } else if let Some(in_commit) = &mut judge.in_commit {
        in_commit.wait(reply, published);
    } else {
        let _ = reply.send(Ok(published));
    }
}

/// What an entity's last event says; none if it is not that event.
fn last_published(entity: Entity, event: &PastEvent, change_no: u64) -> Option<LastEvent> {
    let schema = avro::schema(Subject::Entity(entity)).ok()?;
    let (_, datum) = avro::wire_format(&event.value).ok()?;
    let envelope = avro::decode_envelope(entity, schema, datum).ok()?;
    let record = envelope.after.or(envelope.before)?;
    let same = u64::try_from(envelope.source.change_no) == Ok(change_no)
        && record.id().as_bytes() == event.key;
    same.then_some(LastEvent { record, generation: envelope.source.api_version })
}
