"""Rows as lists of fields: taken apart, merged, and written as items."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.memory._schemas cimport Name
from sidecar.memory._tier cimport Tier

cdef struct Field:
    Name name
    const uint8_t* value
    uint32_t value_size
    uint32_t filled_at
    bint absent              # the origin said that the document has no such field
    bint removed             # to be left out

cdef struct RowDraft:        # a row to be written; all pointers are borrowed
    const uint8_t* key
    uint32_t key_size
    uint32_t rule
    uint32_t filled_at       # of the fields that have no time of their own, and of a whole row's list
    uint8_t epoch
    uint8_t flags            # ItemFlag bits besides ITEM, ROW and EXPIRES
    bint whole
    bint expires
    uint64_t expiry_ms
    Field* fields
    uint32_t count
    uint32_t capacity

cdef int reserve_fields(RowDraft* draft, uint32_t count) except -1
cdef Field* add_field(RowDraft* draft) except NULL
cdef int read_row(Tier* tier, const uint8_t* item, RowDraft* draft) except -1       # appends the row's columns
cdef int find_field(const RowDraft* draft, const uint8_t* name, uint32_t size) noexcept nogil    # a scan; -1: none
cdef void finish_draft(RowDraft* draft) noexcept nogil
cdef uint32_t write_row(Tier* tier, const RowDraft* draft, uint8_t* to, uint32_t room) noexcept nogil   # 0: larger than room
