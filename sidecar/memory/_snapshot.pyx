"""Writing what is held as records, in small steps between which the tier may change.

The order is S3-FIFO's own judgement: what is in the main queue and was asked for again first, what came in and was
never asked for again last. Which items are that hot stands in the index, so the passes read only its buckets, one
after the other, and an item itself when its turn comes. An item that moves between two steps may be missed or written
twice: a snapshot that is to be exact is written when nothing is served any more.
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from sidecar.memory._arena cimport MAIN
from sidecar.memory._index cimport SLOTS, Bucket, frequency_of, slot_value
from sidecar.memory._items cimport (
    BUSY, EXPIRES, NEGATIVE_ITEM, ROW, SIDE_ENTRY, UNASKED, WHOLE, RowParts, expiry_of, filled_at_of, item_key, item_size,
    row_parts, side_absent, side_column, side_filled_at, string_parts, value_of, write_varint,
)
from sidecar.memory._machine cimport OFFSET_MASK, store32, store64
from sidecar.memory._schemas cimport Schema, column_name_of
from sidecar.memory._tier cimport is_expired, queue_of, schema_of

cdef enum:
    PASSES = 4
    MOST_SIZE = 5                # bytes of a LEB128 of 32 bits
    MOST_HEAD = 32               # kind, flags, filled_at, expiry and three sizes


cdef inline uint32_t pass_of(uint32_t queue, uint32_t frequency) noexcept nogil:
    """0: used often in the main queue, or about to get there; 3: came in and was not asked for again."""
    cdef uint32_t uses = frequency + (1 if queue == MAIN else 0)
    return 3 - (uses if uses < 3 else 3)


@cython.final
@cython.auto_pickle(False)
cdef class SnapshotWalk:
    """One walk over everything that the store holds.

    Args:
        values: write values with their times. An item that a writer is at work on, and with values False every item,
            is written as its key alone; a remembered absence then not at all.
    """

    def __cinit__(self, Store store not None, bint values):
        self.store = store
        self.values = values
        self.heat = 0
        self.bucket = self.keys = 0
        self.numbers = {}
        self.lists = 0
        self.buffer = NULL
        self.used = self.capacity = 0

    def __dealloc__(self):
        free(self.buffer)

    def step(self, uint32_t most_slots, size_t most_bytes):
        """The next frame, perhaps empty; None at the end.

        Looks at about most_slots places of the index and ends soon after most_bytes were written: of all that, a
        place costs 1 to 2 ns, and an item that is written some 100 ns and its bytes.

        Raises:
            MemoryError: no room for a frame.
        """
        cdef Bucket* bucket
        cdef uint32_t slot, queue
        cdef uint32_t looked = 0
        cdef uint64_t value
        self.store.sync()
        self.numbers = {}
        self.lists = 0
        self.used = 0
        while looked < most_slots and self.used < most_bytes:
            if self.bucket >= self.store.tier.index.grown:
                self.bucket = 0
                self.heat += 1
            if self.heat >= PASSES:
                if self.used:
                    break
                return None
            bucket = &self.store.tier.index.buckets[self.bucket]
            self.bucket += 1
            looked += <uint32_t>SLOTS
            for slot in range(SLOTS):
                if bucket.tags[slot]:
                    value = slot_value(bucket, slot)
                    queue = queue_of(&self.store.tier, value & OFFSET_MASK)
                    if pass_of(queue, frequency_of(value)) == self.heat:
                        self.put_item(value)
        return PyBytes_FromStringAndSize(<char*>self.buffer, <Py_ssize_t>self.used) if self.used else b""

    cdef int reserve(self, size_t more) except -1:
        """Room for so many bytes."""
        cdef uint8_t* larger
        cdef size_t capacity = self.capacity
        while capacity < self.used + more:
            capacity = 2 * capacity + 65536
        if capacity > self.capacity:
            larger = <uint8_t*>realloc(self.buffer, capacity)
            if larger == NULL:
                raise MemoryError
            self.buffer = larger
            self.capacity = capacity
        return 0

    cdef void put_size(self, uint32_t size) noexcept:
        self.used = <size_t>(write_varint(self.buffer + self.used, size) - self.buffer)

    cdef void put_bytes(self, const uint8_t* data, size_t size) noexcept:
        if size:
            memcpy(self.buffer + self.used, data, size)
            self.used += size

    cdef int put_item(self, uint64_t value) except -1:
        """The record of an item; none where nothing could still be served of it, or where it is a guess of prefetch."""
        cdef const uint8_t* item = self.store.tier.arena.base + (value & OFFSET_MASK)
        cdef uint32_t flags = frequency_of(value)
        if item[0] & UNASKED or is_expired(&self.store.tier, item):
            return 0
        if queue_of(&self.store.tier, value & OFFSET_MASK) == MAIN:
            flags |= IN_MAIN
        if not self.values or item[0] & BUSY:
            if item[0] & NEGATIVE_ITEM:
                return 0
            self.put_key(item, flags)
        elif item[0] & ROW:
            self.put_row(item, flags)
        else:
            self.put_string(item, flags)
        self.keys += not item[0] & NEGATIVE_ITEM
        return 0

    cdef int put_key(self, const uint8_t* item, uint32_t flags) except -1:
        cdef uint32_t size
        cdef const uint8_t* key = item_key(item, &size)
        self.reserve(MOST_HEAD + size)
        self.buffer[self.used] = KEY_RECORD
        self.buffer[self.used + 1] = <uint8_t>flags
        self.used += 2
        self.put_size(size)
        self.put_bytes(key, size)
        return 0

    cdef int put_head(self, const uint8_t* item, uint32_t kind, uint32_t flags) except -1:
        """What records with values begin with, and room for all that an item of one value holds."""
        self.reserve(MOST_HEAD + item_size(item))
        if item[0] & EXPIRES:
            flags |= HAS_EXPIRY
        self.buffer[self.used] = <uint8_t>kind
        self.buffer[self.used + 1] = <uint8_t>flags
        store32(self.buffer + self.used + 2, filled_at_of(item))
        self.used += 6
        if item[0] & EXPIRES:
            store64(self.buffer + self.used, expiry_of(item))
            self.used += 8
        return 0

    cdef int put_string(self, const uint8_t* item, uint32_t flags) except -1:
        """A string, or a remembered absence."""
        cdef uint32_t key_size, value_size
        cdef const uint8_t* key = string_parts(item, &key_size, &value_size)
        if item[0] & NEGATIVE_ITEM:
            self.put_head(item, NEGATIVE_RECORD, flags)
            self.put_size(key_size)
            value_size = 0
        else:
            self.put_head(item, STRING_RECORD, flags)
            self.put_size(key_size)
            self.put_size(value_size)
        self.put_bytes(key, <size_t>key_size + value_size)       # the value follows its key
        return 0

    cdef int put_row(self, const uint8_t* item, uint32_t flags) except -1:
        cdef RowParts parts
        cdef uint32_t column, size, i
        cdef uint32_t total = 0
        cdef uint32_t names
        cdef const uint8_t* entry
        row_parts(item, &parts)
        names = self.put_names(&parts)
        if parts.shape & WHOLE:
            flags |= WHOLE_ROW
        self.put_head(item, ROW_RECORD, flags)
        self.put_size(parts.key_size)
        self.put_bytes(parts.key, parts.key_size)
        self.reserve(item_size(item) + MOST_SIZE * (3 + <size_t>parts.columns + parts.side_count))
        self.put_size(names)
        for column in range(parts.columns):
            value_of(&parts, column, &size)
            self.put_size(size)
            total += size
        self.put_bytes(parts.values, total)
        self.put_size(parts.side_count)
        for i in range(parts.side_count):
            entry = parts.side + SIDE_ENTRY * i
            self.put_size(side_column(entry))
            self.buffer[self.used] = 1 if side_absent(entry) else 0
            store32(self.buffer + self.used + 1, side_filled_at(entry))
            self.used += 5
        return 0

    cdef uint32_t put_names(self, const RowParts* parts) except? 0xFFFFFFFF:
        """The number of the row's names in this frame; written where the frame does not have them yet."""
        cdef const Schema* schema = schema_of(&self.store.tier, parts.schema)
        cdef uint32_t column, size
        cdef const uint8_t* name
        if schema != NULL:
            known = self.numbers.get(schema.serial)
            if known is not None:
                return <uint32_t>known
            self.numbers[schema.serial] = self.lists
        self.reserve(MOST_HEAD + MOST_SIZE * <size_t>parts.columns)
        self.buffer[self.used] = NAMES_RECORD
        self.used += 1
        self.put_size(parts.columns)
        for column in range(parts.columns):
            column_name_of(schema, parts, column, &size)
            self.put_size(size)
        for column in range(parts.columns):
            name = column_name_of(schema, parts, column, &size)
            self.reserve(size)
            self.put_bytes(name, size)
        self.lists += 1
        return self.lists - 1


def frame_of_keys(keys):
    """A frame of keys that are not in memory, in their order."""
    cdef uint8_t size[MOST_SIZE]
    cdef list records = []
    for key in keys:
        records.append(b"\x01\x00" + (<char*>size)[:write_varint(size, <uint32_t>len(key)) - size] + key)
    return b"".join(records)
