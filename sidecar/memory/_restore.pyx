"""Taking records of a snapshot over into the memory tier, and asking which of its keys need to be read again.

A restored item has no rule yet: rule numbers mean something in one process only. NO_RULE is larger than any, so the
first look-up that touches the item resolves its key (see find_live), and until then nothing is served of it.
"""
cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from policies._freshness cimport STALE, Limits, entry_jitter, freshness
from sidecar.memory._borrowed cimport data_of
from sidecar.memory._index cimport Slot, make_value, set_slot, slot_value
from sidecar.memory._items cimport (
    BUSY, NEGATIVE_ITEM, NO_RULE, ROW, filled_at_of, item_rule, item_size,
)
from sidecar.memory._machine cimport OFFSET_MASK, OLDEST_AGE, load32, load64
from sidecar.memory._row_lookups cimport FOLLOWS
from sidecar.memory._rows cimport Field, add_field
from sidecar.memory._schemas cimport Name
from sidecar.memory._snapshot cimport (
    FREQUENCY_BITS, HAS_EXPIRY, IN_MAIN, KEY_RECORD, NAMES_RECORD, NEGATIVE_RECORD, ROW_RECORD, STRING_RECORD, WHOLE_ROW,
)
from sidecar.memory._store cimport RowView, Store
from sidecar.memory._tier cimport age_of, spare_segments

cdef enum:
    SPARE = 4                    # segments that stay spare: eviction begins at 3, and no restored item is to push another out
    MOVES = 2                    # uses that let an item pass from the small queue to the main one (MOVE_AT of _eviction.pyx)


@cython.final
@cython.auto_pickle(False)
cdef class Frame:
    """The records of one frame, read once.

    Raises (all methods):
        ValueError: what stands there is no record. MemoryError: no room for field names.
    """

    def __cinit__(self, bytes data not None):
        self.data = data
        self.at = data_of(data)
        self.end = self.at + PyBytes_GET_SIZE(data)
        self.names = NULL
        self.lists = NULL
        self.name_count = self.name_capacity = self.list_count = self.list_capacity = 0
        self.kind = self.flags = self.filled_at = self.value_size = 0
        self.expiry = 0
        self.key = None

    def __dealloc__(self):
        free(self.names)
        free(self.lists)

    def keys(self):
        """The keys of what is left, in their order; those of remembered absences are left out."""
        found = []
        while self.at < self.end:
            self.read_head()
            if self.kind == STRING_RECORD:
                self.take(self.value_size)
            elif self.kind == ROW_RECORD:
                self.skip_row()
            if self.kind != NAMES_RECORD and self.kind != NEGATIVE_RECORD:
                found.append(self.key)
        return found

    def restore(self, Store store not None, uint32_t most_bytes, uint32_t written_tick):
        """Take over what is left, until about most_bytes of it were read.

        What is in the store already stays, and nothing is pushed out for a restored item. Ages go on: what claims to be
        younger than the snapshot, or is too old for ages to be told, is left out.

        Args:
            written_tick: when the snapshot was written.

        Returns:
            (keys taken over, remembered absences not counted; whether the frame is read, whether memory is full).
        """
        cdef const uint8_t* until = self.end
        cdef uint32_t taken = 0
        if most_bytes < <uint64_t>(self.end - self.at):
            until = self.at + most_bytes
        while self.at < until:
            if spare_segments(&store.tier) < SPARE:
                return taken, False, True
            self.read_head()
            if self.kind == STRING_RECORD or self.kind == NEGATIVE_RECORD or self.kind == ROW_RECORD:
                if self.restore_record(store, written_tick):
                    taken += self.kind != NEGATIVE_RECORD
        return taken, self.at >= self.end, False

    cdef uint32_t size(self) except? 0xFFFFFFFF:
        cdef uint64_t value = 0
        cdef uint32_t shift = 0
        cdef uint8_t byte
        while shift < 35:
            byte = self.take(1)[0]
            value |= <uint64_t>(byte & 127) << shift
            if byte < 128:
                if value > 0x7FFFFFFF:
                    break
                return <uint32_t>value
            shift += 7
        raise ValueError("a size of more than 31 bits")

    cdef const uint8_t* take(self, uint64_t count) except NULL:
        """The next `count` bytes."""
        cdef const uint8_t* at = self.at
        if count > <uint64_t>(self.end - at):
            raise ValueError("a record that goes on past the end of its frame")
        self.at += count
        return at

    cdef int read_head(self) except -1:
        """A record up to and with its key; NAMES wholly."""
        cdef uint32_t key_size
        self.kind = self.take(1)[0]
        if self.kind == NAMES_RECORD:
            self.key = None
            return self.read_names()
        if not KEY_RECORD <= self.kind <= ROW_RECORD:
            raise ValueError(f"a record of the unknown kind {self.kind}")
        self.flags = self.take(1)[0]
        if self.kind != KEY_RECORD:
            self.filled_at = load32(self.take(4))
            self.expiry = load64(self.take(8)) if self.flags & HAS_EXPIRY else 0
        key_size = self.size()
        self.value_size = self.size() if self.kind == STRING_RECORD else 0
        self.key = (<const char*>self.take(key_size))[:key_size]
        return 0

    cdef int read_names(self) except -1:
        cdef uint32_t count = self.size()
        cdef uint32_t number, capacity
        cdef Name* names
        cdef NameList* lists
        if count > <uint64_t>(self.end - self.at):
            raise ValueError("more field names than bytes")
        if self.name_count + <uint64_t>count > self.name_capacity:
            capacity = self.name_count + count + self.name_capacity + 64
            names = <Name*>realloc(self.names, capacity * sizeof(Name))
            if names == NULL:
                raise MemoryError
            self.names = names
            self.name_capacity = capacity
        if self.list_count == self.list_capacity:
            capacity = 2 * self.list_capacity + 16
            lists = <NameList*>realloc(self.lists, capacity * sizeof(NameList))
            if lists == NULL:
                raise MemoryError
            self.lists = lists
            self.list_capacity = capacity
        self.lists[self.list_count].first = self.name_count
        self.lists[self.list_count].count = count
        for number in range(count):
            self.names[self.name_count + number].size = self.size()
        for number in range(count):
            self.names[self.name_count + number].data = self.take(self.names[self.name_count + number].size)
        self.name_count += count
        self.list_count += 1
        return 0

    cdef NameList* row_names(self) except NULL:
        cdef uint32_t number = self.size()
        if number >= self.list_count:
            raise ValueError("a row of unknown field names")
        return &self.lists[number]

    cdef int skip_row(self) except -1:
        cdef NameList* names = self.row_names()
        cdef uint64_t total = 0
        cdef uint32_t i
        for i in range(names.count):
            total += self.size()
        self.take(total)
        for i in range(self.size()):
            self.size()
            self.take(5)
        return 0

    cdef int read_row(self, Store store, uint32_t written_tick) except -1:
        """A row's fields into the store's draft."""
        cdef NameList* names = self.row_names()
        cdef uint64_t total = 0
        cdef uint32_t i, column
        cdef Field* field
        cdef const uint8_t* at
        store.begin_draft(self.key, self.filled_at, NO_RULE)
        store.draft.whole = self.flags & WHOLE_ROW != 0
        store.draft.expires = self.flags & HAS_EXPIRY != 0
        store.draft.expiry_ms = self.expiry
        for i in range(names.count):
            field = add_field(&store.draft)
            field.name = self.names[names.first + i]
            field.filled_at = self.filled_at
            field.value_size = self.size()
            total += field.value_size
        at = self.take(total)
        for i in range(names.count):
            store.draft.fields[i].value = at
            at += store.draft.fields[i].value_size
        for i in range(self.size()):
            column = self.size()
            at = self.take(5)
            if column >= names.count or at[0] and (store.draft.whole or store.draft.fields[column].value_size):
                raise ValueError("a field's time that does not fit its row")
            store.draft.fields[column].absent = at[0] != 0
            store.draft.fields[column].filled_at = load32(at + 1)
            if <uint32_t>(written_tick - load32(at + 1)) >= OLDEST_AGE:
                raise ValueError("a field that was filled after the snapshot was written")
        return 0

    cdef bint restore_record(self, Store store, uint32_t written_tick) except -1:
        """Whether the item was taken over."""
        cdef bint fits = <uint32_t>(written_tick - self.filled_at) < OLDEST_AGE and self.key not in store
        cdef const uint8_t* value
        cdef Slot slot
        cdef uint8_t* item
        cdef uint32_t frequency = self.flags & FREQUENCY_BITS
        cdef bint kept
        store.left_behind = True
        if self.kind == ROW_RECORD:
            self.read_row(store, written_tick)
            kept = fits and store.admit_draft(self.key)
        else:
            value = self.take(self.value_size)
            kept = fits and store.admit_string(
                self.key,
                (<const char*>value)[:self.value_size],
                NEGATIVE_ITEM if self.kind == NEGATIVE_RECORD else 0,
                self.filled_at,
                NO_RULE,
                self.expiry if self.flags & HAS_EXPIRY else None,
            )
        if not kept:
            return False
        item = store.find_any(self.key, &slot)
        if item == NULL:         # the index had no place for it
            return False
        if self.flags & IN_MAIN and frequency < MOVES:
            frequency = MOVES    # all come into the small queue; this one is to leave it as it had before
        set_slot(&slot, make_value(slot_value(slot.bucket, slot.number) & OFFSET_MASK, frequency, item_size(item)))
        return True


