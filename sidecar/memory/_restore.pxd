"""Reading the records of a snapshot. Input: bytes that passed a checksum; beyond that they are not trusted."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.memory._schemas cimport Name
from sidecar.memory._store cimport Store

cdef struct NameList:            # one NAMES record
    uint32_t first               # its first name in `names`
    uint32_t count


cdef class Frame:
    cdef bytes data              # keeps what `at` points into
    cdef const uint8_t* at
    cdef const uint8_t* end
    cdef Name* names             # of all NAMES records so far
    cdef NameList* lists
    cdef uint32_t name_count, name_capacity, list_count, list_capacity
    # of the record that was read last
    cdef uint32_t kind, flags, filled_at, value_size
    cdef uint64_t expiry
    cdef bytes key               # None: it was NAMES

    cdef uint32_t size(self) except? 0xFFFFFFFF
    cdef const uint8_t* take(self, uint64_t count) except NULL
    cdef int read_head(self) except -1
    cdef int read_names(self) except -1
    cdef NameList* row_names(self) except NULL
    cdef int skip_row(self) except -1
    cdef int read_row(self, Store store, uint32_t written_tick) except -1
    cdef bint restore_record(self, Store store, uint32_t written_tick) except -1
