"""Reading a row's columns into fields, and fields into a row."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memset

from sidecar.memory._items cimport (
    ENDS16, ENDS32, EXPIRES, ITEM, MAX_COLUMNS, MAX_ROW_KEY, ROW, ROW_HEADER, RowParts, SIDE, SIDE_ENTRY, SIDE_MIXED,
    WHOLE, even, filled_at_of, row_parts, side_absent, side_column, side_filled_at, value_of,
)
from sidecar.memory._machine cimport check, load32, store32, store64
from sidecar.memory._schemas cimport Name, Schema, column_name_of, intern_names
from sidecar.memory._tier cimport schema_of

cdef int reserve_fields(RowDraft* draft, uint32_t count) except -1:
    """Room for `count` fields in all."""
    cdef Field* larger
    cdef uint32_t capacity = draft.capacity
    if count > capacity:
        while capacity < count:
            capacity = 2 * capacity + 32
        larger = <Field*>realloc(draft.fields, capacity * sizeof(Field))
        if larger == NULL:
            raise MemoryError
        draft.fields = larger
        draft.capacity = capacity
    return 0


cdef Field* add_field(RowDraft* draft) except NULL:
    """One more field, zeroed. Pointers to earlier ones may be void."""
    reserve_fields(draft, draft.count + 1)
    draft.count += 1
    memset(&draft.fields[draft.count - 1], 0, sizeof(Field))
    return &draft.fields[draft.count - 1]


cdef int read_row(Tier* tier, const uint8_t* item, RowDraft* draft) except -1:
    """Append a row's columns as fields, in their order; they point into the item and its schema."""
    cdef RowParts parts
    cdef uint32_t column, begin
    cdef uint32_t next_side = 0
    cdef Schema* schema
    cdef Field* field
    cdef const uint8_t* entry
    row_parts(item, &parts)
    schema = schema_of(tier, parts.schema)
    reserve_fields(draft, draft.count + parts.columns)
    for column in range(parts.columns):
        field = &draft.fields[draft.count + column]
        memset(field, 0, sizeof(Field))
        field.name.data = column_name_of(schema, &parts, column, &field.name.size)
        field.value = value_of(&parts, column, &field.value_size)
        field.filled_at = filled_at_of(item)
        if next_side < parts.side_count:
            entry = parts.side + SIDE_ENTRY * next_side
            if side_column(entry) == column:
                field.filled_at = side_filled_at(entry)
                field.absent = side_absent(entry)
                next_side += 1
    draft.count += parts.columns
    return 0


cdef int find_field(const RowDraft* draft, const uint8_t* name, uint32_t size) noexcept nogil:
    cdef uint32_t number
    for number in range(draft.count):
        if draft.fields[number].name.size == size and memcmp(draft.fields[number].name.data, name, size) == 0:
            return <int>number
    return -1


cdef int by_name(const void* a, const void* b) noexcept nogil:
    cdef const Field* left = <const Field*>a
    cdef const Field* right = <const Field*>b
    cdef int order = memcmp(left.name.data, right.name.data, min(left.name.size, right.name.size))
    if order:
        return order
    return -1 if left.name.size < right.name.size else left.name.size > right.name.size


cdef void finish_draft(RowDraft* draft) noexcept nogil:
    """Leave out what was removed. A partial row's fields are sorted, so that few schemas arise, and its own filled_at
    becomes the one that most of them share."""
    cdef uint32_t kept = 0
    cdef uint32_t number, other, same
    cdef uint32_t most = 0
    for number in range(draft.count):
        if not draft.fields[number].removed:
            if kept != number:
                draft.fields[kept] = draft.fields[number]
            kept += 1
    draft.count = kept
    if draft.whole or kept == 0:
        return
    qsort(draft.fields, kept, sizeof(Field), by_name)
    draft.filled_at = draft.fields[0].filled_at
    # The candidate that survives cancelling unlike pairs is the majority, if there is one (Boyer and Moore).
    for number in range(kept):
        if most == 0:
            draft.filled_at = draft.fields[number].filled_at
        most = most + 1 if draft.fields[number].filled_at == draft.filled_at else most - 1


cdef void measure(const RowDraft* draft, uint32_t* side, uint32_t* shape, uint32_t* width, uint64_t* values) noexcept nogil:
    """Which form the row takes: one width, 16-bit ends or 32-bit ends; how many columns need a side entry."""
    cdef uint32_t number
    cdef const Field* field
    cdef bint one_width = True
    side[0] = 0
    shape[0] = WHOLE if draft.whole else 0
    width[0] = draft.fields[0].value_size if draft.count else 0
    values[0] = 0
    for number in range(draft.count):
        field = &draft.fields[number]
        values[0] += field.value_size
        one_width = one_width and field.value_size == width[0]
        if field.absent or field.filled_at != draft.filled_at:
            side[0] += 1
            if field.absent or <int32_t>(field.filled_at - draft.filled_at) < 0:
                shape[0] |= SIDE_MIXED
    if side[0]:
        shape[0] |= SIDE
    if not one_width:
        shape[0] |= ENDS16 if values[0] <= 0xFFFF else ENDS32


