//! Rules of the content fingerprint by number: which of them this release knows, and which it
//! writes. The one place that knows.
//!
//! State records and events carry the number beside the fingerprint. A record is compared by the
//! rules that its state was written by, so that other rules publish nothing; what is written then
//! has the number that this release writes. How a release adds rules: `docs/state-format.md`.

/// A set of rules; what they are: [`super::fingerprint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    One,
    /// For tests: no release knows them.
    #[cfg(feature = "crash-points")]
    Next,
}

/// What a release does with rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Those it can compare by.
    pub all: &'static [Rules],
    pub written: Rules,
}

/// This release.
pub const RELEASED: Known = Known { all: &[Rules::One], written: Rules::One };

/// What this process does with rules.
#[cfg(not(feature = "crash-points"))]
pub const fn known() -> Known {
    RELEASED
}

/// What this process does with rules: a test may have made it a later release.
#[cfg(feature = "crash-points")]
pub fn known() -> Known {
    use crate::variant::{Release, release_in_rules};
    let all = &[Rules::One, Rules::Next];
    match release_in_rules() {
        Release::Old => RELEASED,
        Release::Introduces => Known { all, ..RELEASED },
        Release::Writes => Known { all, written: Rules::Next },
    }
}

impl Rules {
    pub const fn number(self) -> u8 {
        match self {
            Rules::One => 1,
            #[cfg(feature = "crash-points")]
            Rules::Next => 2,
        }
    }
}

impl Known {
    /// The rules with this number; none where this release does not know them.
    pub fn numbered(self, number: u8) -> Option<Rules> {
        self.all.iter().copied().find(|rules| rules.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_knows_what_it_writes_and_no_more_than_it_says() {
        assert_eq!(RELEASED.numbered(RELEASED.written.number()), Some(RELEASED.written));
        assert_eq!((RELEASED.numbered(0), RELEASED.numbered(2)), (None, None));
        // As released, unless a test has chosen: unit tests never do.
        assert_eq!(known(), RELEASED);
    }
}
