"""How a string and a row lie in the arena. Every item starts at an even offset; little-endian; nothing is a pointer.

String:  flags u8, epoch u8, rule u16, filled_at u32, [expiry u48], varint key size, varint value size, key, value
         A remembered absence is a string without value, flagged NEGATIVE.
Row:     flags u8, epoch u8, rule u16, filled_at u32, size and shape u32, schema u32, columns u16, key size u16,
         [expiry u64], [width u32], key, padding to the ends' alignment, [ends u16 or u32 each],
         [side count u32, side entries], [size of inline names u32, their ends u32 each, names], values

Between items, bytes of PAD (always an even number of them). A row with 32-bit ends starts at a multiple of 4.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sidecar.memory._machine cimport check, load32, load48, load64, same_bytes, store32

cdef enum ItemFlag:
    ITEM = 1             # always set, so that PAD is no item
    ROW = 2
    DEAD = 4             # replaced or dropped; kept until its segment is reclaimed
    BUSY = 8             # a writer is at work on the key
    REFRESHING = 16      # a revalidation was handed out
    NEGATIVE_ITEM = 32   # the origin has no such document
    EXPIRES = 64         # an expiry by the wall clock follows the header
    UNASKED = 128        # it came by prefetch and nobody asked for it yet

cdef enum:
    PAD = 0xFF
    STRING_HEADER = 8
    ROW_HEADER = 20
    MAX_COLUMNS = 0xFFFE
    MAX_ROW_KEY = 0xFFFF
    NO_RULE = 0xFFFF         # larger than any: the next look-up finds the key's rule

cdef enum RowShape:
    ENDS16 = 1
    ENDS32 = 2           # neither: all values have one width
    WHOLE = 4            # read whole: a field that is not a column is absent
    SIDE = 8             # some columns have their own filled_at
    SIDE_MIXED = 16      # some of those are older than the row's, or known to be absent

# A side entry gives one column its own filled_at: column u16, absent u16 (1: the document has no such field), filled_at u32.
cdef enum:
    SIDE_ENTRY = 8

cdef struct RowParts:    # a row taken apart: pointers into it
    const uint8_t* key
    uint32_t key_size
    uint32_t size        # of the whole item
    uint32_t schema
    uint32_t columns
    uint32_t shape
    uint32_t width
    const uint16_t* ends16
    const uint32_t* ends32
    const uint8_t* side
    uint32_t side_count
    const uint8_t* names         # inline: ends u32 each, then bytes; NULL: interned
    const uint8_t* values


cdef inline uint32_t item_rule(const uint8_t* item) noexcept nogil:
    return (<const uint16_t*>(item + 2))[0]


cdef inline uint32_t filled_at_of(const uint8_t* item) noexcept nogil:
    return load32(item + 4)


cdef inline uint32_t even(uint32_t size) noexcept nogil:
    return (size + 1) & ~<uint32_t>1


cdef inline const uint8_t* read_varint(const uint8_t* at, uint32_t* value) noexcept nogil:
    """LEB128; sizes below 128 take one byte. Returns what follows."""
    cdef uint32_t result = at[0]
    cdef uint32_t shift = 7
    if result < 128:
        value[0] = result
        return at + 1
    result &= 127
    at += 1
    while at[0] >= 128:
        result |= <uint32_t>(at[0] & 127) << shift
        shift += 7
        at += 1
    value[0] = result | <uint32_t>at[0] << shift
    return at + 1


cdef inline uint8_t* write_varint(uint8_t* at, uint32_t value) noexcept nogil:
    while value >= 128:
        at[0] = <uint8_t>(value | 128)
        value >>= 7
        at += 1
    at[0] = <uint8_t>value
    return at + 1


cdef inline uint32_t varint_size(uint32_t value) noexcept nogil:
    return 1 if value < 1 << 7 else 2 if value < 1 << 14 else 3 if value < 1 << 21 else 4 if value < 1 << 28 else 5


cdef inline const uint8_t* string_parts(const uint8_t* item, uint32_t* key_size, uint32_t* value_size) noexcept nogil:
    """Returns the key; the value follows it."""
    cdef const uint8_t* at = item + STRING_HEADER
    if item[0] & EXPIRES:
        at += 6
    at = read_varint(at, key_size)
    return read_varint(at, value_size)


cdef inline uint64_t expiry_of(const uint8_t* item) noexcept nogil:
    """Epoch milliseconds; only for items flagged EXPIRES."""
    return load64(item + ROW_HEADER) if item[0] & ROW else load48(item + STRING_HEADER)


cdef inline uint32_t row_size(const uint8_t* item) noexcept nogil:
    return load32(item + 8) & 0xFFFFFF


cdef inline uint32_t row_shape(const uint8_t* item) noexcept nogil:
    return item[11]      # the top byte of size and shape, on a little-endian machine


cdef inline uint32_t row_schema(const uint8_t* item) noexcept nogil:
    return load32(item + 12)


cdef inline const uint8_t* row_key(const uint8_t* item, uint32_t* key_size) noexcept nogil:
    key_size[0] = (<const uint16_t*>(item + 18))[0]
    return item + ROW_HEADER + (8 if item[0] & EXPIRES else 0) + (0 if item[11] & (ENDS16 | ENDS32) else 4)


cdef inline const uint8_t* item_key(const uint8_t* item, uint32_t* key_size) noexcept nogil:
    cdef uint32_t value_size
    if item[0] & ROW:
        return row_key(item, key_size)
    return string_parts(item, key_size, &value_size)


cdef inline uint32_t item_size(const uint8_t* item) noexcept nogil:
    """Bytes that the item takes in its segment: even."""
    cdef const uint8_t* key
    cdef uint32_t key_size, value_size
    if item[0] & ROW:
        return row_size(item)
    key = string_parts(item, &key_size, &value_size)
    return even(<uint32_t>(key - item) + key_size + value_size)


cdef inline uint32_t item_alignment(const uint8_t* item) noexcept nogil:
    return 4 if item[0] & ROW and item[11] & ENDS32 else 2


cdef inline bint has_key(const uint8_t* item, const uint8_t* key, uint32_t size) noexcept nogil:
    cdef uint32_t own_size
    cdef const uint8_t* own = item_key(item, &own_size)
    return own_size == size and same_bytes(own, key, size)


cdef inline uint32_t side_column(const uint8_t* entry) noexcept nogil:
    return (<const uint16_t*>entry)[0]


cdef inline bint side_absent(const uint8_t* entry) noexcept nogil:
    return (<const uint16_t*>entry)[1] != 0


cdef inline uint32_t side_filled_at(const uint8_t* entry) noexcept nogil:
    return load32(entry + 4)


cdef inline void row_parts(const uint8_t* item, RowParts* out) noexcept nogil:
    """Take a row apart; touches its header and, where there are ends, nothing of the values."""
    cdef const uint8_t* at = item + ROW_HEADER
    cdef uint32_t word = load32(item + 8)
    out.size = word & 0xFFFFFF
    out.shape = word >> 24
    out.schema = load32(item + 12)
    out.columns = (<const uint16_t*>(item + 16))[0]
    out.key_size = (<const uint16_t*>(item + 18))[0]
    out.width = 0
    out.ends16 = NULL
    out.ends32 = NULL
    out.side = NULL
    out.side_count = 0
    out.names = NULL
    if item[0] & EXPIRES:
        at += 8
    if not out.shape & (ENDS16 | ENDS32):
        out.width = load32(at)
        at += 4
    out.key = at
    at += out.key_size
    if out.shape & ENDS16:
        at = item + even(<uint32_t>(at - item))
        out.ends16 = <const uint16_t*>at
        at += 2 * out.columns
    elif out.shape & ENDS32:
        at = item + ((<uint32_t>(at - item) + 3) & ~<uint32_t>3)
        out.ends32 = <const uint32_t*>at
        at += 4 * out.columns
    if out.shape & SIDE:
        at = item + ((<uint32_t>(at - item) + 1) & ~<uint32_t>1)
        out.side_count = load32(at)
        out.side = at + 4
        at += 4 + SIDE_ENTRY * out.side_count
    if out.schema == 0:
        out.names = at + 4
        at += 4 + load32(at)
    out.values = at


cdef inline const uint8_t* value_of(const RowParts* parts, uint32_t column, uint32_t* size) noexcept nogil:
    """A column's bytes."""
    cdef uint32_t begin
    check(column < parts.columns)
    if parts.ends16 != NULL:
        begin = parts.ends16[column - 1] if column else 0
        size[0] = parts.ends16[column] - begin
    elif parts.ends32 != NULL:
        begin = parts.ends32[column - 1] if column else 0
        size[0] = parts.ends32[column] - begin
    else:
        begin = column * parts.width
        size[0] = parts.width
    return parts.values + begin


cdef inline const uint8_t* side_of(const RowParts* parts, uint32_t column) noexcept nogil:
    """The column's side entry, or NULL where the row's own filled_at holds. A binary search."""
    cdef uint32_t low = 0
    cdef uint32_t high = parts.side_count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) >> 1
        if side_column(parts.side + SIDE_ENTRY * middle) < column:
            low = middle + 1
        else:
            high = middle
    if low < parts.side_count and side_column(parts.side + SIDE_ENTRY * low) == column:
        return parts.side + SIDE_ENTRY * low
    return NULL
