//! The members that records are documented to have, and the ones that no documentation names.
//!
//! Atlar adds fields at any time. A new one is in `raw` and nowhere else, so somebody should hear
//! of it: it is noted by its dotted name, never by its value. The lists go beyond what the mapping
//! reads; below metadata maps, and where no documentation says what is inside, every name goes.
//! Something else in place of an object or a list is noted too: all that lies below it is lost.

mod v1;
mod v2;

use crate::domain::{Entity, Generation};
use crate::json::Json;

use super::Note;

/// Unknown members that one record may report: names come from outside, and are logged.
const REPORTED_MAX: usize = 16;

/// Objects and lists of which the mapping itself says that they are none.
const READ_WHOLE: &[&str] = &[
    "amount",
    "instructedAmount",
    "identifiers",
    "routing",
    "externalAccounts",
    "accounts",
    "counterparty",
    "counterpartyDetails",
    "sourceExternalAccount",
    "source",
];

/// The members of one kind of object.
pub(super) struct Known {
    /// Members whose inside is not looked at.
    leaves: &'static [&'static str],
    /// Members that are objects, or lists of objects.
    objects: &'static [(&'static str, &'static Known)],
    /// Members that Atlar does not document and the mapping reads where they are sent: under the
    /// connector page's own names, or under those of the other generation.
    ours: &'static [&'static str],
}

/// An object of which Atlar documents all that is read.
const fn known(
    leaves: &'static [&'static str],
    objects: &'static [(&'static str, &'static Known)],
) -> Known {
    Known { leaves, objects, ours: &[] }
}

impl Known {
    fn object(&self, name: &str) -> Option<&(&'static str, &'static Known)> {
        self.objects.iter().find(|(object, _)| *object == name)
    }

    fn walk(&self, object: &Json<'_>, path: &mut Vec<String>, found: &mut Vec<Note>) {
        for (name, value) in object.members() {
            let name = name.as_ref();
            if found.len() == REPORTED_MAX || value.is_nothing() {
                continue;
            }
            if let Some((name, known)) = self.object(name) {
                path.push((*name).to_owned());
                let (one, list) = (value.is_object(), value.items());
                let odd_items = list.iter().any(|item| !item.is_object() && !item.is_nothing());
                if odd_items || (!one && list.is_empty() && !READ_WHOLE.contains(name)) {
                    found.push(Note::Unreadable { field: name });
                }
                known.walk(value, path, found);
                list.iter().for_each(|item| known.walk(item, path, found));
                path.pop();
            } else if !self.leaves.contains(&name) && !self.ours.contains(&name) {
                path.push(name.to_owned());
                let note = Note::unknown_field(path);
                path.pop();
                if !found.contains(&note) {
                    found.push(note);
                }
            }
        }
    }

    fn documents(&self, path: &str) -> bool {
        let (name, rest) =
            path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let name = name.split('[').next().unwrap_or(name);
        match (self.object(name), rest) {
            (Some((_, known)), Some(rest)) => known.documents(rest),
            (Some(_), None) => true,
            (None, _) => self.leaves.contains(&name),
        }
    }
}

/// The lists an entity's records come from: external payments have several.
fn lists(entity: Entity, generation: Generation) -> &'static [(&'static str, &'static Known)] {
    match (generation, entity) {
        (Generation::V1, Entity::Account) => &[("", &v1::ACCOUNT)],
        (Generation::V1, Entity::Counterparty) => &[("", &v1::COUNTERPARTY)],
        (Generation::V1, Entity::Payment) => &[("", &v1::TRANSACTION)],
        (Generation::V1, Entity::ExternalPayment) => v1::EXTERNAL_PAYMENTS,
        (Generation::V1, Entity::Balance) => &[("", &v1::BALANCE)],
        (Generation::V2, Entity::Account) => &[("", &v2::ACCOUNT)],
        (Generation::V2, Entity::Counterparty) => &[("", &v2::COUNTERPARTY)],
        (Generation::V2, Entity::Payment) => &[("", &v2::TRANSACTION)],
        (Generation::V2, Entity::ExternalPayment) => v2::EXTERNAL_PAYMENTS,
        (Generation::V2, Entity::Balance) => &[("", &v1::BALANCE)],
    }
}

/// Notes of the members of a record that no documentation names, and of objects that are none.
/// `list`: where an external payment was read from.
pub(super) fn oddities(
    record: &Json<'_>,
    entity: Entity,
    generation: Generation,
    list: Option<&str>,
) -> Vec<Note> {
    let lists = lists(entity, generation);
    let found = lists.iter().find(|(name, _)| Some(*name) == list).or_else(|| lists.first());
    let mut notes = Vec::new();
    if let Some((_, known)) = found {
        known.walk(record, &mut Vec::new(), &mut notes);
    }
    notes
}

/// Whether Atlar documents, in this generation, the member that a dotted path leads to.
pub fn is_documented(entity: Entity, generation: Generation, path: &str) -> bool {
    lists(entity, generation).iter().any(|(_, known)| known.documents(path))
}

#[cfg(test)]
mod tests;
