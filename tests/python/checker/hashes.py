"""The two hashes that the layouts name, written from their descriptions."""

MASK = 0xFFFFFFFF


def murmur2(data):
    """The hash by which Java's default partitioner places a key (Austin Appleby's MurmurHash2, seed 0x9747b28c)."""
    m = 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & MASK
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & MASK
        k = (k ^ k >> 24) * m & MASK
        h = h * m & MASK ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & MASK
    h = (h ^ h >> 13) * m & MASK
    return h ^ h >> 15


def partition_of(key, partitions):
    """The partition of a key, as Java's default partitioner computes it: the sign is cut off, not negated."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
# Columns, then diagonals.
LANES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))  # fmt: skip
BLOCK, CHUNK = 64, 1024
CHUNK_START, CHUNK_END, ROOT = 1, 2, 8


def blake3(data):
    """BLAKE3 of at most one chunk (1024 bytes): longer than any key of the state topic."""
    if len(data) > CHUNK:
        raise ValueError("longer than one chunk")
    chaining = IV
    blocks = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)] or [b""]
    for number, block in enumerate(blocks):
        flags = CHUNK_START if number == 0 else 0
        if number == len(blocks) - 1:
            flags |= CHUNK_END | ROOT
        chaining = compress(chaining, block, flags)
    return b"".join(word.to_bytes(4, "little") for word in chaining)


def compress(chaining, block, flags):
    padded = block.ljust(BLOCK, b"\0")
    message = [int.from_bytes(padded[at : at + 4], "little") for at in range(0, BLOCK, 4)]
    v = [*chaining, *IV[:4], 0, 0, len(block), flags]
    for turn in range(7):
        for lane, (a, b, c, d) in enumerate(LANES):
            mix(v, a, b, c, d, message[2 * lane], message[2 * lane + 1])
        if turn < 6:
            message = [message[at] for at in PERMUTATION]
    return tuple(v[at] ^ v[at + 8] for at in range(8))


def mix(v, a, b, c, d, x, y):
    v[a] = v[a] + v[b] + x & MASK
    v[d] = rotated(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d] & MASK
    v[b] = rotated(v[b] ^ v[c], 12)
    v[a] = v[a] + v[b] + y & MASK
    v[d] = rotated(v[d] ^ v[a], 8)
    v[c] = v[c] + v[d] & MASK
    v[b] = rotated(v[b] ^ v[c], 7)


def rotated(word, by):
    return (word >> by | word << 32 - by) & MASK
