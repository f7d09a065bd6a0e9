"""One client's conversation without its socket: parser, reply slots and what HELLO, AUTH, CLIENT and MULTI set."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from protocol._parser cimport RequestParser
from protocol._slots cimport ReplySlots
from protocol._writer cimport ReplyBuffer


cdef class Session:
    cdef readonly uint64_t id
    cdef RequestParser parser
    cdef readonly ReplySlots slots
    cdef public int proto            # 2 or 3
    cdef readonly bint authenticated # set by authenticate(); parser caps and the output cap follow it
    cdef public bint needs_password  # a password is set; RESET asks for it again
    cdef public size_t pause_bytes   # parsing pauses at this much pending output: 256 KiB, 64 KiB before AUTH
    cdef public bint closing         # QUIT, KILL, violation: close when all replies are out; nothing more is parsed
    cdef public bytes name, lib_name, lib_version, user
    cdef public str peer, local      # addresses for CLIENT LIST
    cdef public bint no_evict, no_touch
    cdef public double connected_at, last_command_at   # seconds on the loop's clock
    cdef public bytes last_command   # lower case, for CLIENT LIST
    cdef public uint64_t commands
    cdef public list queue           # None: not in MULTI; else commands queued as list[list[bytes]]
    cdef public size_t queue_bytes   # about what `queue` holds
    cdef public bint queue_failed    # a queue error: EXEC answers EXECABORT
    cdef public object extra         # the command layer's own state for this client (ordering)
    cpdef void authenticate(self)
    cpdef void reset(self)           # RESET: back to RESP2, no name, out of MULTI; authentication kept only where no password is set
    cpdef void violated(self)        # the parser said VIOLATION: its error goes behind the replies owed, and the session closes
    cdef readonly uint32_t list_id   # of the field list that next_command found remembered; 0: parsed in full
    cdef size_t command_start        # of the last command in the parser's window
    cdef bytes fed                   # what Python fed and the parser still points into
    cdef void start_over(self) noexcept