cdef uint32_t write_row(Tier* tier, const RowDraft* draft, uint8_t* to, uint32_t room) noexcept nogil:
    """Write the draft as an item at `to` (4-byte aligned). Returns its size, or 0 when it needs more than `room`.

    The names are interned; the row is counted as a user of its schema only by count_item.
    """
    cdef uint32_t side, shape, width, number, schema, end
    cdef uint64_t values, names, total
    cdef uint8_t* at
    if draft.count > MAX_COLUMNS or draft.key_size > MAX_ROW_KEY:
        return 0
    measure(draft, &side, &shape, &width, &values)
    if values + draft.key_size > room:
        return 0                 # before its names are interned in vain
    schema = intern_fields(tier, draft)
    names = 0
    if schema == 0:
        names = 4 + 4 * <uint64_t>draft.count
        for number in range(draft.count):
            names += draft.fields[number].name.size
    total = ROW_HEADER + (8 if draft.expires else 0) + draft.key_size
    if shape & ENDS16:
        total = ((total + 1) & ~<uint64_t>1) + 2 * <uint64_t>draft.count
    elif shape & ENDS32:
        total = ((total + 3) & ~<uint64_t>3) + 4 * <uint64_t>draft.count
    else:
        total += 4
    if side:
        total = ((total + 1) & ~<uint64_t>1) + 4 + SIDE_ENTRY * <uint64_t>side
    total = (total + names + values + 1) & ~<uint64_t>1
    if total > room:
        return 0
    to[0] = <uint8_t>(ITEM | ROW | draft.flags | (EXPIRES if draft.expires else 0))
    to[1] = draft.epoch
    (<uint16_t*>(to + 2))[0] = <uint16_t>draft.rule
    store32(to + 4, draft.filled_at)
    store32(to + 8, <uint32_t>total | shape << 24)
    store32(to + 12, schema)
    (<uint16_t*>(to + 16))[0] = <uint16_t>draft.count
    (<uint16_t*>(to + 18))[0] = <uint16_t>draft.key_size
    at = to + ROW_HEADER
    if draft.expires:
        store64(at, draft.expiry_ms)
        at += 8
    if not shape & (ENDS16 | ENDS32):
        store32(at, width)
        at += 4
    memcpy(at, draft.key, draft.key_size)
    at = write_ends(draft, to, at + draft.key_size, shape)
    if side:
        at = write_side(draft, to, at, side)
    if schema == 0:
        at = write_names(draft, at, <uint32_t>names - 4)
    for number in range(draft.count):
        if draft.fields[number].value_size:          # an absent field's value is NULL
            memcpy(at, draft.fields[number].value, draft.fields[number].value_size)
            at += draft.fields[number].value_size
    end = <uint32_t>(at - to)
    check(even(end) == total)
    if end & 1:
        at[0] = 0
    return <uint32_t>total


cdef uint8_t* write_ends(const RowDraft* draft, uint8_t* to, uint8_t* at, uint32_t shape) noexcept nogil:
    cdef uint32_t number
    cdef uint32_t end = 0
    while shape & (ENDS16 | ENDS32) and (at - to) & (1 if shape & ENDS16 else 3):
        at[0] = 0
        at += 1
    for number in range(draft.count):
        end += draft.fields[number].value_size
        if shape & ENDS16:
            (<uint16_t*>at)[0] = <uint16_t>end
            at += 2
        elif shape & ENDS32:
            (<uint32_t*>at)[0] = end
            at += 4
    return at


cdef uint8_t* write_side(const RowDraft* draft, uint8_t* to, uint8_t* at, uint32_t count) noexcept nogil:
    cdef uint32_t number
    cdef const Field* field
    if (at - to) & 1:
        at[0] = 0
        at += 1
    store32(at, count)
    at += 4
    for number in range(draft.count):
        field = &draft.fields[number]
        if field.absent or field.filled_at != draft.filled_at:
            (<uint16_t*>at)[0] = <uint16_t>number
            (<uint16_t*>at)[1] = 1 if field.absent else 0
            store32(at + 4, field.filled_at)
            at += SIDE_ENTRY
    return at


cdef uint8_t* write_names(const RowDraft* draft, uint8_t* at, uint32_t size) noexcept nogil:
    cdef uint32_t number
    cdef uint32_t end = 0
    store32(at, size)
    at += 4
    for number in range(draft.count):
        end += draft.fields[number].name.size
        store32(at, end)
        at += 4
    for number in range(draft.count):
        memcpy(at, draft.fields[number].name.data, draft.fields[number].name.size)
        at += draft.fields[number].name.size
    return at


cdef uint32_t intern_fields(Tier* tier, const RowDraft* draft) noexcept nogil:
    """The schema of the draft's names; 0 when they must go inline."""
    cdef Name names[128]
    cdef Name* list_ = names
    cdef uint32_t number, schema
    if draft.count > 128:
        list_ = <Name*>malloc(draft.count * sizeof(Name))
        if list_ == NULL:
            return 0
    for number in range(draft.count):
        list_[number] = draft.fields[number].name
    schema = intern_names(&tier.schemas, list_, draft.count)
    if list_ != names:
        free(list_)
    return schema
