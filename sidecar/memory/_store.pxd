"""The memory tier as the rest of the sidecar sees it. Nothing inside is a Python object."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.memory._speculation cimport Speculation
from sidecar.memory._index cimport Bucket
from sidecar.memory._views cimport (
    ABSENT_BY_RULE, ABSENT_COLUMN, MIXED, MIXED_VIEWS, NEEDS_ORIGIN, NOT_HERE, OTHER_KIND, UNKNOWN_COLUMN, USABLE,
    Judgement, Probe, RowView, StringView, column_value,
)


cdef class Store(Speculation):
    """Layers: Lookups (hit path), Writes, Answers (look-ups for Python), Speculation (prefetch), and here housekeeping and figures."""
    cdef uint64_t resolve_at         # bucket where resolve_step goes on
    cdef bint resolved_any           # in its walk that is under way

    cdef bint catch_up(self, uint8_t* item, bint may_resolve) noexcept
    cdef bytes key_at(self, Bucket* bucket, uint32_t slot)
    cdef int drop_in_bucket(self, object predicate, uint64_t number) except -1
