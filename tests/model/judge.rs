//! What a record that was seen means, against the view and the overlay: `src/ingest/judge.rs` and
//! `src/change/classify.rs` in small.

use super::log::Known;
use super::next::Model;
use super::rules::{Flaw, Served};
use super::world::{Change, World};

/// How a record came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    List,
    Webhook,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// To be published: new, changed, or gone.
    Differs,
    /// Another version of what is published: a state record alone.
    Rebased,
    Same,
    /// Older than what is published, or not for a webhook to say.
    Passed,
}

impl Model {
    /// Judges one record; whether it went into the batch being built.
    pub fn judge(
        &self,
        world: &mut World,
        who: usize,
        entity: usize,
        serial: u8,
        via: Via,
    ) -> bool {
        let instance = &world.instances[who];
        let seen = self.scene.served(entity, serial);
        let committing = instance.in_commit.and_then(|batch| batch.changes[entity]);
        let building = instance.building.changes[entity];
        let pending = committing.is_some() || building.is_some();
        if via == Via::List && !pending && !seen.is_gone() && instance.short_cuts[entity] == seen {
            return false;
        }
        let view = world.broker.log.fold(instance.read);
        let below = committing.map_or(view.known[entity], |change| change.known);
        let mut class = self.classify(entity, below, seen, via);
        let instance = &mut world.instances[who];
        if let Some(above) = building {
            let verdict = self.classify(entity, above.known, seen, via);
            if matches!(verdict, Class::Same | Class::Passed) {
                return false;
            }
            // The change being built is not out yet: it gives way to what is true now.
            instance.building.changes[entity] = None;
        }
        if class == Class::Rebased && committing.is_some() {
            // The next listing will find the same difference.
            class = Class::Passed;
        }
        let change_no = match class {
            Class::Differs => below.change_no + 1,
            Class::Rebased => below.change_no,
            Class::Same => {
                // Bytes with a version never come back: their short cuts cannot go wrong here.
                if via == Via::List && !pending && seen.version == 0 {
                    instance.short_cuts[entity] = seen;
                }
                return false;
            }
            Class::Passed => return false,
        };
        let known = Known { change_no, serial };
        let change = Change { known, event: class == Class::Differs };
        instance.building.changes[entity] = Some(change);
        true
    }

    fn classify(&self, entity: usize, known: Known, seen: Served, via: Via) -> Class {
        let published = self.scene.served(entity, known.serial);
        if published.is_gone() {
            let deleted = known.serial != 0;
            let refused = deleted && via == Via::Webhook && !self.has(Flaw::WebhookOverDelete);
            return match seen.is_gone() {
                true => Class::Same,
                false if refused => Class::Passed,
                false => Class::Differs,
            };
        }
        if seen.is_gone() {
            return Class::Differs;
        }
        if seen.content == published.content {
            let newer = seen.version > published.version;
            return if newer { Class::Rebased } else { Class::Same };
        }
        if seen.version < published.version { Class::Passed } else { Class::Differs }
    }
}
