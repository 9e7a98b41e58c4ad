//! The mapping tables' vocabulary: where a field comes from, and how to read it.

use std::collections::BTreeMap;

use crate::domain::{Date, Generation, Money, Timestamp};
use crate::json::Json;

use super::{Error, Note, amount};

/// One published field and the members that feed it.
///
/// A path is dotted (`contactDetails.address.city`); `list[0]` is the first element that says
/// something, `list[BIC]` the first whose `type` is that. Of several paths the first that is
/// readable counts. No path: the generation has no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name as published.
    pub name: &'static str,
    pub v1: &'static [&'static str],
    pub v2: &'static [&'static str],
}

impl Field {
    /// The same members in both generations.
    pub(super) const fn both(name: &'static str, paths: &'static [&'static str]) -> Field {
        Field { name, v1: paths, v2: paths }
    }

    pub(super) const fn new(
        name: &'static str,
        v1: &'static [&'static str],
        v2: &'static [&'static str],
    ) -> Field {
        Field { name, v1, v2 }
    }

    /// The members of one generation.
    pub fn paths(&self, generation: Generation) -> &'static [&'static str] {
        match generation {
            Generation::V1 => self.v1,
            Generation::V2 => self.v2,
        }
    }

    /// The values that are something, in order of precedence.
    pub(super) fn values<'r, 'j>(
        &self,
        record: &'r Json<'j>,
        generation: Generation,
    ) -> impl Iterator<Item = &'r Json<'j>> {
        self.paths(generation)
            .iter()
            .map(move |path| path.split('.').fold(record, step))
            .filter(|value| !value.is_nothing())
    }

    pub(super) fn text<'r>(&self, record: &'r Json<'_>, generation: Generation) -> Option<&'r str> {
        self.values(record, generation).find_map(Json::text)
    }
}

/// One step of a path.
fn step<'r, 'j>(value: &'r Json<'j>, name: &str) -> &'r Json<'j> {
    let Some((list, which)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) else {
        return value.get(name);
    };
    let mut items = value.get(list).items().iter().filter(|item| !item.is_nothing());
    let found = match which.parse() {
        Ok(at) => items.nth(at),
        Err(_) => items.find(|item| item.get("type").text() == Some(which)),
    };
    found.unwrap_or(&Json::Null)
}

/// Declares an entity's mapping table: a constant per field, and `FIELDS` of all of them.
///
/// `NAME = "name" ["a", "b.c"]` reads the same members in both generations,
/// `NAME = "name" v1 ["a"] v2 ["b"]` different ones.
macro_rules! fields {
    ($($constant:ident = $name:literal $(v1)? [$($v1:literal),*] $(v2 [$($v2:literal),*])?;)+) => {
        $(pub(super) const $constant: Field = fields!(@field $name [$($v1),*] $([$($v2),*])?);)+

        /// Every field of this entity that is read straight from a member.
        pub(super) const FIELDS: &[Field] = &[$($constant),+];
    };
    (@field $name:literal [$($both:literal),*]) => { Field::both($name, &[$($both),*]) };
    (@field $name:literal [$($v1:literal),*] [$($v2:literal),*]) => {
        Field::new($name, &[$($v1),*], &[$($v2),*])
    };
}

/// Reads one record by the tables and collects what was odd.
pub(super) struct Reader<'r, 'j> {
    pub record: &'r Json<'j>,
    pub generation: Generation,
    notes: Vec<Note>,
}

impl<'r, 'j> Reader<'r, 'j> {
    pub fn new(record: &'r Json<'j>, generation: Generation) -> Reader<'r, 'j> {
        Reader { record, generation, notes: Vec::new() }
    }

    /// The oddities and `others`, each once.
    pub fn into_notes(self, others: Vec<Note>) -> Vec<Note> {
        let mut seen = Vec::new();
        for note in self.notes.into_iter().chain(others) {
            if !seen.contains(&note) {
                seen.push(note);
            }
        }
        seen
    }

    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Reads an object inside the record by its own table; what is odd there is odd here.
    pub fn inside<T>(
        &mut self,
        object: &'r Json<'j>,
        read: impl FnOnce(&mut Reader<'r, 'j>) -> T,
    ) -> T {
        let mut reader = Reader::new(object, self.generation);
        let found = read(&mut reader);
        self.notes.append(&mut reader.notes);
        found
    }

