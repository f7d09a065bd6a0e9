"""The memory tier as the hit path sees it. Nothing inside is a Python object."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from policies._table cimport RuleTable
from protocol._parser cimport Arg, FieldList
from sidecar.memory._index cimport Bucket, Slot
from sidecar.memory._items cimport RowParts
from sidecar.memory._rows cimport RowDraft
from sidecar.memory._schemas cimport Plan, Schema
from sidecar.memory._tier cimport Tier
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


cdef struct ListedColumns:       # the columns of one remembered field list in one schema
    uint64_t schema              # its serial
    uint32_t list_id
    uint32_t generation
    uint32_t count
    uint16_t rule
    bint whole
    int32_t* columns


cdef struct AbsentRule:          # which rule a field has that some whole row lacks
    uint64_t digest              # SipHash of row rule and name, taken as their identity
    uint32_t generation
    uint32_t rule


cdef class Store:
    """What find_* and judge_fields hand out points into the arena: valid until the next install, overlay, drop or step.

    Counting: find_string and find_row count nothing, for a command that misses elsewhere is looked up again: for what
    was USABLE the caller calls count_served with the entries it answered. judge_fields counts all its fields when none of them misses, else none.
    A field whose outcome is NEGATIVE is answered with null, whatever its column.
    """
    cdef RuleTable table
    cdef readonly Counters counters
    # hot path; `now` in ticks (rounded up), `wall_ms` for expiries: set once a turn
    cdef public uint32_t now
    cdef public uint64_t wall_ms
    cdef Tier tier
    cdef uint64_t absent_seed
    cdef RowDraft draft              # scratch of one write
    cdef uint8_t* scratch            # room for one item: a segment
    cdef Plan* loose_plan            # of the last row that carries its names itself
    cdef ListedColumns* listed
    cdef uint32_t listed_mask
    cdef AbsentRule* absent_rules
    cdef uint32_t absent_mask
    cdef readonly bint must_revalidate   # the last lookup_counted gave something stale that nobody refreshes yet

    cdef uint64_t hash_key(self, const uint8_t* key, size_t size) noexcept nogil
    cdef void prefetch_bucket(self, uint64_t key_hash) noexcept nogil
    cdef void prefetch_item(self, uint64_t key_hash) noexcept nogil            # every line that an item of usual size can touch
    cdef Probe find_string(self, uint64_t key_hash, const uint8_t* key, uint32_t size, StringView* out) noexcept
    cdef Probe find_row(self, uint64_t key_hash, const uint8_t* key, uint32_t size, RowView* out) noexcept
    cdef int columns_of(self, const RowView* row, const Arg* fields, uint32_t count, int32_t* columns) noexcept        # -> columns or ABSENT/UNKNOWN_COLUMN
    cdef const int32_t* listed_columns(self, const RowView* row, const FieldList* fields) noexcept    # from the shared table of column lists; NULL: cannot
    cdef int judge_fields(self, RowView* row, const int32_t* columns, uint32_t count, uint8_t* outcomes, Judgement* out) noexcept   # outcomes[i]: Outcome; for MIXED rows, and rows of several views
    cdef const uint8_t* column_name(self, const RowView* row, uint32_t column, uint32_t* size) noexcept
    # the store's own
    cdef void sync(self) noexcept
    cdef uint8_t* find_live(self, uint64_t key_hash, const uint8_t* key, uint32_t size, Slot* slot) noexcept
    cdef bint resolve_again(self, uint8_t* item) noexcept
    cdef Plan* plan_for(self, RowView* row) noexcept
    cdef int fill_row_view(self, uint8_t* item, uint64_t key_hash, RowView* out) noexcept
    cdef uint32_t absent_rule(self, uint32_t row_rule, const uint8_t* name, uint32_t size) noexcept
    cdef int32_t column_for(self, const RowView* row, const uint8_t* name, uint32_t size, uint32_t guess) noexcept
    cdef int judge_column(self, const RowView* row, int32_t column, uint32_t* rule, uint32_t* age, bint* absent) noexcept
    cdef bint admit(self, uint64_t key_hash, const uint8_t* key, uint32_t key_size, uint32_t size) noexcept
    cdef bint admit_string(self, bytes key, bytes value, uint8_t flags, uint32_t filled_at, uint32_t rule, object expiry_ms) except -1
    cdef uint8_t* find_for_write(self, bytes key, Slot* slot) noexcept
    cdef int begin_draft(self, bytes key, uint32_t filled_at, uint32_t row_rule) except -1
    cdef int draft_old_row(self, uint8_t* item) except -1
    cdef int put_field(self, Schema* schema, uint32_t columns, bytes name, bytes value, uint32_t filled_at, uint32_t guess) except -1
    cdef int append_field(self, bytes name, bytes value, uint32_t filled_at) except -1
    cdef bytes key_at(self, Bucket* bucket, uint32_t slot)
    cdef int drop_in_bucket(self, object predicate, uint64_t number) except -1
    cdef bint admit_draft(self, bytes key) except -1
    cdef bint collect(self, RowView* row, object fields, int window, dict into, bint count, bint partial) except -1
    cdef object answer(self, bytes key, object fields, int window, object reserved, bint count)
    cdef bint is_late_check(self, RowView* row, object fields) except -1
    cpdef bint drop(self, bytes key)


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
