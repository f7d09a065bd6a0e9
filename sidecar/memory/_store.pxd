"""The memory tier as the hit path sees it. Nothing inside is a Python object."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from policies._table cimport RuleTable
from protocol._parser cimport Arg, FieldList
from sidecar.metrics._counters cimport Counters, Outcome


cpdef enum Probe:
    NOT_HERE = 0         # no item, or only an expired one
    USABLE = 1           # answer from memory (view.outcome says hit, stale or negative)
    MIXED = 2            # rows: judge the fields one by one with judge_fields
    NEEDS_ORIGIN = 3     # an item is here but may not answer now (past its stale window, a writer is at work, a negative ran out)
    OTHER_KIND = 4       # a string was asked and a fresh row is here, or the reverse: WRONGTYPE


cdef struct StringView:
    const uint8_t* value
    uint32_t size
    Outcome outcome      # HIT, STALE_HIT or NEGATIVE
    bint revalidate      # stale and nobody was told yet: the caller must hand the key to revalidation (the item is now marked)
    uint32_t age_ticks
    uint16_t view        # of the counters


cdef struct RowView:
    const uint8_t* values        # value bytes of column 0
    const uint16_t* ends16       # end offset per column, or NULL
    const uint32_t* ends32       # the same for large rows, or NULL
    uint32_t width               # where both are NULL: every value's width
    uint32_t columns
    uint32_t schema              # interned list of names; 0: names inline
    Outcome outcome              # for USABLE: HIT, STALE_HIT (all columns alike) or NEGATIVE (document absent)
    bint whole                   # read whole: a field not in the schema is absent
    bint revalidate
    uint32_t age_ticks
    uint16_t rule                # row rule
    uint16_t view                # of every column, or MIXED_VIEWS
    void* item
    uint64_t key_hash

cdef enum:
    MIXED_VIEWS = 0xFFFF
    ABSENT_COLUMN = -1           # the row is whole and has no such field
    UNKNOWN_COLUMN = -2          # the row is partial and has no such field: ask the origin


cdef struct Judgement:
    uint32_t misses              # fields that need the origin
    bint revalidate


cdef class Store:
    cdef RuleTable table
    cdef Counters counters
    # hot path; `now` in ticks (rounded up), `wall_ms` for expiries: set once a turn
    cdef uint32_t now
    cdef uint64_t wall_ms
    cdef uint64_t hash_key(self, const uint8_t* key, size_t size) noexcept nogil
    cdef void prefetch_bucket(self, uint64_t key_hash) noexcept nogil
    cdef void prefetch_item(self, uint64_t key_hash) noexcept nogil            # every line that an item of usual size can touch
    cdef Probe find_string(self, uint64_t key_hash, const uint8_t* key, uint32_t size, StringView* out) noexcept
    cdef Probe find_row(self, uint64_t key_hash, const uint8_t* key, uint32_t size, RowView* out) noexcept
    cdef int columns_of(self, const RowView* row, const Arg* fields, uint32_t count, int32_t* columns) noexcept        # -> columns or ABSENT/UNKNOWN_COLUMN
    cdef const int32_t* listed_columns(self, const RowView* row, const FieldList* fields) noexcept    # from the shared table of column lists; NULL: cannot
    cdef int judge_fields(self, RowView* row, const int32_t* columns, uint32_t count, uint8_t* outcomes, Judgement* out) noexcept   # outcomes[i]: Outcome; for MIXED rows, and rows of several views
    cdef const uint8_t* column_name(self, const RowView* row, uint32_t column, uint32_t* size) noexcept


cdef inline const uint8_t* column_value(const RowView* row, uint32_t column, uint32_t* size) noexcept nogil:
    """The bytes of a column and, through `size`, how many."""
    cdef uint32_t begin
    if row.ends16 != NULL:
        begin = row.ends16[column - 1] if column else 0
        size[0] = row.ends16[column] - begin
    elif row.ends32 != NULL:
        begin = row.ends32[column - 1] if column else 0
        size[0] = row.ends32[column] - begin
    else:
        begin = column * row.width
        size[0] = row.width
    return row.values + begin
