"""The commands that memory answers without Python: GET MGET HGET HMGET HGETALL EXISTS PING."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from protocol._commands cimport CommandRow
from protocol._parser cimport Arg, FieldList
from protocol._writer cimport ReplyBuffer
from sidecar.memory._store cimport RowView, Store
from sidecar.metrics._counters cimport Counters
from sidecar.prefetch._touches cimport TouchLog


cdef struct Command:             # one parsed command of the turn; everything points into its session's window
    const CommandRow* row        # NULL: unknown command
    Arg* args              # with field_list only args[0..1]
    uint32_t argc
    FieldList* field_list
    uint64_t key_hash            # of args[1], where the row has keys
    size_t rewind_to             # where in the window the command starts, should the turn stop before it


cdef class HotCommands:
    cdef Store store
    cdef Counters counters
    cdef TouchLog touches        # what prefetching is told of
    cdef list stale_keys         # keys that were answered stale and want revalidation: taken at the end of the turn
    # Scratch for one command, grown to the largest seen up to MAX_BATCH
    cdef void* batch             # KeyView per MGET key
    cdef int32_t* columns
    cdef uint8_t* outcomes
    cdef uint32_t capacity

    cdef bint answer(self, const Command* command, int proto, ReplyBuffer out) except -1
    cdef bint get(self, const Command* command, int proto, ReplyBuffer out) except -1
    cdef bint mget(self, const Command* command, int proto, ReplyBuffer out) except -1
    cdef bint hget(self, const Command* command, int proto, ReplyBuffer out) except -1
    cdef bint hmget(self, const Command* command, int proto, ReplyBuffer out) except -1
    cdef bint hgetall(self, const Command* command, int proto, ReplyBuffer out) except -1
    cdef bint exists(self, const Command* command, ReplyBuffer out) except -1
    cdef bint select(self, const Command* command, const Arg* fields, uint32_t count, bint many, int proto, ReplyBuffer out) except -1
    cdef void note_row(self, const Command* command, const RowView* row) noexcept
    cdef bint all_present(self, const int32_t* columns, uint32_t count) noexcept
    cdef const Arg* expand(self, const FieldList* listed) noexcept
    cdef uint64_t reply_size(self, const RowView* row, const int32_t* columns, uint32_t count) noexcept
    cdef int write_columns(self, const RowView* row, const int32_t* columns, const uint8_t* outcomes, uint32_t count, int proto, ReplyBuffer out) except -1
    cdef int reserve(self, uint32_t count) except -1
    cdef int note_stale(self, const Arg* key) except -1
