"""Writing: a new item is made in scratch memory, then takes the old one's room or is appended."""
cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from policies._table cimport RuleTable
from sidecar.memory._arena cimport MAIN, PREFETCHED, SMALL
from sidecar.memory._borrowed cimport data_of
from sidecar.memory._eviction cimport maintain_index, make_room, queue_for_new
from sidecar.memory._index cimport Slot, frequency_of, index_find, make_value, set_slot, slot_value
from sidecar.memory._items cimport (
    BUSY, EXPIRES, ITEM, NEGATIVE_ITEM, PAD, REFRESHING, ROW, STRING_HEADER, UNASKED, WHOLE, even, expiry_of, filled_at_of,
    item_alignment, item_rule, item_size, row_schema, row_shape, varint_size, write_varint,
)
from sidecar.memory._machine cimport NOWHERE, OFFSET_MASK, OLDEST_AGE, store32, store48
from sidecar.memory._rows cimport Field, add_field, find_field, finish_draft, read_row, reserve_fields, write_row
from sidecar.memory._schemas cimport Schema, column_named
from sidecar.memory._admission cimport make_speculative_room
from sidecar.memory._tier cimport add_live, age_of, count_item, drop_item, enter, note_verdict, queue_of, schema_of, take_place, tier_clear
from sidecar.metrics._counters cimport Counters

from sidecar.origins.base import Absent

LONGEST = 1 << 24                # no item can be larger: its size is kept in 24 bits
LATEST_MS = (1 << 48) - 1        # an expiry is kept in 48 bits: the year 10889


