"""Rows on the hit path: the Store's second layer."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from protocol._parser cimport Arg, FieldList
from sidecar.memory._lookups cimport Lookups
from sidecar.memory._schemas cimport Plan, Schema
from sidecar.memory._views cimport Judgement, Probe, RowView

cdef enum:
    UNKNOWN = -1                 # judge_column: the row does not know
    FOLLOWS = 16                 # judge_column: a timestamp, as fresh as what is asked beside it

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


cdef class RowLookups(Lookups):
    """judge_fields counts all its fields when none of them misses, else none; after a USABLE answer of find_row the caller
    calls count_served with the fields it answered.

    USABLE of find_row speaks of the
    row's columns: where a field asked is no column, judge_fields decides. A field whose outcome is NEGATIVE is
    answered with null, whatever its column.
    """
    cdef uint64_t absent_seed
    cdef Plan* loose_plan            # of the last row that carries its names itself
    cdef ListedColumns* listed       # shared table of column lists, by schema and field list
    cdef uint32_t listed_mask
    cdef AbsentRule* absent_rules
    cdef uint32_t absent_mask

    cdef Probe find_row(self, uint64_t key_hash, const uint8_t* key, uint32_t size, RowView* out) noexcept
    cdef int columns_of(self, const RowView* row, const Arg* fields, uint32_t count, int32_t* columns) noexcept        # -> columns or ABSENT/UNKNOWN_COLUMN
    cdef const int32_t* listed_columns(self, const RowView* row, const FieldList* fields) noexcept    # from the shared table; NULL: cannot
    cdef int judge_fields(self, RowView* row, const int32_t* columns, uint32_t count, uint8_t* outcomes, Judgement* out) noexcept   # outcomes[i]: Outcome; for MIXED rows, rows of several views, and fields that are no column
    cdef const Schema* row_schema(self, const RowView* row) noexcept    # NULL: the names are the row's own
    cdef const uint8_t* column_name(self, const RowView* row, uint32_t column, uint32_t* size) noexcept
    # the layers above use these
    cdef Plan* plan_for(self, RowView* row) noexcept
    cdef int fill_row_view(self, uint8_t* item, uint64_t key_hash, RowView* out) noexcept
    cdef uint32_t absent_rule(self, uint32_t row_rule, const uint8_t* name, uint32_t size) noexcept
    cdef int32_t column_for(self, const RowView* row, const uint8_t* name, uint32_t size, uint32_t guess) noexcept
    cdef bint judge_classes(self, RowView* row, const int32_t* columns, uint32_t count, uint8_t* outcomes, Judgement* out) noexcept
    cdef int judge_column(self, const RowView* row, int32_t column, uint32_t* rule, uint32_t* age, bint* absent) noexcept
    cdef bint near_end(self, const RowView* row, uint32_t rule, uint32_t age) noexcept