def has_room(Store store not None):
    """Whether an item more would push none out."""
    return spare_segments(&store.tier) >= SPARE


def keys_to_read(Store store not None, list keys not None):
    """Those of the keys that memory could not answer now, fresh or stale, with every field that it has of them.

    What was restored finds its rule here. The store's clock must be right.
    """
    return [key for key in keys if not is_answered(store, key)]


cdef bint is_answered(Store store, bytes key) except -1:
    cdef Slot slot
    cdef RowView row
    cdef uint8_t* item = store.find_for_write(key, &slot)
    cdef uint64_t key_hash
    cdef uint32_t column, number, age
    cdef int verdict
    cdef bint absent
    cdef const Limits* rule
    if item == NULL:
        return False
    if item[1] != store.table.pattern_epoch or item_rule(item) >= store.table.count:
        if not store.resolve_again(item):
            return False
    if item[0] & (BUSY | NEGATIVE_ITEM):
        return True              # a writer is at work on it; or somebody asked since, and there is no such document
    key_hash = store.hash_key(data_of(key), PyBytes_GET_SIZE(key))
    if not item[0] & ROW:
        rule = &store.table.limits[item_rule(item)]
        return freshness(age_of(store.now, filled_at_of(item)), entry_jitter(key_hash, rule), rule) <= STALE
    if store.fill_row_view(item, key_hash, &row) < 0:
        return False
    for column in range(row.columns):
        verdict = store.judge_column(&row, <int32_t>column, &number, &age, &absent)
        if verdict > <int>STALE and verdict != FOLLOWS:
            return False
    return True
