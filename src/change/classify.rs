//! The verdict on one record, from what is known of its entity and what was seen.

use std::time::Instant;

use super::fingerprint::{Fingerprint, Print};

/// What the last published (or about to be published) change of an entity says.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub print: Print,
    /// The record was judged in the generation of the API that is read now.
    pub generation_is_ours: bool,
    /// `version` of the record as Atlar sent it.
    pub version: Option<i64>,
    pub deleted: bool,
    /// When the change became readable; `None` where that was before this process began.
    pub published_at: Option<Instant>,
    /// In a batch that is not committed yet.
    pub pending: bool,
}

/// What was received.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// By the rules that this release writes.
    pub print: Print,
    /// By the rules that the state names, where those are others that this release knows.
    pub by_stored: Option<Print>,
    pub version: Option<i64>,
    /// When the request began whose answer this is.
    pub requested_at: Instant,
}

impl Seen {
    /// The fingerprint by the rules with this number.
    fn by(&self, algorithm: u8) -> Option<Fingerprint> {
        let prints = [Some(self.print), self.by_stored].into_iter().flatten();
        prints.into_iter().find(|print| print.algorithm == algorithm).map(|print| print.fingerprint)
    }
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Never published, or published as deleted: an event `c` (or `r`).
    New,
    /// Other content than published: an event `u`.
    Changed,
    /// Published as it is.
    Same,
    /// Same content under another version: a state record, no event.
    Rebased,
    /// An older version than the one published. Ignored and counted, until it was served long
    /// enough.
    Stale,
    /// Other content under the published version, from a request that began before the publication:
    /// an answer that crossed it. The next listing decides.
    Crossed,
    /// From the list of another account than the record names, which serves it too. Ignored and
    /// counted; never a verdict of [`classify`], which knows no lists.
    Foreign,
    /// Judged by rules this release does not know: the mapped record decides.
    Unknown,
}

/// Judges. `trust_older` is set where a lower version has been served so often that it counts.
pub fn classify(known: Option<Known>, seen: Seen, trust_older: bool) -> Class {
    let Some(known) = known else { return Class::New };
    if known.deleted {
        return Class::New;
    }
    let comparable = seen.by(known.print.algorithm).filter(|_| known.generation_is_ours);
    let Some(fingerprint) = comparable else { return Class::Unknown };
    let older = is_older(known.version, seen.version);
    if known.print.fingerprint == fingerprint {
        return match (known.version, seen.version) {
            (published, version) if published == version => Class::Same,
            // Lower, or gone missing: the content is what was published; nothing to record.
            (Some(_), _) if older || seen.version.is_none() => Class::Same,
            _ => Class::Rebased,
        };
    }
    if older && !trust_older {
        return Class::Stale;
    }
    let equal_version = known.version.is_some() && known.version == seen.version;
    if equal_version && crossed(known, seen) {
        return Class::Crossed;
    }
    Class::Changed
}

/// Whether what was seen has a lower version than what was published.
pub fn is_older(published: Option<i64>, seen: Option<i64>) -> bool {
    matches!((published, seen), (Some(published), Some(seen)) if seen < published)
}

fn crossed(known: Known, seen: Seen) -> bool {
    known.pending || known.published_at.is_some_and(|at| seen.requested_at < at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: Fingerprint = Fingerprint([1; 16]);
    const B: Fingerprint = Fingerprint([2; 16]);

    fn print(algorithm: u8, fingerprint: Fingerprint) -> Print {
        Print { algorithm, fingerprint }
    }

    fn known(fingerprint: Fingerprint, version: Option<i64>) -> Known {
        Known {
            print: print(1, fingerprint),
            generation_is_ours: true,
            version,
            deleted: false,
            published_at: None,
            pending: false,
        }
    }

    fn seen(fingerprint: Fingerprint, version: Option<i64>) -> Seen {
        let print = print(1, fingerprint);
        Seen { print, by_stored: None, version, requested_at: Instant::now() }
    }

    #[test]
    fn versions_and_content_decide() {
        let cases = [
            (Some(1), A, Some(1), Class::Same),
            (Some(1), A, Some(2), Class::Rebased),
            (Some(2), A, Some(1), Class::Same),
            (None, A, Some(1), Class::Rebased),
            (Some(1), A, None, Class::Same),
            (None, A, None, Class::Same),
            (Some(1), B, Some(2), Class::Changed),
            (Some(1), B, Some(1), Class::Changed),
            (Some(2), B, Some(1), Class::Stale),
            (None, B, None, Class::Changed),
            (Some(3), B, None, Class::Changed),
            (None, B, Some(1), Class::Changed),
        ];
        for (published, fingerprint, version, expected) in cases {
            let verdict = classify(Some(known(A, published)), seen(fingerprint, version), false);
            assert_eq!(verdict, expected, "{published:?} then {version:?} {fingerprint:?}");
        }
        assert_eq!(classify(None, seen(A, Some(1)), false), Class::New);
    }

    #[test]
    fn a_lower_version_counts_once_it_is_trusted() {
        assert_eq!(classify(Some(known(A, Some(5))), seen(B, Some(4)), true), Class::Changed);
    }

    #[test]
    fn an_equal_version_counts_only_from_a_request_after_the_publication() {
        let seen = seen(B, Some(1));
        let before = Some(seen.requested_at - Duration::from_secs(1));
        let after = Some(seen.requested_at + Duration::from_secs(1));
        let at = |published_at, pending| Known { published_at, pending, ..known(A, Some(1)) };
        assert_eq!(classify(Some(at(before, false)), seen, false), Class::Changed);
        assert_eq!(classify(Some(at(after, false)), seen, false), Class::Crossed);
        assert_eq!(classify(Some(at(None, true)), seen, false), Class::Crossed);
    }

    #[test]
    fn deleted_returns_as_new_and_foreign_rules_are_not_guessed() {
        let gone = Known { deleted: true, ..known(A, Some(9)) };
        assert_eq!(classify(Some(gone), seen(A, Some(1)), false), Class::New);
        let foreign = Known { print: print(3, A), ..known(A, Some(1)) };
        assert_eq!(classify(Some(foreign), seen(A, Some(1)), false), Class::Unknown);
    }

    #[test]
    fn the_rules_of_the_state_decide() {
        // Whether the state's rules are newer or older than those that are written.
        for stored in [1, 3] {
            let known = Known { print: print(stored, A), ..known(A, Some(1)) };
            let seen = |by_stored, version| Seen {
                print: print(2, A),
                by_stored: Some(print(stored, by_stored)),
                version,
                ..seen(A, None)
            };
            let class = |seen| classify(Some(known), seen, false);
            assert_eq!(class(seen(A, Some(1))), Class::Same);
            assert_eq!(class(seen(A, Some(2))), Class::Rebased);
            assert_eq!(class(seen(B, Some(2))), Class::Changed);
            assert_eq!(class(seen(B, Some(0))), Class::Stale);
            // Equal bytes of other rules are no equal content.
            assert_eq!(class(Seen { by_stored: None, ..seen(A, Some(1)) }), Class::Unknown);
        }
    }
}