    /// The first value that `read` accepts. If there are values but none is accepted: a note.
    fn first<T>(&mut self, field: &Field, read: impl Fn(&'r Json<'j>) -> Option<T>) -> Option<T> {
        let mut values = field.values(self.record, self.generation).peekable();
        values.peek()?;
        let found = values.find_map(read);
        if found.is_none() {
            self.notes.push(Note::Unreadable { field: field.name });
        }
        found
    }

    pub fn text(&mut self, field: &Field) -> Option<String> {
        self.first(field, Json::text).map(str::to_owned)
    }

    /// A text that documentation lists the values of.
    pub fn word(&mut self, field: &Field, known: &[&str]) -> Option<String> {
        let text = self.first(field, Json::text)?;
        if !known.contains(&text) {
            self.notes.push(Note::unknown_value(field.name, text));
        }
        Some(text.to_owned())
    }

    /// A text, or the digits of a number as sent.
    pub fn digits(&mut self, field: &Field) -> Option<String> {
        self.first(field, |value| match value {
            Json::Number(digits) => Some(*digits),
            value => value.text(),
        })
        .map(str::to_owned)
    }

    /// The record's own id, without which there is no event.
    pub fn id(&self) -> Result<String, Error> {
        self.record.get("id").text().map(str::to_owned).ok_or(Error::NoId)
    }

    pub fn boolean(&mut self, field: &Field) -> Option<bool> {
        self.first(field, Json::boolean)
    }

    /// An integer. One beyond 64 bits cannot be published: an error, not a note.
    pub fn int(&mut self, field: &Field) -> Result<Option<i64>, Error> {
        let too_big = |value: &Json<'_>| is_integer(value) && value.int().is_none();
        if field.values(self.record, self.generation).any(too_big) {
            return Err(Error::OutOfRange { field: field.name });
        }
        Ok(self.first(field, Json::int))
    }

    pub fn timestamp(&mut self, field: &Field) -> Option<Timestamp> {
        self.first(field, |value| value.text().and_then(Timestamp::parse))
    }

    pub fn date(&mut self, field: &Field) -> Option<Date> {
        self.first(field, |value| value.text().and_then(Date::parse))
    }

    pub fn money(&mut self, field: &Field) -> Result<Option<Money>, Error> {
        let Some(value) = self.first(field, |value| value.is_object().then_some(value)) else {
            return Ok(None);
        };
        amount::money(value, field.name, &mut self.notes).map(Some)
    }

    pub fn items(&mut self, field: &Field) -> &'r [Json<'j>] {
        let list = |value: &'r Json<'j>| match value {
            Json::Array(items) => Some(items.as_slice()),
            _ => None,
        };
        self.first(field, list).unwrap_or_default()
    }

    pub fn object(&mut self, field: &Field) -> Option<&'r Json<'j>> {
        self.first(field, |value| value.is_object().then_some(value))
    }

    /// A map of texts.
    pub fn map(&mut self, field: &Field) -> BTreeMap<String, String> {
        let Some(object) = self.object(field) else { return BTreeMap::new() };
        string_map(object, field.name, &mut self.notes)
    }

    pub fn notes(&mut self) -> &mut Vec<Note> {
        &mut self.notes
    }
}

/// The members of an object as texts; numbers and booleans as written, nested values noted.
pub(super) fn string_map(
    object: &Json<'_>,
    field: &'static str,
    notes: &mut Vec<Note>,
) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (name, value) in object.members() {
        let text = match value {
            Json::String(text) if !text.is_empty() => text.to_string(),
            Json::Number(digits) => (*digits).to_owned(),
            Json::Bool(value) => value.to_string(),
            value if value.is_nothing() => continue,
            _ => {
                notes.push(Note::Unreadable { field });
                continue;
            }
        };
        map.insert(name.to_string(), text);
    }
    map
}

/// True for a number without fraction and exponent, of any size.
pub(super) fn is_integer(value: &Json<'_>) -> bool {
    match value {
        Json::Number(digits) => {
            digits.strip_prefix('-').unwrap_or(digits).bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}
