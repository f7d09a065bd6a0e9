"""One client's conversation without its socket, see the .pxd."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from protocol._field_lists cimport FieldLists
from protocol._parser cimport COMMAND, NEED_DATA, ParseResult, RequestParser
from protocol._slots cimport ReplySlots
from protocol.errors import ProtocolViolation
from protocol.replies import ErrorReply

cdef size_t PAUSE_BYTES = 256 * 1024
cdef size_t UNAUTHENTICATED_PAUSE_BYTES = 64 * 1024


@cython.final
cdef class Session:
    def __cinit__(self, uint64_t id=0, *, FieldLists lists=None, bint needs_password=False, max_bulk_bytes=None):
        self.id = id
        self.parser = RequestParser(FieldLists() if lists is None else lists)
        if max_bulk_bytes is not None:
            self.parser.max_bulk_bytes = max_bulk_bytes
        self.slots = ReplySlots()
        self.needs_password = needs_password
        self.closing = False
        self.fed = None
        self.list_id = 0
        self.command_start = 0
        self.lib_name = self.lib_version = b""
        self.peer = self.local = ""
        self.connected_at = self.last_command_at = 0.0
        self.last_command = b"NULL"
        self.commands = 0
        self.start_over()

    cdef void start_over(self) noexcept:
        self.proto = 2
        self.name = b""
        self.user = b"default"
        self.no_evict = self.no_touch = False
        self.queue = None
        self.queue_failed = False
        self.queue_bytes = 0
        self.extra = None
        self.authenticated = not self.needs_password
        self.parser.unauthenticated = self.needs_password
        self.pause_bytes = UNAUTHENTICATED_PAUSE_BYTES if self.needs_password else PAUSE_BYTES

    cpdef void authenticate(self):
        self.authenticated = True
        self.parser.unauthenticated = False
        self.pause_bytes = PAUSE_BYTES

    cpdef void reset(self):
        self.start_over()

    cpdef void violated(self):
        self.closing = True
        if self.parser.violation:
            self.slots.reply(ErrorReply(self.parser.violation), self.proto)

    def feed(self, bytes data not None):
        self.parser.borrow(<const uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        self.fed = data              # the parser may point into it until the next feed or release

    def next_command(self):
        cdef ParseResult result
        if self.closing:
            return None
        self.command_start = self.parser.start
        result = self.parser.next_command()
        if result == COMMAND:
            self.list_id = 0 if self.parser.field_list == NULL else self.parser.field_list.id
            return self.parser.arguments()
        if result == NEED_DATA:
            self.parser.release()
            self.fed = None
            return None
        self.violated()
        raise ProtocolViolation(self.parser.violation)

    def unread(self):
        self.parser.rewind(self.command_start)

    def take_output(self, limit=None):
        self.slots.pump(<size_t>-1 if limit is None else limit)
        return self.slots.ready.take()

    @property
    def mid_request(self):
        return self.parser.mid_request

    @property
    def held_bytes(self):
        return self.parser.held_bytes()

    @property
    def pending_output_bytes(self):
        return self.slots.pending_bytes()
