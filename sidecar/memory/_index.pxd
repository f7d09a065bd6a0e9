"""Where each key's item is: 64-byte buckets of eight slots, two candidate buckets a key, growing in place.

A bucket holds eight 16-bit tags together (one SIMD compare) and eight six-byte values: 40 bits of offset, 2 bits of
frequency, 6 bits of size in units of 16 bytes (so that every line of the item can be prefetched). A key's bucket is
hash * buckets >> 32, so a larger table keeps the order of the buckets: growing moves them from the last to the first,
a few at each insertion, always upwards, in place. A bucket below `split` is where the old count says, one above it
where the new count says; no item of an old bucket >= split can land below split.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sidecar.memory._hash cimport siphash13
from sidecar.memory._items cimport has_key
from sidecar.memory._machine cimport OFFSET_MASK, load48, load64, lowest_bit, match_tags, prefetch, store48

cdef enum:
    SLOTS = 8
    MAX_FREQUENCY = 3
    SIZE_UNIT = 16

cdef struct Bucket:
    uint16_t tags[8]     # 0: no item
    uint8_t values[48]

cdef struct Index:
    Bucket* buckets
    size_t reserved              # bytes of address space
    uint8_t* arena               # items are found from it
    uint64_t k0, k1              # SipHash key
    uint32_t capacity            # buckets of address space
    uint32_t count               # buckets by the old mapping
    uint32_t grown               # buckets by the new mapping; == count when not growing
    uint32_t split               # old buckets below it still stand by the old mapping
    uint64_t entries
    uint32_t walk                # buckets below it were visited by the walk that is under way; 0: none
    uint8_t* unseen              # a bit per bucket below `walk`: an item that the walk has not seen was moved into it
    uint32_t unseen_count
    uint32_t unseen_hand         # where the next one is looked for

cdef struct Slot:                # one place in a bucket
    Bucket* bucket
    uint32_t number

cdef int index_open(Index* index, uint8_t* arena, uint64_t k0, uint64_t k1, uint32_t capacity) except -1
cdef void index_close(Index* index) noexcept nogil
cdef void index_clear(Index* index) noexcept nogil
cdef bint index_insert(Index* index, uint64_t key_hash, uint64_t value, uint64_t* victim) noexcept nogil   # True: `victim` had to leave, its offset
cdef void index_remove(Index* index, const Slot* slot) noexcept nogil
cdef void index_begin_walk(Index* index) noexcept nogil
cdef uint32_t index_next_unseen(Index* index) noexcept nogil      # a bucket below `walk` to visit again; only while unseen_count
cdef bint index_wants_growth(const Index* index) noexcept nogil
cdef uint64_t index_growth_bytes(const Index* index) noexcept nogil       # that the next growth takes
cdef void index_begin_growth(Index* index) noexcept nogil
cdef uint64_t index_grow_step(Index* index, uint32_t buckets, uint64_t* victims, uint32_t room) noexcept nogil  # -> number of victims


cdef inline uint64_t index_bytes(const Index* index) noexcept nogil:
    return <uint64_t>index.grown * sizeof(Bucket)


cdef inline uint64_t hash_of(const Index* index, const uint8_t* key, size_t size) noexcept nogil:
    return siphash13(index.k0, index.k1, key, size)


cdef inline uint16_t tag_of(uint64_t key_hash) noexcept nogil:
    """Bits that choose no bucket below 2^24 buckets; never 0."""
    cdef uint16_t tag = <uint16_t>((key_hash >> 32 & 0xFF) | (key_hash & 0xFF) << 8)
    return tag if tag else 1


cdef inline uint32_t bucket_of(const Index* index, uint64_t half) noexcept nogil:
    """half: 32 bits of the hash."""
    cdef uint32_t bucket = <uint32_t>(half * index.count >> 32)
    if bucket >= index.split:
        return <uint32_t>(half * index.grown >> 32)
    return bucket


cdef inline uint32_t first_bucket(const Index* index, uint64_t key_hash) noexcept nogil:
    return bucket_of(index, key_hash >> 32)


cdef inline uint32_t second_bucket(const Index* index, uint64_t key_hash) noexcept nogil:
    return bucket_of(index, <uint32_t>key_hash)


cdef inline uint64_t slot_value(const Bucket* bucket, uint32_t number) noexcept nogil:
    return load48(&bucket.values[6 * number])


cdef inline uint64_t make_value(uint64_t offset, uint32_t frequency, uint32_t size) noexcept nogil:
    cdef uint64_t units = (size + SIZE_UNIT - 1) // SIZE_UNIT
    return offset | <uint64_t>frequency << 40 | (units if units < 63 else 63) << 42


cdef inline uint32_t frequency_of(uint64_t value) noexcept nogil:
    return <uint32_t>(value >> 40) & MAX_FREQUENCY


cdef inline void prefetch_lines(const Index* index, uint64_t value) noexcept nogil:
    """Every line that the item touches, up to 1008 bytes."""
    cdef uint64_t at = (value & OFFSET_MASK) & ~<uint64_t>63
    cdef uint64_t end = (value & OFFSET_MASK) + (value >> 42) * SIZE_UNIT
    while at < end:
        prefetch(index.arena + at)
        at += 64


cdef inline bint find_in_bucket(const Index* index, Bucket* bucket, uint16_t tag, const uint8_t* key, uint32_t size, Slot* out) noexcept nogil:
    cdef uint32_t found = match_tags(bucket.tags, tag)
    while found:
        out.number = lowest_bit(found)
        if has_key(index.arena + (slot_value(bucket, out.number) & OFFSET_MASK), key, size):
            out.bucket = bucket
            return True
        found &= found - 1
    return False


cdef inline bint index_find(const Index* index, uint64_t key_hash, const uint8_t* key, uint32_t size, Slot* out) noexcept nogil:
    cdef uint16_t tag = tag_of(key_hash)
    if find_in_bucket(index, &index.buckets[first_bucket(index, key_hash)], tag, key, size, out):
        return True
    return find_in_bucket(index, &index.buckets[second_bucket(index, key_hash)], tag, key, size, out)


cdef inline bint index_find_offset(const Index* index, uint64_t key_hash, uint64_t offset, Slot* out) noexcept nogil:
    """The slot of an item whose place is known: no key is read."""
    cdef uint16_t tag = tag_of(key_hash)
    cdef uint32_t attempt, found
    for attempt in range(2):
        out.bucket = &index.buckets[second_bucket(index, key_hash) if attempt else first_bucket(index, key_hash)]
        found = match_tags(out.bucket.tags, tag)
        while found:
            out.number = lowest_bit(found)
            if slot_value(out.bucket, out.number) & OFFSET_MASK == offset:
                return True
            found &= found - 1
    return False


cdef inline void touch(const Slot* slot) noexcept nogil:
    """Raise the frequency; a line that would not change is not written."""
    cdef uint64_t value = slot_value(slot.bucket, slot.number)
    if frequency_of(value) < MAX_FREQUENCY:
        store48(&slot.bucket.values[6 * slot.number], value + (<uint64_t>1 << 40))


cdef inline void set_slot(const Slot* slot, uint64_t value) noexcept nogil:
    store48(&slot.bucket.values[6 * slot.number], value)
