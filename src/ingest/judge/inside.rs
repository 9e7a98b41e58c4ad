//! Records that come inside those of another list: the balance that an account of v1 carries.

use super::{Home, Item, Judge, Observed, Refusal};
use crate::change::Tally;
use crate::json::Json;
use crate::map;
use crate::poll::tree;

impl Judge {
    /// The records that come inside this one, as a stream of their own.
    pub(super) fn observe_inside(
        &mut self,
        item: &Item<'_>,
        json: &Json<'_>,
        account_id: &str,
        organization_id: Option<&str>,
        observed: &mut Observed,
    ) -> Result<(), Refusal> {
        for stream in tree::inside(item.stream.branch.name, item.stream.generation) {
            let Some(entity) = stream.branch.entity else { continue };
            let known = self.decisions.generation(&stream.name);
            if known.is_some_and(|known| known != stream.generation)
                || map::embedded_balance(json).is_none()
            {
                continue;
            }
            let account = std::str::from_utf8(&item.bytes).ok();
            let Some(text) = account.and_then(map::embedded_balance_raw) else { continue };
            self.decide(&stream);
            *self.inside_listed.entry(stream.name.clone()).or_default() += 1;
            let home = Home {
                account_id: account_id.to_owned(),
                organization_id: organization_id.map(str::to_owned),
            };
            let inner = Item {
                stream: &stream,
                entity,
                bytes: item.bytes.slice_ref(text.as_bytes()),
                home: Some(home),
                requested_at: item.requested_at,
                received_ms: item.received_ms,
                observed_ms: item.observed_ms,
            };
            let mut tally = Tally { seen: 1, ..Tally::default() };
            self.judge(&inner, None, &mut tally, observed)?;
            observed.tallies.push((stream.name.clone(), tally));
        }
        Ok(())
    }
}
