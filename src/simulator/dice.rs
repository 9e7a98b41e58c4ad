//! Seeded chance: every decision of the simulated bank comes from here, so that a seed names a
//! world.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of decisions.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream number keeps the parts of one world (its beginning, its life) apart.
    pub(super) fn new(seed: u64, stream: u64) -> Dice {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Dice(rng)
    }

    /// A number below `limit`; 0 where the limit is 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64().checked_rem(limit).unwrap_or(0)
    }

    /// An index into something of this length.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// A number from `low` up to and without `high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high.saturating_sub(low)).unwrap_or(0);
        low.saturating_add(i64::try_from(self.below(width)).unwrap_or(0))
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.index(from.len()))
    }

    /// One of the words; "" where there is none.
    pub(super) fn word(&mut self, from: &[&'static str]) -> &'static str {
        self.pick(from).copied().unwrap_or("")
    }

    /// A random UUID as text.
    pub(super) fn uuid(&mut self) -> String {
        let bytes =
            (u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64())).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// `length` decimal digits, the first one not 0.
    pub(super) fn digits(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        for place in 0..length {
            let digit = if place == 0 { 1 + self.below(9) } else { self.below(10) };
            text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
        text
    }
}

/// A UUID that a seed and a text name: for ids that one form of a record shows and another lacks.
pub(super) fn named_uuid(seed: u64, parts: &[&[u8]]) -> String {
    let low = mix(seed, parts);
    let bytes = (u128::from(mix(low, parts)) << 64 | u128::from(low)).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// A well-spread number for a seed and a text: decisions that must not depend on the order in
/// which requests arrive (traps of a page, faults of the nth request of a route).
pub(super) fn mix(seed: u64, parts: &[&[u8]]) -> u64 {
    let mut state = seed ^ 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in *part {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        state = (state ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
