//! Formats of the values in the state topic: which of them this release reads, and which it
//! writes. The one place that knows, for entity records and control records alike.
//!
//! The first byte of every value is the number of its format. A release reads every format up to
//! its newest: entities that never change keep the format they were written in, so that an old
//! one is never gone from a topic. What a new format needs here and elsewhere, and why a release
//! that introduces one does not write it yet: `docs/state-format.md`.

#[cfg(feature = "crash-points")]
pub mod next;

use super::Error;

/// A layout of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    One,
    /// For tests: no release knows it.
    #[cfg(feature = "crash-points")]
    Next,
}

/// What a release does with formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// It reads this one and all before.
    pub newest: Format,
    pub writes: Format,
}

/// This release.
pub const RELEASED: Formats = Formats { newest: Format::One, writes: Format::One };

/// What this process does with formats.
#[cfg(not(feature = "crash-points"))]
pub const fn formats() -> Formats {
    RELEASED
}

/// What this process does with formats: a test may have made it a later release.
#[cfg(feature = "crash-points")]
pub fn formats() -> Formats {
    use crate::variant::{Release, release_in_formats};
    match release_in_formats() {
        Release::Old => RELEASED,
        Release::Introduces => Formats { newest: Format::Next, ..RELEASED },
        Release::Writes => Formats { newest: Format::Next, writes: Format::Next },
    }
}

impl Format {
    /// The first byte of its values.
    pub const fn number(self) -> u8 {
        match self {
            Format::One => 1,
            #[cfg(feature = "crash-points")]
            Format::Next => 2,
        }
    }
}

impl Formats {
    /// The format of the value found at `offset` (for the error only), and what follows its number.
    pub fn split(self, value: &[u8], offset: i64) -> Result<(Format, &[u8]), Error> {
        let damaged = Error::Damaged { offset };
        let Some((&found, rest)) = value.split_first() else { return Err(damaged) };
        if found > self.newest.number() {
            return Err(Error::NewerFormat { found });
        }
        match found {
            1 => Ok((Format::One, rest)),
            #[cfg(feature = "crash-points")]
            2 => Ok((Format::Next, rest)),
            _ => Err(damaged),
        }
    }
}

/// The value of a control record, from its JSON.
pub fn control(format: Format, json: &[u8]) -> Vec<u8> {
    match format {
        Format::One => {
            let mut value = Vec::with_capacity(1 + json.len());
            value.push(format.number());
            value.extend_from_slice(json);
            value
        }
        #[cfg(feature = "crash-points")]
        Format::Next => next::control(json),
    }
}

/// The JSON of the control record found at `offset` (for the error only).
pub fn control_json(formats: Formats, value: &[u8], offset: i64) -> Result<&[u8], Error> {
    match formats.split(value, offset)? {
        (Format::One, json) => Ok(json),
        #[cfg(feature = "crash-points")]
        (Format::Next, rest) => next::control_json(rest).ok_or(Error::Damaged { offset }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_too_new_is_told_from_damage() {
        assert_eq!(RELEASED.split(b"\x01x", 3), Ok((Format::One, &b"x"[..])));
        assert_eq!(RELEASED.split(&[2], 3), Err(Error::NewerFormat { found: 2 }));
        assert_eq!(RELEASED.split(&[255], 3), Err(Error::NewerFormat { found: 255 }));
        assert_eq!(RELEASED.split(&[0], 3), Err(Error::Damaged { offset: 3 }));
        assert_eq!(RELEASED.split(&[], 3), Err(Error::Damaged { offset: 3 }));
    }

    #[test]
    fn a_release_writes_what_it_reads() {
        const { assert!(RELEASED.writes.number() <= RELEASED.newest.number()) };
        // As released, unless a test has chosen: unit tests never do.
        assert_eq!(formats(), RELEASED);
    }
}
