//! The partition of a key, as Java's default partitioner chooses it.
//!
//! Streams applications, ksqlDB and Java producers co-partition with our topics only if the hash
//! is theirs: murmur2 with seed 0x9747b28c over the key's bytes, sign bit cleared, modulo the
//! number of partitions (`org.apache.kafka.common.utils.Utils.murmur2`). We compute it and name
//! the partition explicitly, because librdkafka must not mix both ways within a topic.

/// Partition of `key` among `partitions` (at least one).
pub fn of(key: &[u8], partitions: i32) -> i32 {
    let positive = i32::from_ne_bytes(murmur2(key).to_ne_bytes()) & i32::MAX;
    positive.checked_rem(partitions).unwrap_or(0)
}

fn murmur2(data: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    const SHIFT: u32 = 24;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c ^ length;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(word);
        let mut value = u32::from_le_bytes(bytes).wrapping_mul(MIX);
        value ^= value >> SHIFT;
        hash = hash.wrapping_mul(MIX) ^ value.wrapping_mul(MIX);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Kafka's own unit test `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_as_java_does() {
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, expected) in cases {
            assert_eq!(
                i32::from_ne_bytes(murmur2(key.as_bytes()).to_ne_bytes()),
                expected,
                "{key}"
            );
        }
    }

    #[test]
    fn partitions_are_in_range() {
        for key in ["", "a", "ab", "abcd", "6d0f5a2e-3c41-4b7d-9a55-1f2f7f0c8e10"] {
            assert!((0..6).contains(&of(key.as_bytes(), 6)), "{key}");
        }
        assert_eq!(of(b"21", 1), 0);
    }
}
