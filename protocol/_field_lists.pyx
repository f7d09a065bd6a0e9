"""Field lists of HMGET that clients repeat, see the .pxd.

A model server asks each entity for the same features, so the bytes behind the key are the same each time. They are
found by a hash of those that certainly belong to the list, compared with memcmp, and not parsed: 50 ns instead of 160
for 50 fields. A list enters when it is seen twice, so loads that never repeat one pay for a hash only.
"""

cimport cython
import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

cdef enum:
    SETS = 64
    WAYS = 4
    SEEN = 1024
    RETIRED = 64
    MAX_LIST_BYTES = 16 * 1024           # with 1024 fields: at most 256 * 24 KiB = 6 MiB in all
    MAX_LIST_FIELDS = 1024
    HASHED_BYTES = 256
    LEAST_FIELD_BYTES = 6                # $0 CRLF CRLF


cdef inline uint64_t load64(const uint8_t* data) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, data, 8)
    return word


@cython.final
cdef class FieldLists:
    def __cinit__(self):
        self.capacity = SETS * WAYS
        self.used = 0
        self.next_id = 1
        self.retired_count = 0
        self.seed = int.from_bytes(os.urandom(8), "little")     # clients must not choose which lists collide
        self.sets = <FieldList**>calloc(self.capacity, sizeof(FieldList*))
        self.seen = <uint64_t*>calloc(SEEN, sizeof(uint64_t))
        self.retired = <FieldList**>calloc(RETIRED, sizeof(FieldList*))
        if self.sets == NULL or self.seen == NULL or self.retired == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef uint32_t i
        if self.sets != NULL:
            for i in range(self.capacity):
                free(self.sets[i])
        if self.retired != NULL:
            self.free_retired()
        free(self.sets)
        free(self.seen)
        free(self.retired)

    cdef uint64_t hash_list(self, const uint8_t* raw, uint32_t count) noexcept:
        """Of the bytes that certainly belong to the list: its whole length is not known before it is parsed."""
        cdef size_t size = <size_t>count * LEAST_FIELD_BYTES
        cdef uint64_t one = self.seed ^ count
        cdef uint64_t two = self.seed + 0x9E3779B97F4A7C15u
        cdef size_t at = 0
        if size > HASHED_BYTES:
            size = HASHED_BYTES
        while at + 16 <= size:           # two lanes, so that the multiplications overlap
            one = (one ^ load64(raw + at)) * 0x9E3779B97F4A7C15u
            two = (two ^ load64(raw + at + 8)) * 0xC2B2AE3D27D4EB4Fu
            one ^= one >> 32
            two ^= two >> 29
            at += 16
        one ^= two * 0x165667B19E3779F9u
        one ^= one >> 31
        one *= 0x9E3779B97F4A7C15u
        return one ^ (one >> 32)

    cdef FieldList* match(self, const uint8_t* raw, size_t available, uint32_t count) noexcept:
        cdef uint64_t hashed
        cdef FieldList** places
        cdef FieldList* known
        cdef int way
        if self.used == 0 or count > MAX_LIST_FIELDS or available < <size_t>count * LEAST_FIELD_BYTES:
            return NULL
        hashed = self.hash_list(raw, count)
        places = self.sets + (hashed & (SETS - 1)) * WAYS
        for way in range(WAYS):
            known = places[way]
            if known != NULL and known.hash == hashed and known.count == count and known.raw_size <= available \
                    and memcmp(known.raw, raw, known.raw_size) == 0:
                known.matches += known.matches < 0xFFFFFFFFu
                return known
        return NULL

    cdef void note(self, const uint8_t* raw, uint32_t raw_size, const Arg* fields, uint32_t count) noexcept:
        cdef uint64_t hashed
        cdef FieldList** places
        cdef FieldList** place = NULL
        cdef FieldList* known
        cdef int way
        if count > MAX_LIST_FIELDS or raw_size > MAX_LIST_BYTES:
            return
        hashed = self.hash_list(raw, count)
        if self.seen[(hashed >> 32) & (SEEN - 1)] != hashed:
            self.seen[(hashed >> 32) & (SEEN - 1)] = hashed
            return
        places = self.sets + (hashed & (SETS - 1)) * WAYS
        for way in range(WAYS):
            known = places[way]
            if known == NULL:
                place = places + way
                break
            if known.hash == hashed and known.raw_size == raw_size and memcmp(known.raw, raw, raw_size) == 0:
                return                   # it was not matched because it came in pieces
        if place == NULL:
            if self.retired_count == RETIRED:
                return
            place = places
            for way in range(WAYS):
                if places[way].matches < place[0].matches or (
                    places[way].matches == place[0].matches and places[way].id < place[0].id      # the older
                ):
                    place = places + way
            for way in range(WAYS):
                places[way].matches >>= 1
        known = make_list(raw, raw_size, fields, count)
        if known == NULL:
            return
        known.hash = hashed
        known.id = self.next_id
        self.next_id += 1
        if place[0] != NULL:
            self.retired[self.retired_count] = place[0]
            self.retired_count += 1
        else:
            self.used += 1
        place[0] = known

    cpdef void free_retired(self) noexcept:
        while self.retired_count:
            self.retired_count -= 1
            free(self.retired[self.retired_count])

    @property
    def known(self):
        return self.used


cdef FieldList* make_list(const uint8_t* raw, uint32_t raw_size, const Arg* fields, uint32_t count) noexcept:
    """One block: the struct, offsets, sizes, raw bytes. NULL: no memory."""
    cdef FieldList* made = <FieldList*>malloc(sizeof(FieldList) + count * 2 * sizeof(uint32_t) + raw_size)
    cdef uint32_t i
    if made == NULL:
        return NULL
    made.count = count
    made.raw_size = raw_size
    made.matches = 1
    made.offsets = <uint32_t*>(made + 1)
    made.sizes = made.offsets + count
    made.raw = <uint8_t*>(made.sizes + count)
    memcpy(made.raw, raw, raw_size)
    for i in range(count):
        made.offsets[i] = <uint32_t>(fields[i].data - raw)
        made.sizes[i] = fields[i].size
    return made
