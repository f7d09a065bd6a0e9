"""Hits, straight from the memory tier into the output: no Python object per key, field or value.

Each method answers a whole command or nothing: where any key or field needs the origin, a check of several rules or
WRONGTYPE, it writes nothing, counts nothing and returns False, and the command goes to Python
(`sidecar.commands.dispatch`), which looks again. Pointers into the memory tier stay valid for the whole command,
because nothing is installed or moved while it runs.
"""
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy
from protocol._commands cimport EXISTS, GET, HGET, HGETALL, HMGET, MGET, PING
from protocol._writer cimport put_bulk, room
from sidecar.memory._schemas cimport Schema, column_name_of
from sidecar.memory._store cimport (
    MIXED,
    MIXED_VIEWS,
    USABLE,
    Judgement,
    Probe,
    RowView,
    StringView,
    column_value,
)
from sidecar.metrics._counters cimport NEGATIVE, count_served

cdef enum:
    BULK_OVERHEAD = 15           # put_bulk's `$`, digits and two CRLF
    HEADER = 16                  # an array's or map's header
    PREFETCH_AHEAD = 64          # keys whose lines are on their way at once: 64 x 3 lines fit the L1 cache
    LARGE_REPLY = 256 * 1024     # a larger reply is produced element by element as the socket drains: Python's way
    MAX_BATCH = 65536            # keys or fields of one command that are answered here

cdef struct KeyView:
    uint64_t key_hash
    StringView view


cdef inline uint8_t* put_null(uint8_t* to, int proto) noexcept nogil:
    if proto == 3:
        memcpy(to, b"_\r\n", 3)
        return to + 3
    memcpy(to, b"$-1\r\n", 5)
    return to + 5


cdef inline uint64_t row_bytes(const Schema* schema, const RowView* row) noexcept nogil:
    """All names and values of a row; each of the two lies in one piece."""
    cdef uint32_t size = 0, name_size = 0, first_size = 0
    cdef const uint8_t* value
    cdef const uint8_t* name
    cdef const uint8_t* first
    if row.columns == 0:
        return 0
    first = column_name_of(schema, &row.parts, 0, &first_size)
    name = column_name_of(schema, &row.parts, row.columns - 1, &name_size)
    value = column_value(row, row.columns - 1, &size)
    return (name - first) + name_size + (value - row.values) + size


