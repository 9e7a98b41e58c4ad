//! The only place where randomness enters the program. What must be replayable takes a seed
//! instead.

use uuid::Uuid;

/// A fresh identity, for sessions and workspaces.
pub fn identity() -> Uuid {
    Uuid::new_v4()
}

/// A fresh seed.
pub fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

/// A number in `0.0..1.0`, for the jitter of waits.
pub fn fraction() -> f64 {
    // 53 bits fill the mantissa of a double exactly.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double's mantissa")]
    let bits = (seed() >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}
