//! The ids that a complete listing holds, for comparing it with what is live.

use std::collections::HashSet;

use bytes::Bytes;

use crate::domain::{Entity, Generation};
use crate::json::Json;
use crate::map;
use crate::poll::tree::{BALANCE_TYPES, Stream};
use crate::state::EntityKey;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Ids(HashSet<EntityKey>);

impl Ids {
    /// Takes the ids of a page of the stream in its generation. Of balances that come inside
    /// accounts, `items` are the accounts: what types v1 does not tell is not missing there.
    pub fn add(&mut self, stream: &Stream, items: &[Bytes]) {
        let Some(entity) = stream.branch.entity else { return };
        let inside = stream.routes.of(stream.generation).is_none();
        for item in items {
            let Ok(json) = Json::parse(item) else { continue };
            if entity == Entity::Balance && inside {
                let account = map::identify(Entity::Account, Generation::V1, &json);
                let Some(account_id) = account.id else { continue };
                for kind in BALANCE_TYPES {
                    self.put(entity, &map::balance_id(&account_id, Some(kind)));
                }
            } else if let Some(id) = map::identify(entity, stream.generation, &json).id {
                self.put(entity, &id);
            }
        }
    }

    fn put(&mut self, entity: Entity, id: &str) {
        self.0.insert(EntityKey::of(entity.as_str(), id));
    }

    pub(super) fn contains(&self, key: EntityKey) -> bool {
        self.0.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::tree;

    #[test]
    fn balances_inside_accounts_stand_for_every_type() {
        let stream = tree::roots().find(|stream| stream.name == "balances").unwrap();
        let mut ids = Ids::default();
        ids.add(&stream, &[Bytes::from_static(br#"{"id":"a"}"#), Bytes::from_static(b"odd")]);
        let has = |ids: &Ids, id: &str| ids.contains(EntityKey::of("balance", id));
        assert!(has(&ids, "a/BOOKED") && has(&ids, "a/AVAILABLE"));
        let mut ids = Ids::default();
        let listed = Bytes::from_static(br#"{"id":"x","accountId":"a","type":"BOOKED"}"#);
        ids.add(&stream.in_generation(Generation::V2), &[listed]);
        assert!(has(&ids, "a/BOOKED") && !has(&ids, "a/AVAILABLE"));
    }
}
