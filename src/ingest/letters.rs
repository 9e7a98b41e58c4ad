//! Records that cannot become events: what has a dead letter already.
//!
//! A record is named by its id, or by a hash of its bytes where it has none. It gets one letter for
//! each content it is served with. When a complete listing of its stream serves it no more in that
//! state, because it was repaired or is gone, the letter is cleared; the same fault later is a new
//! one. A listing that breaks off clears nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::change::Fingerprint;
use crate::state::control::Letter;
use crate::state::{Control, View};

/// See the module.
pub struct Letters {
    /// Those in batches under way included.
    known: HashMap<String, BTreeMap<String, Letter>>,
    /// What the present listing of a stream has served.
    seen: HashMap<String, HashSet<String>>,
}

impl Letters {
    pub fn of(view: &View) -> Letters {
        Letters { known: view.letters.clone(), seen: HashMap::new() }
    }

    /// Hash of a record as received.
    pub fn content(raw: &[u8]) -> Fingerprint {
        let hash = blake3::hash(raw);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Fingerprint(bytes)
    }

    /// The present listing serves a record that cannot be an event.
    pub fn saw(&mut self, stream: &str, name: &str) {
        self.seen.entry(stream.to_owned()).or_default().insert(name.to_owned());
    }

    /// A record cannot be an event. Returns the number of the letter to publish, and the record for
    /// the state topic; none where this content has its letter.
    pub fn observe(
        &mut self,
        stream: &str,
        name: &str,
        content: Fingerprint,
    ) -> Option<(u64, Control)> {
        self.saw(stream, name);
        let letters = self.known.entry(stream.to_owned()).or_default();
        let content = content.to_string();
        let known = letters.get(name);
        if known.is_some_and(|letter| letter.live && letter.content == content) {
            return None;
        }
        let change_no = known.map_or(0, |letter| letter.change_no) + 1;
        let letter = Letter { content, change_no, live: true };
        letters.insert(name.to_owned(), letter.clone());
        Some((change_no, control(stream, name, Some(letter))))
    }

    /// A complete listing of the stream has ended: returns what is cleared by it.
    pub fn finish(&mut self, stream: &str) -> Vec<Control> {
        let seen = self.seen.remove(stream).unwrap_or_default();
        let Some(letters) = self.known.get_mut(stream) else { return Vec::new() };
        let mut cleared = Vec::new();
        letters.retain(|name, letter| {
            if !letter.live || seen.contains(name) {
                return true;
            }
            letter.live = false;
            // What is named by its content never comes back as another content: nothing of it is
            // worth remembering, and such names may be many.
            let forget = name.starts_with('#');
            cleared.push(control(stream, name, (!forget).then(|| letter.clone())));
            !forget
        });
        cleared
    }
}

fn control(stream: &str, name: &str, letter: Option<Letter>) -> Control {
    Control::DeadLetter { stream: stream.to_owned(), id: name.to_owned(), letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(found: Option<(u64, Control)>) -> Option<u64> {
        found.map(|(change_no, _)| change_no)
    }

    #[test]
    fn one_letter_for_each_content_until_it_is_cleared() {
        let mut letters = Letters::of(&View::default());
        let (a, b) = (Letters::content(b"a"), Letters::content(b"b"));
        assert_eq!(number(letters.observe("s", "1", a)), Some(1));
        assert_eq!(number(letters.observe("s", "1", a)), None);
        assert_eq!(number(letters.observe("s", "1", b)), Some(2));
        assert_eq!(number(letters.observe("t", "1", b)), Some(1), "another stream");
        assert!(letters.finish("s").is_empty(), "it was served in this listing");
        let cleared = letters.finish("s");
        assert_eq!(cleared.len(), 1);
        assert!(letters.finish("s").is_empty(), "once");
        assert_eq!(number(letters.observe("s", "1", b)), Some(3), "the fault is back");
        letters.observe("s", "#a", a);
        letters.finish("s");
        let cleared = letters.finish("s");
        let forgotten =
            |control: &&Control| matches!(control, Control::DeadLetter { letter: None, .. });
        assert_eq!((cleared.len(), cleared.iter().filter(forgotten).count()), (2, 1));
    }

    #[test]
    fn what_is_committed_is_known_to_the_next_session() {
        let mut letters = Letters::of(&View::default());
        let content = Letters::content(b"a");
        let (_, control) = letters.observe("s", "1", content).unwrap();
        let mut view = View::default();
        let read = crate::state::view::Read {
            offset: 0,
            key: control.key(),
            value: Some(control.value()),
        };
        view.apply(&read).unwrap();
        assert_eq!(number(Letters::of(&view).observe("s", "1", content)), None);
    }
}
