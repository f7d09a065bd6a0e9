"""What prefetching asks of memory: the Store's fourth layer."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.memory._answers cimport Answers


cdef class Speculation(Answers):
    cdef bint wants(self, bytes key) except -1
    cdef bint wants_row(self, uint8_t* item, uint64_t key_hash) noexcept
