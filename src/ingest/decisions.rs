//! What was decided once and is kept: the generation of the API that each stream is read in, and
//! the list that external payments come from. Those in batches under way included.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::Generation;
use crate::ingest::Coverage;
use crate::poll::tree::Stream;
use crate::state::control::Hold;
use crate::state::{Control, View};

/// See the module.
pub struct Decisions {
    generations: Arc<BTreeMap<String, Generation>>,
    source: Option<String>,
    holds: BTreeMap<String, Hold>,
}

impl Decisions {
    pub fn of(view: &View) -> Decisions {
        let known = view.generations.iter();
        let known = known.filter_map(|(stream, number)| Some((stream.clone(), from(*number)?)));
        Decisions {
            generations: Arc::new(known.collect()),
            source: view.source.clone(),
            holds: view.holds.clone(),
        }
    }

    pub fn generations(&self) -> Arc<BTreeMap<String, Generation>> {
        Arc::clone(&self.generations)
    }

    pub fn generation(&self, stream: &str) -> Option<Generation> {
        self.generations.get(stream).copied()
    }

    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The stream is read in this generation from now on. Returns what to commit, unless a
    /// decision is on record: that stays.
    pub fn decide(&mut self, stream: &str, generation: Generation) -> Option<Control> {
        if self.generations.contains_key(stream) {
            return None;
        }
        Arc::make_mut(&mut self.generations).insert(stream.to_owned(), generation);
        Some(control(stream, generation))
    }

    /// The stream may not move for now. Returns what to commit, where it is news.
    pub fn hold(&mut self, stream: &Stream, coverage: Coverage) -> Option<Control> {
        let Coverage { live, missing } = coverage;
        let hold = Hold { generation: number(stream.generation), live, missing };
        if self.holds.get(&stream.name) == Some(&hold) {
            return None;
        }
        self.holds.insert(stream.name.clone(), hold.clone());
        Some(Control::Hold { stream: stream.name.clone(), hold: Some(hold) })
    }

    /// What to commit for a stream that moves.
    pub fn moving(&self, stream: &Stream) -> Vec<Control> {
        let released = self.holds.contains_key(&stream.name);
        let released = released.then(|| Control::Hold { stream: stream.name.clone(), hold: None });
        [control(&stream.name, stream.generation)].into_iter().chain(released).collect()
    }

    /// Takes over what was ordered, against what is on record.
    pub fn obey(&mut self, order: &Control) {
        if let Control::Generation { stream, generation } = order
            && let Some(generation) = from(*generation)
        {
            Arc::make_mut(&mut self.generations).insert(stream.clone(), generation);
        }
    }

    /// External payments are read from this list from now on.
    pub fn choose_source(&mut self, name: &str) -> Option<Control> {
        if self.source.is_some() {
            return None;
        }
        self.source = Some(name.to_owned());
        Some(Control::Source(name.to_owned()))
    }
}

/// The record that a stream is read in this generation.
fn control(stream: &str, generation: Generation) -> Control {
    Control::Generation { stream: stream.to_owned(), generation: number(generation) }
}

/// A generation as state records write it.
pub fn number(generation: Generation) -> u8 {
    match generation {
        Generation::V1 => 1,
        Generation::V2 => 2,
    }
}

fn from(number: u8) -> Option<Generation> {
    match number {
        1 => Some(Generation::V1),
        2 => Some(Generation::V2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::view::Read;

    #[test]
    fn a_decision_is_made_once_and_comes_back_from_the_log() {
        let mut decisions = Decisions::of(&View::default());
        let control = decisions.decide("accounts", Generation::V2).unwrap();
        assert_eq!(decisions.decide("accounts", Generation::V1), None);
        assert_eq!(decisions.generation("accounts"), Some(Generation::V2));
        let source = decisions.choose_source("expected-transactions").unwrap();
        assert_eq!(decisions.choose_source("external-payments"), None);
        let mut view = View::default();
        for (offset, control) in (0..).zip([control, source]) {
            let read = Read { offset, key: control.key(), value: Some(control.value()) };
            view.apply(&read).unwrap();
        }
        let again = Decisions::of(&view);
        assert_eq!(again.generation("accounts"), Some(Generation::V2));
        assert_eq!(again.source(), Some("expected-transactions"));
    }
}
