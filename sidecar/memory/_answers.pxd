"""Look-ups for Python, as answers of an origin: the Store's third layer."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from policies._freshness cimport Limits
from sidecar.memory._views cimport RowView
from sidecar.memory._writes cimport Writes


cdef class Answers(Writes):
    cdef readonly bint must_revalidate   # the last lookup_counted met what is to be refreshed and nobody was told yet

    cdef int64_t string_size(self, bytes key) except? -2
    cdef object answer(self, bytes key, object fields, int window, object reserved, bint count)
    cdef bint string_near_end(self, uint8_t* item, uint64_t key_hash, uint32_t age, const Limits* rule) noexcept
    cdef bint is_late_check(self, RowView* row, object fields) except -1
    cdef bint collect(self, RowView* row, object fields, int window, dict into, bint count, bint partial) except -1
