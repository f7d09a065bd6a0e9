"""Field lists of HMGET that clients repeat: found by their raw bytes, not parsed again."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef struct Arg:                 # one argument; valid until the parser's next borrow, reserve or release
    const uint8_t* data
    uint32_t size


cdef struct FieldList:           # a remembered field list of HMGET: the raw bytes after the key, parsed once
    uint32_t id                  # 1.., never reused within the process; the memory tier keys its column lists by it
    uint32_t count               # fields
    uint32_t raw_size
    uint8_t* raw
    uint32_t* offsets            # of each field's first byte in raw
    uint32_t* sizes
    uint64_t hash                # of count and the first bytes
    uint32_t matches             # halved whenever its set is full and a new list comes in: the least matched goes


cdef class FieldLists:           # one per process, shared by its parsers; bounded; a list enters when it is seen twice
    cdef FieldList** sets        # `capacity` places in sets of four, by hash; NULL: free
    cdef uint32_t capacity
    cdef uint32_t used
    cdef uint64_t* seen          # hashes of lists seen once
    cdef uint64_t seed
    cdef uint32_t next_id
    cdef FieldList** retired     # replaced, but commands of this turn may still point at them
    cdef uint32_t retired_count
    cdef FieldList* match(self, const uint8_t* raw, size_t available, uint32_t count) noexcept
    cdef void note(self, const uint8_t* raw, uint32_t raw_size, const Arg* fields, uint32_t count) noexcept
    cdef uint64_t hash_list(self, const uint8_t* raw, uint32_t count) noexcept
    cpdef void free_retired(self) noexcept   # once a turn, when no FieldList is held; without it no list is replaced after the 64th
