"""The ghost queue as a table: a slot carries a coarse time of insertion, and is void once `length` others came after.

Time counts 1/4096 of a length, so a queue of n keys forgets with an error of n / 4096, and 14 bits hold four lengths:
a void slot is overwritten long before its time could look recent again, for a bucket takes its oldest slot first.
Insertions that take the place of a key that came back do not count: what is older stays as long as in a real queue.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from sidecar.memory._machine cimport reserve, unreserve

cdef enum:
    WAYS = 16
    UNITS = 4096             # of time in one length
    TIME_MASK = 0x3FFF


cdef bint ghosts_resize(Ghosts* ghosts, uint32_t length) noexcept nogil:
    """Remember `length` keys from now on, in 5 bytes each: buckets are 80% full on average."""
    cdef uint32_t buckets = (length + length // 4) // WAYS + 1
    unreserve(ghosts.slots, <size_t>ghosts.buckets * 64)
    ghosts.slots = <uint32_t*>reserve(<size_t>buckets * 64)
    ghosts.buckets = buckets if ghosts.slots != NULL else 0
    ghosts.length = length
    ghosts.inserted = ghosts.taken = 0
    return ghosts.slots != NULL


cdef void ghosts_close(Ghosts* ghosts) noexcept nogil:
    unreserve(ghosts.slots, <size_t>ghosts.buckets * 64)
    memset(ghosts, 0, sizeof(Ghosts))


cdef inline uint32_t time_of(const Ghosts* ghosts) noexcept nogil:
    return <uint32_t>(ghosts.inserted * UNITS // ghosts.length) & TIME_MASK


cdef inline uint32_t fingerprint_of(uint64_t key_hash) noexcept nogil:
    """18 bits, not all 0, that do not choose the bucket."""
    cdef uint32_t bits = <uint32_t>key_hash << 14
    return bits if bits else <uint32_t>1 << 14


cdef inline uint32_t* bucket_at(const Ghosts* ghosts, uint64_t half) noexcept nogil:
    """half: 32 bits of the hash; the two halves choose the two buckets a key may be in."""
    return ghosts.slots + WAYS * (half * ghosts.buckets >> 32)


cdef void ghosts_add(Ghosts* ghosts, uint64_t key_hash) noexcept nogil:
    """Into the first empty slot, else over the oldest of both buckets: one bucket alone would lose 2% too early."""
    cdef uint32_t now, age, way, choice
    cdef uint32_t oldest_age = 0
    cdef uint32_t* bucket
    cdef uint32_t* chosen
    if ghosts.slots == NULL:
        return
    now = time_of(ghosts)
    chosen = bucket_at(ghosts, key_hash >> 32)
    for choice in range(2):
        bucket = bucket_at(ghosts, <uint32_t>key_hash if choice else key_hash >> 32)
        for way in range(WAYS):
            age = (now - bucket[way]) & TIME_MASK if bucket[way] else TIME_MASK + 1
            if age > oldest_age:
                oldest_age = age
                chosen = bucket + way
        if oldest_age > UNITS:
            break                # empty or void: the second bucket is not needed
    chosen[0] = fingerprint_of(key_hash) | now
    if ghosts.taken:
        ghosts.taken -= 1        # its place was free: nobody is older for it
    else:
        ghosts.inserted += 1


cdef bint ghosts_take(Ghosts* ghosts, uint64_t key_hash) noexcept nogil:
    cdef uint32_t now, way, fingerprint, choice
    cdef uint32_t* bucket
    if ghosts.slots == NULL:
        return False
    now = time_of(ghosts)
    fingerprint = fingerprint_of(key_hash)
    for choice in range(2):
        bucket = bucket_at(ghosts, <uint32_t>key_hash if choice else key_hash >> 32)
        for way in range(WAYS):
            if bucket[way] & ~<uint32_t>TIME_MASK == fingerprint and (now - bucket[way]) & TIME_MASK <= UNITS:
                bucket[way] = 0
                ghosts.taken += 1
                return True
    return False
