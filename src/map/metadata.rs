//! The `metadata` map: the connector page's keys, under one prefix.

use std::collections::BTreeMap;

use crate::domain::Identifier;

/// Before every key.
pub(super) const PREFIX: &str = "com.atlar.spec/";

/// Collects keys; one with nothing to say stays out of the map.
#[derive(Default)]
pub(super) struct Metadata(BTreeMap<String, String>);

impl Metadata {
    pub fn put(&mut self, key: &str, value: Option<&str>) -> &mut Metadata {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.insert(format!("{PREFIX}{key}"), value.to_owned());
        }
        self
    }

    /// `identifier/<market>/<type>` of each number; the second of a kind gets `/2`, the next `/3`.
    /// A part that was not sent is left out of the key (`identifier/IBAN`).
    pub fn put_identifiers(&mut self, identifiers: &[Identifier]) -> &mut Metadata {
        for identifier in identifiers.iter().filter(|identifier| identifier.number.is_some()) {
            let parts = [identifier.market.as_deref(), identifier.kind.as_deref()];
            let kind = parts
                .into_iter()
                .flatten()
                .fold("identifier".to_owned(), |key, part| format!("{key}/{part}"));
            let mut key = kind.clone();
            let mut count = 1_u32;
            while self.0.contains_key(&format!("{PREFIX}{key}")) {
                count += 1;
                key = format!("{kind}/{count}");
            }
            self.put(&key, identifier.number.as_deref());
        }
        self
    }

    pub fn done(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.0)
    }
}