@cython.auto_pickle(False)
cdef class Writes(RowLookups):
    """How the tier is written. See Store."""

    def __cinit__(self, uint64_t max_memory, RuleTable table not None, Counters counters not None, bytes seed=None):
        self.scratch = <uint8_t*>malloc(self.tier.arena.segment_bytes + 16)
        if self.scratch == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.scratch)
        free(self.draft.fields)

    cdef void sync(self) noexcept:
        """The tier judges expiry by the store's clock."""
        self.tier.now = self.now
        self.tier.wall_ms = self.wall_ms

    cdef bint admit(self, uint64_t key_hash, const uint8_t* key, uint32_t key_size, uint32_t size) noexcept:
        """Put the item in `scratch` in the key's place; in its old room where it fits. False: not admitted."""
        cdef Slot slot
        cdef uint64_t offset
        cdef uint32_t old_size
        cdef uint32_t frequency = 0
        cdef int32_t queue = -1
        cdef uint8_t* old
        cdef uint32_t alignment = item_alignment(self.scratch)
        self.sync()
        if index_find(&self.tier.index, key_hash, key, key_size, &slot):
            offset = slot_value(slot.bucket, slot.number) & OFFSET_MASK
            old = self.tier.arena.base + offset
            old_size = item_size(old)
            frequency = frequency_of(slot_value(slot.bucket, slot.number))
            self.scratch[0] |= old[0] & BUSY          # the writer is still at work
            if size <= old_size and size + size // 4 + 16 >= old_size and offset % alignment == 0:
                count_item(&self.tier, old, -1)
                if old[0] & UNASKED:
                    note_verdict(&self.tier, key_hash, False)
                memcpy(old, self.scratch, size)
                memset(old + size, PAD, old_size - size)
                count_item(&self.tier, old, 1)
                add_live(&self.tier, offset, <int64_t>size - <int64_t>old_size)
                set_slot(&slot, make_value(offset, frequency, size))
                return True
            queue = <int32_t>queue_of(&self.tier, offset)
            if queue == PREFETCHED:
                queue = -1               # what is demanded now comes in like any other
            drop_item(&self.tier, &slot)
        if queue < 0 and self.scratch[0] & UNASKED:
            if not make_speculative_room(&self.tier, size):
                self.tier.no_room += 1
                return False
            queue = PREFETCHED
        else:
            make_room(&self.tier, size)
        if queue < 0:
            queue = <int32_t>queue_for_new(&self.tier, key_hash)
        offset = take_place(&self.tier, <uint32_t>queue, size, alignment, False)
        if offset == NOWHERE and queue != PREFETCHED:        # a large item after small ones: their work did not reach
            make_room(&self.tier, size)
            offset = take_place(&self.tier, <uint32_t>queue, size, alignment, False)
        if offset == NOWHERE and queue == MAIN:      # rarely: both queues want a new segment at once
            offset = take_place(&self.tier, SMALL, size, alignment, False)
        if offset == NOWHERE:
            self.tier.no_room += 1
            return False
        memcpy(self.tier.arena.base + offset, self.scratch, size)
        enter(&self.tier, offset, key_hash, frequency)
        maintain_index(&self.tier)
        return True

    cdef bint admit_string(self, bytes key, bytes value, uint8_t flags, uint32_t filled_at, uint32_t rule, object expiry_ms) except -1:
        """A string, or with NEGATIVE_ITEM an absence."""
        cdef uint32_t key_size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t value_size = PyBytes_GET_SIZE(value)
        cdef uint64_t size = STRING_HEADER + (6 if expiry_ms is not None else 0) + varint_size(key_size) + <uint64_t>key_size
        cdef uint64_t key_hash = self.hash_key(data_of(key), key_size)
        cdef uint8_t* at = self.scratch + STRING_HEADER
        if value_size >= 0x7FFFFFFF or PyBytes_GET_SIZE(key) >= 0x7FFFFFFF or size + value_size + 5 > self.tier.arena.segment_bytes:
            self.tier.too_large += 1
            self.drop(key)
            return False
        size += varint_size(<uint32_t>value_size) + value_size
        self.scratch[0] = ITEM | flags
        self.scratch[1] = self.table.pattern_epoch
        (<uint16_t*>(self.scratch + 2))[0] = <uint16_t>rule
        store32(self.scratch + 4, filled_at)
        if expiry_ms is not None:
            self.scratch[0] |= EXPIRES
            store48(at, min(max(<object>expiry_ms, 0), 0xFFFFFFFFFFFF))
            at += 6
        at = write_varint(write_varint(at, key_size), <uint32_t>value_size)
        memcpy(at, data_of(key), key_size)
        memcpy(at + key_size, data_of(value), value_size)
        if size & 1:
            self.scratch[size] = 0
        return self.admit(key_hash, data_of(key), key_size, even(<uint32_t>size))

    cdef int begin_draft(self, bytes key, uint32_t filled_at, uint32_t row_rule) except -1:
        self.draft.key = data_of(key)
        self.draft.key_size = <uint32_t>min(PyBytes_GET_SIZE(key), 0xFFFFFFFF)
        self.draft.rule = row_rule
        self.draft.epoch = self.table.pattern_epoch
        self.draft.filled_at = filled_at
        self.draft.flags = 0
        self.draft.whole = self.draft.expires = False
        self.draft.expiry_ms = 0
        self.draft.count = 0
        return 0

    cdef int draft_old_row(self, uint8_t* item) except -1:
        """The draft goes on from the row that is here."""
        read_row(&self.tier, item, &self.draft)
        if item[0] & EXPIRES:
            self.draft.expires = True
            self.draft.expiry_ms = expiry_of(item)
        if row_shape(item) & WHOLE:
            self.draft.whole = True
            self.draft.filled_at = filled_at_of(item)
        return 0

    cdef int put_field(self, Schema* schema, uint32_t columns, bytes name, bytes value, uint32_t filled_at, uint32_t guess) except -1:
        """Set a field of the draft, None: absent. columns: how many of its first fields are the schema's. Returns its place + 1."""
        cdef uint32_t size
        cdef int place
        cdef Field* field
        if name is None:
            raise TypeError("a field's name is bytes")
        size = <uint32_t>PyBytes_GET_SIZE(name)
        if schema != NULL:
            place = column_named(&self.tier.schemas, schema, data_of(name), size, guess)
        else:
            place = find_field(&self.draft, data_of(name), size) if columns else -1
        if place < 0:
            if value is None and self.draft.whole:
                return <int>guess
            field = add_field(&self.draft)
            field.name.data = data_of(name)
            field.name.size = size
            place = <int>self.draft.count - 1
        field = &self.draft.fields[place]
        field.filled_at = filled_at
        if value is None:
            field.absent = not self.draft.whole
            field.removed = self.draft.whole
            field.value = NULL
            field.value_size = 0
        else:
            field.absent = field.removed = False
            field.value = data_of(value)
            field.value_size = <uint32_t>PyBytes_GET_SIZE(value)
        return place + 1

    cdef bint admit_draft(self, bytes key) except -1:
        cdef uint32_t size
        finish_draft(&self.draft)
        if self.draft.count == 0:
            self.drop(key)
            return False
        size = write_row(&self.tier, &self.draft, self.scratch, self.tier.arena.segment_bytes)
        if size == 0:
            self.tier.too_large += 1
            self.drop(key)
            return False
        return self.admit(self.hash_key(data_of(key), self.draft.key_size), data_of(key), self.draft.key_size, size)

    cdef uint8_t* find_for_write(self, bytes key, Slot* slot) noexcept:
        """The item of a key whatever its freshness; NULL: none, or one past its expiry."""
        cdef uint8_t* item = self.find_any(key, slot)
        if item == NULL or item[0] & EXPIRES and expiry_of(item) <= self.wall_ms:
            return NULL
        return item if age_of(self.now, filled_at_of(item)) < OLDEST_AGE else NULL

    cdef uint8_t* find_any(self, bytes key, Slot* slot) noexcept:
        """The item of a key, expired or not; NULL: none."""
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        if not index_find(&self.tier.index, self.hash_key(data_of(key), size), data_of(key), size, slot):
            return NULL
        return self.tier.arena.base + (slot_value(slot.bucket, slot.number) & OFFSET_MASK)

    def install(self, bytes key not None, answer, uint32_t filled_at, uint32_t row_rule, covers=None, bint speculative=False):
        """Keep an origin's answer, sent for at filled_at (ticks).

        speculative: nobody asked for it yet. It is admitted apart (_admission.pyx) and a verdict says whether somebody did
        before it was gone.

        A whole answer replaces what is here. One that covers some fields (or with Found.whole False, those it has) renews
        exactly these, remembers as absent those that it does not have, and leaves the others. The BUSY mark of an item that was
        here stays; REFRESHING is cleared.

        Returns:
            False: not admitted (too large, or no room); nothing is kept of the key.
        """
        cdef dict fields
        cdef Slot slot
        cdef uint8_t* item
        cdef uint32_t columns = 0
        cdef int guess = 0
        cdef Schema* schema = NULL
        cdef Field* field
        if row_rule >= self.table.count:
            raise IndexError(row_rule)
        cdef uint8_t unasked = UNASKED if speculative else 0
        if isinstance(answer, Absent):
            return self.admit_string(key, b"", NEGATIVE_ITEM | unasked, filled_at, row_rule, None)
        value, expiry_ms = answer.value, answer.expiry_ms
        if isinstance(value, bytes):
            return self.admit_string(key, value, unasked, filled_at, row_rule, expiry_ms)
        fields = value
        whole = answer.whole and covers is None
        if whole and not fields:
            return self.admit_string(key, b"", NEGATIVE_ITEM | unasked, filled_at, row_rule, None)
        self.begin_draft(key, filled_at, row_rule)
        self.draft.flags = unasked
        if whole:
            self.draft.whole = True
            reserve_fields(&self.draft, <uint32_t>len(fields))
            for name, value in fields.items():
                self.append_field(name, value, filled_at)
        else:
            item = self.find_for_write(key, &slot)
            if item != NULL and item[0] & ROW:
                self.draft_old_row(item)
                columns = self.draft.count
                schema = schema_of(&self.tier, row_schema(item))
            for name in dict.fromkeys(tuple(covers or ()) + tuple(fields)):
                guess = self.put_field(schema, columns, name, fields.get(name), filled_at, <uint32_t>guess)
        if expiry_ms is not None:
            expiry_ms = min(max(expiry_ms, 0), 0xFFFFFFFFFFFF)
            self.draft.expiry_ms = min(<uint64_t>expiry_ms, self.draft.expiry_ms) if self.draft.expires else <uint64_t>expiry_ms
            self.draft.expires = True
        return self.admit_draft(key)

    cdef int append_field(self, bytes name, bytes value, uint32_t filled_at) except -1:
        """A field that the draft does not have yet."""
        cdef Field* field = add_field(&self.draft)
        if name is None or value is None:
            raise TypeError("a field's name and value are bytes")
        field.name.data = data_of(name)
        field.name.size = <uint32_t>PyBytes_GET_SIZE(name)
        field.value = data_of(value)
        field.value_size = <uint32_t>PyBytes_GET_SIZE(value)
        field.filled_at = filled_at
        return 0

    def overlay(self, bytes key not None, fields not None, uint32_t filled_at, uint32_t row_rule):
        """A write of fields (None: removed) was confirmed, sent at filled_at: keep them over what is here.

        A whole row stays whole; on an uncached key a partial row arises. Returns as install does.
        """
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        cdef uint32_t columns = 0
        cdef int guess = 0
        cdef Schema* schema = NULL
        if row_rule >= self.table.count:
            raise IndexError(row_rule)
        self.begin_draft(key, filled_at, row_rule)
        if item != NULL and item[0] & ROW:
            self.draft_old_row(item)
            columns = self.draft.count
            schema = schema_of(&self.tier, row_schema(item))
        for name, value in fields.items():
            guess = self.put_field(schema, columns, name, value, filled_at, <uint32_t>guess)
        return self.admit_draft(key)

    cpdef bint drop(self, bytes key):
        """Forget a key. True: something was here."""
        cdef Slot slot
        if key is None:
            raise TypeError("a key is bytes")
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        if not index_find(&self.tier.index, self.hash_key(data_of(key), size), data_of(key), size, &slot):
            return False
        drop_item(&self.tier, &slot)
        return True

    def drop_fields(self, bytes key not None, fields):
        """Forget fields of a row, which is not whole any more; a string or an absence is forgotten wholly.

        Returns:
            Whether anything of the key was here.
        """
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        cdef int place
        cdef uint8_t flags
        if item == NULL or not item[0] & ROW:
            return self.drop(key)
        self.begin_draft(key, filled_at_of(item), item_rule(item))
        self.draft.flags = item[0] & REFRESHING
        self.draft.epoch = item[1]
        self.draft_old_row(item)
        self.draft.whole = False
        for name in fields:
            place = find_field(&self.draft, data_of(name), <uint32_t>len(name))
            if place >= 0:
                self.draft.fields[place].removed = True
        self.admit_draft(key)
        return True

    def set_busy(self, bytes key not None, bint busy):
        """Mark or unmark a key whose writer is at work: look-ups of the hit path then ask the origin.

        An item that is not here yet must be marked when it comes. One past its expiry is marked too: what replaces it
        takes the mark over, and the wall clock may be set back.
        """
        cdef Slot slot
        cdef uint8_t* item = self.find_any(key, &slot)
        if item != NULL:
            item[0] = item[0] | BUSY if busy else item[0] & ~BUSY

    def clear_refreshing(self, bytes key not None):
        """A revalidation ended without an answer: the next stale hit may hand out another."""
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        if item != NULL:
            item[0] &= ~REFRESHING

    def clear(self):
        """Forget everything."""
        tier_clear(&self.tier)
