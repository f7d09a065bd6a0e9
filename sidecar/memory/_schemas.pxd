"""Interned lists of field names: a row keeps a number instead of its names. Freed when no row uses them and room is wanted."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from policies._freshness cimport Limits
from sidecar.memory._hash cimport name_hash
from sidecar.memory._items cimport RowParts
from sidecar.memory._machine cimport load32, same_bytes

cdef struct Plan:                # which rules a schema's columns have under one row rule, in one generation of the table
    Plan* next
    uint32_t generation
    uint16_t row_rule
    uint16_t view                # of every column, or MIXED_VIEWS
    uint32_t columns
    uint32_t classes             # distinct rules
    uint16_t* rules              # by class
    uint16_t* class_of           # by column
    Limits floor                 # the shortest of each window, the longest jitter: fresh by it = every column is fresh
    uint32_t last_ticks          # the longest error window: older = nothing of the row is of use
    bint has_timestamps          # a column is FEAST_TIMESTAMP

cdef struct NameSlot:
    uint16_t tag
    uint16_t column              # NO_COLUMN: empty

cdef enum:
    NO_COLUMN = 0xFFFF

cdef struct Schema:              # one block of memory, plans apart
    uint64_t serial              # never used again, unlike the number
    uint64_t digest              # of all names in order
    uint32_t number
    uint32_t rows                # that use it
    uint32_t columns
    uint32_t bytes               # of the block
    uint32_t next                # in the same chain of the table, by number; 0: last
    uint32_t mask                # of slots
    uint32_t* ends               # of the names
    NameSlot* slots
    uint8_t* names
    Plan* plans

cdef struct Name:                # a borrowed name
    const uint8_t* data
    uint32_t size

cdef struct Schemas:
    Schema** entries             # by number; [0] is never used
    uint32_t capacity
    uint32_t used                # numbers below it were given out at some time
    uint32_t count
    uint32_t* chains             # table: first schema number of each chain
    uint32_t chain_mask
    uint32_t* unused             # numbers to give out again
    uint32_t unused_count
    uint64_t seed
    uint64_t serial
    uint64_t bytes               # held now
    uint64_t limit               # past it names go inline
    uint32_t hand                # of the sweep for schemas that no row uses

cdef int schemas_open(Schemas* schemas, uint64_t seed, uint64_t limit) except -1
cdef void schemas_close(Schemas* schemas) noexcept nogil
cdef void schemas_clear(Schemas* schemas) noexcept nogil
cdef uint32_t intern_names(Schemas* schemas, const Name* names, uint32_t count) noexcept nogil   # 0: no room
cdef void drop_plans(Schemas* schemas, Schema* schema) noexcept nogil


cdef inline const uint8_t* schema_name(const Schema* schema, uint32_t column, uint32_t* size) noexcept nogil:
    cdef uint32_t begin = schema.ends[column - 1] if column else 0
    size[0] = schema.ends[column] - begin
    return schema.names + begin


cdef inline const uint8_t* column_name_of(const Schema* schema, const RowParts* parts, uint32_t column, uint32_t* size) noexcept nogil:
    """A column's name: of the schema, or out of the row where schema is NULL."""
    cdef uint32_t begin
    if schema != NULL:
        return schema_name(schema, column, size)
    begin = load32(parts.names + 4 * column - 4) if column else 0
    size[0] = load32(parts.names + 4 * column) - begin
    return parts.names + 4 * parts.columns + begin


cdef inline bint is_named(const Schema* schema, uint32_t column, const uint8_t* name, uint32_t size) noexcept nogil:
    cdef uint32_t own_size
    cdef const uint8_t* own = schema_name(schema, column, &own_size)
    return own_size == size and same_bytes(own, name, size)


cdef inline int32_t column_named(const Schemas* schemas, const Schema* schema, const uint8_t* name, uint32_t size, uint32_t guess) noexcept nogil:
    """The column of a name, the guessed one compared first; -1: none."""
    cdef uint64_t digest
    cdef uint32_t at
    if guess < schema.columns and is_named(schema, guess, name, size):
        return <int32_t>guess
    digest = name_hash(schemas.seed, name, size)
    at = <uint32_t>digest & schema.mask
    while schema.slots[at].column != NO_COLUMN:
        if schema.slots[at].tag == <uint16_t>(digest >> 48) and is_named(schema, schema.slots[at].column, name, size):
            return schema.slots[at].column
        at = (at + 1) & schema.mask
    return -1


cdef inline uint64_t plan_bytes(uint32_t columns, uint32_t classes) noexcept nogil:
    return sizeof(Plan) + 2 * (<uint64_t>columns + classes)


cdef inline Plan* plan_of(const Schema* schema, uint32_t row_rule, uint32_t generation) noexcept nogil:
    """The schema's plan under a row rule; NULL: not made yet, or of another table."""
    cdef Plan* plan = schema.plans if schema != NULL else NULL
    while plan != NULL and plan.row_rule != row_rule:
        plan = plan.next
    return plan if plan != NULL and plan.generation == generation else NULL
