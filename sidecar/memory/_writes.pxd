"""Installing, overlaying and dropping: the Store's second layer."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.memory._index cimport Slot
from sidecar.memory._row_lookups cimport RowLookups
from sidecar.memory._rows cimport RowDraft
from sidecar.memory._schemas cimport Schema


cdef class Writes(RowLookups):
    cdef RowDraft draft              # scratch of one write
    cdef uint8_t* scratch            # room for one item: a segment

    cdef void sync(self) noexcept
    cdef bint admit(self, uint64_t key_hash, const uint8_t* key, uint32_t key_size, uint32_t size) noexcept
    cdef bint admit_string(self, bytes key, bytes value, uint8_t flags, uint32_t filled_at, uint32_t rule, object expiry_ms) except -1
    cdef uint8_t* find_for_write(self, bytes key, Slot* slot) noexcept
    cdef uint8_t* find_any(self, bytes key, Slot* slot) noexcept
    cdef int begin_draft(self, bytes key, uint32_t filled_at, uint32_t row_rule) except -1
    cdef int draft_old_row(self, uint8_t* item) except -1
    cdef int put_field(self, Schema* schema, uint32_t columns, bytes name, bytes value, uint32_t filled_at, uint32_t guess) except -1
    cdef int append_field(self, bytes name, bytes value, uint32_t filled_at) except -1
    cdef bint admit_draft(self, bytes key) except -1
    cpdef bint drop(self, bytes key)
