"""What the hit path is shown of an item: pointers into the arena, valid until the next install, overlay, drop or step."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from sidecar.memory._items cimport RowParts
from sidecar.memory._schemas cimport Plan
from sidecar.metrics._counters cimport Outcome


cdef enum Probe:
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
    uint16_t rule


cdef struct RowView:
    const uint8_t* values        # value bytes of column 0
    const uint16_t* ends16       # end offset per column, or NULL
    const uint32_t* ends32       # the same for large rows, or NULL
    uint32_t width               # where both are NULL: every value's width
    uint32_t columns
    uint32_t schema              # interned list of names; 0: names inline
    bint list_fresh              # whole, and its list of fields is fresh: HGETALL and its kin may answer
    Outcome outcome              # for USABLE: HIT, STALE_HIT (all columns alike) or NEGATIVE (document absent)
    bint whole                   # read whole: a field not in the schema is absent
    bint revalidate
    uint32_t age_ticks
    uint16_t rule                # row rule
    uint16_t view                # of every column, or MIXED_VIEWS
    void* item
    uint64_t key_hash
    RowParts parts               # the store's own
    Plan* plan                   # NULL: the document is absent

cdef enum:
    MIXED_VIEWS = 0xFFFF
    ABSENT_COLUMN = -1           # the row is whole and has no such field
    UNKNOWN_COLUMN = -2          # the row is partial and has no such field: ask the origin
    ABSENT_BY_RULE = -3          # -3 and below: absent as well, but judged by a rule of its own, -3 - column


cdef struct Judgement:
    uint32_t misses              # fields that need the origin
    bint revalidate


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
