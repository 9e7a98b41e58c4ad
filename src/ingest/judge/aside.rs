//! Records that only their last event can judge: their entities were last judged in another
//! generation of the API, or by other rules.

use super::{Aside, Found, Item, Judge, LastEvent, Observed, Refusal};
use crate::change::Tally;
use crate::ingest::SeenPage;

impl Judge {
    /// Judges what was set aside, now that `published` is known: what the entity's last event says.
    pub fn resolve(
        &mut self,
        page: &SeenPage,
        aside: &Aside,
        published: &LastEvent,
        observed_ms: i64,
    ) -> Result<Observed, Refusal> {
        let (mut observed, mut tally) = (Observed::default(), Tally::default());
        let item = Item {
            stream: &aside.stream,
            entity: aside.entity,
            bytes: aside.item.clone(),
            home: aside.home.clone(),
            requested_at: page.requested_at,
            received_ms: page.received_ms,
            observed_ms,
        };
        self.judge(&item, Some(published), &mut tally, &mut observed)?;
        observed.tallies.push((aside.stream.name.clone(), tally));
        Ok(observed)
    }

    /// Its last event must be read before it can be judged.
    pub(super) fn set_aside(
        &mut self,
        found: &Found<'_>,
        tally: &mut Tally,
        observed: &mut Observed,
    ) {
        let entry = self.view.index.get(found.key).filter(|_| !self.is_pending(found.key));
        let Some((change_no, location)) = entry.and_then(|e| Some((e.change_no, e.event?))) else {
            // A change of it is under way: the next listing decides.
            tally.crossed += 1;
            return;
        };
        // It is counted when it is judged.
        observed.aside.push(Aside {
            stream: found.item.stream.clone(),
            entity: found.item.entity,
            item: found.item.bytes.clone(),
            home: found.item.home.clone(),
            change_no,
            location,
        });
    }
}
