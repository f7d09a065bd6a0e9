"""One client socket: its session, what it may do next, and what the command layer does to it."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from protocol._parser cimport RequestParser
from protocol._session cimport Session
from protocol._slots cimport ReplySlots
from protocol._writer cimport ReplyBuffer


cdef class ClientMemory:
    """What all clients hold together, and may."""
    cdef readonly size_t held_bytes      # as counted when each connection was last flushed
    cdef size_t filled_bytes             # replies that came since
    cdef public size_t limit_bytes

    cdef bint is_crowded(self) noexcept


cdef class Connection:
    cdef readonly Session session
    cdef RequestParser parser            # the session's, kept at hand
    cdef ReplySlots slots                # the session's
    cdef int fd                          # -1: closed
    cdef readonly object poller
    cdef ClientMemory memory             # of all connections of the poller
    cdef ReplyBuffer sink                # while it is this connection's part of a turn: the poller's output; else None
    cdef public bint in_order            # no earlier command is unresolved (the dispatcher's to set); else:
    cdef public dict held                # keys of unresolved commands, None for a barrier (the dispatcher's)
    cdef public object behind            # commands that wait for a barrier, and those behind it (the dispatcher's)
    cdef bint dirty                      # listed for the next flush
    cdef bint reading                    # EPOLLIN is wanted
    cdef bint writing                    # EPOLLOUT is wanted
    cdef bint paused                     # too much output waits: neither parsed nor read
    cdef bint has_input                  # own storage may hold whole commands: parse before reading
    cdef bint peer_done                  # the peer shut its side down: answer what was asked, then close
    cdef bint broken                     # the peer broke the protocol: the violation is the last reply
    cdef uint64_t progress_ns            # when the peer last took a byte, or had nothing to take
    cdef uint64_t input_ns               # when the request that is incomplete began; 0: none is
    cdef uint64_t active_ns              # when the last byte came
    cdef size_t accounted_bytes          # what the poller has counted for this connection
    cdef uint32_t first_command, command_count   # its part of the turn's commands
    cdef bint drained                    # since its socket was full for the first time, the peer took something
    cdef int64_t kernel_bytes            # sent and not taken by the peer's system when last looked at; -1: not known
    cdef int64_t unread_bytes            # taken by the peer's system and not read by its program; -1: not known
    cdef bint is_unix                    # a unix socket: its queue shrinks only by what was sent in one call
    cdef list when_drained               # called once replies were sent
    cdef bint carried                    # listed for the next turn
    cdef dict started                    # open slot -> (family, started ns), for the duration histogram
    cdef size_t output_cap(self) noexcept
    cdef bint takes(self, int64_t unread_bytes, uint64_t now_ns) noexcept
    cdef bint drains(self, size_t cap) noexcept
    cdef int settle(self) except -1      # what is in the sink becomes part of the ordered replies