cdef class HotCommands:
    def __cinit__(self, Store store not None, Counters counters not None, TouchLog touches=None):
        self.store = store
        self.touches = TouchLog() if touches is None else touches
        self.counters = counters
        self.stale_keys = []
        self.batch = NULL
        self.columns = NULL
        self.outcomes = NULL
        self.capacity = 0

    def __dealloc__(self):
        free(self.batch)
        free(self.columns)
        free(self.outcomes)

    cdef bint answer(self, const Command* command, int proto, ReplyBuffer out) except -1:
        """Write the command's whole reply and return True, or do nothing and return False."""
        cdef int command_id = command.row.id
        if command_id == GET:
            return self.get(command, proto, out)
        if command_id == MGET:
            return self.mget(command, proto, out)
        if command_id == HMGET:
            return self.hmget(command, proto, out)
        if command_id == HGET:
            return self.hget(command, proto, out)
        if command_id == HGETALL:
            return self.hgetall(command, proto, out)
        if command_id == EXISTS:
            return self.exists(command, out)
        if command_id == PING and command.argc == 1:
            out.raw(b"+PONG\r\n", 7)
            return True
        return False

    cdef int reserve(self, uint32_t count) except -1:
        """Make the scratch arrays hold `count` keys or fields."""
        cdef uint32_t capacity = self.capacity or 128
        cdef void* grown
        if count <= self.capacity:
            return 0
        while capacity < count:
            capacity *= 2
        grown = realloc(self.batch, capacity * sizeof(KeyView))
        if grown == NULL:
            raise MemoryError
        self.batch = grown
        grown = realloc(self.columns, capacity * sizeof(int32_t))
        if grown == NULL:
            raise MemoryError
        self.columns = <int32_t*>grown
        grown = realloc(self.outcomes, capacity)
        if grown == NULL:
            raise MemoryError
        self.outcomes = <uint8_t*>grown
        self.capacity = capacity
        return 0

    cdef int note_stale(self, const Arg* key) except -1:
        """Remember a key answered stale, so that the turn's end hands it to revalidation."""
        self.stale_keys.append(key.data[:key.size])
        return 0

    cdef bint get(self, const Command* command, int proto, ReplyBuffer out) except -1:
        cdef const Arg* key
        cdef StringView view
        cdef uint8_t* to
        if command.argc != 2:
            return False
        key = &command.args[1]
        if self.store.find_string(command.key_hash, key.data, key.size, &view) != USABLE:
            return False
        if view.outcome == NEGATIVE:
            out.null(proto)
        else:
            to = room(out, view.size + BULK_OVERHEAD)
            out.end = put_bulk(to, view.value, view.size) - out.data
        count_served(self.counters, view.view, view.outcome, view.age_ticks, 1)
        if view.revalidate:
            self.note_stale(key)
        if self.touches.noting:
            self.touches.note(key.data, <uint32_t>key.size, command.key_hash, view.rule)
        return True

    cdef bint mget(self, const Command* command, int proto, ReplyBuffer out) except -1:
        """Hash all keys, prefetch their buckets, then every line of their items, then look up: 3x (PERFORMANCE)."""
        cdef Store store = self.store
        cdef Counters counters = self.counters
        cdef uint32_t count = command.argc - 1
        cdef const Arg* keys = command.args + 1
        cdef KeyView* views
        cdef StringView* view
        cdef uint32_t i, first, last
        cdef uint64_t size = HEADER
        cdef bint usable = True
        cdef uint8_t* to
        cdef Probe found
        if command.argc < 2 or count > MAX_BATCH:
            return False
        self.reserve(count)
        views = <KeyView*>self.batch
        views[0].key_hash = command.key_hash
        store.prefetch_bucket(command.key_hash)
        first = 0
        while first < count:
            last = min(first + <uint32_t>PREFETCH_AHEAD, count)
            for i in range(first, last):
                views[i].key_hash = store.hash_key(keys[i].data, keys[i].size)
                store.prefetch_bucket(views[i].key_hash)
            for i in range(first, last):
                store.prefetch_item(views[i].key_hash)
            for i in range(first, last):
                view = &views[i].view
                found = store.find_string(views[i].key_hash, keys[i].data, keys[i].size, view)
                if found == USABLE:
                    size += view.size + BULK_OVERHEAD
                    if view.revalidate:
                        self.note_stale(&keys[i])
                else:
                    usable = False
            if not usable or size > LARGE_REPLY:
                return False
            first = last
        out.array(count)
        to = room(out, size)
        for i in range(count):
            view = &views[i].view
            if view.outcome == NEGATIVE:
                to = put_null(to, proto)
            else:
                to = put_bulk(to, view.value, view.size)
            count_served(counters, view.view, view.outcome, view.age_ticks, 1)
        out.end = to - out.data
        if self.touches.noting:
            for i in range(count):
                self.touches.note(keys[i].data, <uint32_t>keys[i].size, views[i].key_hash, views[i].view.rule)
        return True

    cdef bint exists(self, const Command* command, ReplyBuffer out) except -1:
        cdef const Arg* key
        cdef StringView view
        if command.argc != 2:
            return False
        key = &command.args[1]
        if self.store.find_string(command.key_hash, key.data, key.size, &view) != USABLE:
            return False
        out.integer(0 if view.outcome == NEGATIVE else 1)
        count_served(self.counters, view.view, view.outcome, view.age_ticks, 1)
        if view.revalidate:
            self.note_stale(key)
        return True

    cdef bint hget(self, const Command* command, int proto, ReplyBuffer out) except -1:
        if command.argc != 3:
            return False
        return self.select(command, command.args + 2, 1, False, proto, out)

    cdef bint hmget(self, const Command* command, int proto, ReplyBuffer out) except -1:
        if command.argc < 3 or command.argc - 2 > MAX_BATCH:
            return False
        return self.select(command, command.args + 2, command.argc - 2, True, proto, out)

    cdef bint select(
        self, const Command* command, const Arg* fields, uint32_t count, bint many, int proto, ReplyBuffer out
    ) except -1:
        """HGET and HMGET: some fields of one row, in the order asked."""
        cdef RowView row
        cdef const Arg* key = &command.args[1]
        cdef const int32_t* columns = NULL
        cdef const uint8_t* outcomes = NULL
        cdef Probe found = self.store.find_row(command.key_hash, key.data, key.size, &row)
        cdef Judgement judgement
        cdef uint32_t i
        if found != USABLE and found != MIXED:
            return False
        if found == USABLE and row.outcome == NEGATIVE:
            if many:
                out.array(count)
            for i in range(count):
                out.null(proto)
            count_served(self.counters, row.view, NEGATIVE, row.age_ticks, count)
            self.note_row(command, &row)
            return True
        if row.revalidate:
            self.note_stale(key)
        self.reserve(count)
        if command.field_list != NULL:
            columns = self.store.listed_columns(&row, command.field_list)
        if columns == NULL:
            if command.field_list != NULL:
                fields = self.expand(command.field_list)
            self.store.columns_of(&row, fields, count, self.columns)
            columns = self.columns
        if count > 1 and self.reply_size(&row, columns, count) > LARGE_REPLY:
            return False
        if found == MIXED or row.view == MIXED_VIEWS or not self.all_present(columns, count):
            self.store.judge_fields(&row, columns, count, self.outcomes, &judgement)
            if judgement.revalidate:
                self.note_stale(key)
            if judgement.misses:
                return False
            outcomes = self.outcomes
        if many:
            out.array(count)
        self.write_columns(&row, columns, outcomes, count, proto, out)
        if outcomes == NULL:
            count_served(self.counters, row.view, row.outcome, row.age_ticks, count)
        self.note_row(command, &row)
        return True

    cdef void note_row(self, const Command* command, const RowView* row) noexcept:
        """Prefetching is told of a row that was answered."""
        if self.touches.noting:
            self.touches.note(command.args[1].data, <uint32_t>command.args[1].size, command.key_hash, row.rule)

    cdef bint all_present(self, const int32_t* columns, uint32_t count) noexcept:
        cdef int32_t lowest = 0
        cdef uint32_t i
        for i in range(count):
            lowest |= columns[i]                 # the sign bit of any negative column stays
        return lowest >= 0

    cdef const Arg* expand(self, const FieldList* listed) noexcept:
        """The remembered list's fields as arguments, in the scratch that `reserve` made."""
        cdef Arg* fields = <Arg*>self.batch
        cdef uint32_t i
        for i in range(listed.count):
            fields[i].data = listed.raw + listed.offsets[i]
            fields[i].size = listed.sizes[i]
        return fields

    cdef uint64_t reply_size(self, const RowView* row, const int32_t* columns, uint32_t count) noexcept:
        """The most that these values take as bulk strings."""
        cdef uint64_t size = <uint64_t>count * BULK_OVERHEAD
        cdef uint32_t i, length
        for i in range(count):
            if columns[i] >= 0:
                column_value(row, columns[i], &length)
                size += length
        return size

    cdef int write_columns(
        self, const RowView* row, const int32_t* columns, const uint8_t* outcomes, uint32_t count, int proto,
        ReplyBuffer out,
    ) except -1:
        """Write values; null where a column is none or `outcomes`, if there are any, says absent."""
        cdef uint32_t i, length
        cdef const uint8_t* value
        cdef uint8_t* to = room(out, self.reply_size(row, columns, count))
        for i in range(count):
            if columns[i] < 0 or (outcomes != NULL and outcomes[i] == <uint8_t>NEGATIVE):
                to = put_null(to, proto)
            else:
                value = column_value(row, columns[i], &length)
                to = put_bulk(to, value, length)
        out.end = to - out.data
        return 0

    cdef bint hgetall(self, const Command* command, int proto, ReplyBuffer out) except -1:
        cdef RowView row
        cdef const Arg* key
        cdef Store store = self.store
        cdef uint32_t i, length, name_length
        cdef const uint8_t* value
        cdef const uint8_t* name
        cdef const Schema* schema
        cdef uint8_t* to
        if command.argc != 2:
            return False
        key = &command.args[1]
        if store.find_row(command.key_hash, key.data, key.size, &row) != USABLE:
            return False
        if row.outcome == NEGATIVE:
            out.map(0, proto)
            count_served(self.counters, row.view, NEGATIVE, row.age_ticks, 1)
            self.note_row(command, &row)
            return True
        if row.revalidate:
            self.note_stale(key)
        if not row.list_fresh or row.view == MIXED_VIEWS:
            return False
        out.map(row.columns, proto)
        schema = store.row_schema(&row)
        to = room(out, row_bytes(schema, &row) + 2 * BULK_OVERHEAD * <uint64_t>row.columns)
        for i in range(row.columns):
            name = column_name_of(schema, &row.parts, i, &name_length)
            value = column_value(&row, i, &length)
            to = put_bulk(put_bulk(to, name, name_length), value, length)
        out.end = to - out.data
        count_served(self.counters, row.view, row.outcome, row.age_ticks, row.columns)
        self.note_row(command, &row)
        return True
