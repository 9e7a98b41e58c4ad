//! What the process of a test pretends to be. Nothing of this is in a release: the module exists
//! with the feature `crash-points` only, which no release can be built with.
//!
//! A variant is chosen once, from the environment, before anything else happens; whatever asks
//! before that, or where nothing is chosen, gets what a release does.

use std::sync::OnceLock;

/// A release by what it does with formats and rules. What comes after the present one exists for
/// tests alone: format 2 of the state topic and rules 2 of the content fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// As released: reads 1, writes 1.
    Old,
    /// The next one: reads 1 and 2, writes 1.
    Introduces,
    /// The one after it: reads 1 and 2, writes 2.
    Writes,
}

/// What [`choose_release`] takes: a name, the release in formats, the release in rules.
const NAMES: [(&str, Release, Release); 5] = [
    ("old", Release::Old, Release::Old),
    ("introduces", Release::Introduces, Release::Introduces),
    ("writes", Release::Writes, Release::Writes),
    // The rules alone: a rollback by two is not refused then.
    ("introduces-rules", Release::Old, Release::Introduces),
    ("writes-rules", Release::Old, Release::Writes),
];

static RELEASE: OnceLock<(Release, Release)> = OnceLock::new();

/// Makes this process the release of this name. `false`: there is none, or it is another already.
pub fn choose_release(name: &str) -> bool {
    let known = NAMES.iter().find(|(known, ..)| *known == name);
    known.is_some_and(|(_, formats, rules)| {
        *RELEASE.get_or_init(|| (*formats, *rules)) == (*formats, *rules)
    })
}

/// The release in formats of the state topic.
pub fn release_in_formats() -> Release {
    RELEASE.get().map_or(Release::Old, |(formats, _)| *formats)
}

/// The release in rules of the content fingerprint.
pub fn release_in_rules() -> Release {
    RELEASE.get().map_or(Release::Old, |(_, rules)| *rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_chosen_is_as_released() {
        for bad in ["", "new", "Old", "writes "] {
            assert!(!choose_release(bad), "{bad}");
        }
        assert_eq!((release_in_formats(), release_in_rules()), (Release::Old, Release::Old));
    }
}
