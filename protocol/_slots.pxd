"""Ordered reply slots: a slow miss neither reorders replies nor blocks the commands behind it."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from protocol._writer cimport ReplyBuffer


cdef class ReplySlots:
    cdef ReplyBuffer ready           # bytes that may be sent now, in order
    cdef object queue                # deque of slots behind `ready`, open or filled (reply kept, not encoded), each with the finished replies behind it
    cdef uint64_t first_slot         # number of the queue's first slot
    cdef readonly uint32_t open_count
    cdef readonly uint32_t lazy_count    # LazyArrays that are not wholly encoded
    cdef readonly size_t open_bytes      # part of queued_bytes: what the open slots and their commands hold
    cdef readonly size_t queued_bytes    # held by slots behind `ready` (sizes of kept replies included, estimated for lists)

    cdef int append(self, const uint8_t* data, size_t size) except -1   # a finished reply, in order: into `ready` when no slot waits, else behind the last slot
    cpdef int reply(self, object reply, int proto) except -1            # open and fill at once; a small reply goes straight into `ready` when no slot waits
    cpdef uint64_t open(self, int proto, size_t held=*) except? 0       # the next reply's place; numbers start at 1; `held`: what its command holds meanwhile
    cpdef bint fill(self, uint64_t slot, object reply) except -1        # True: the head slot is filled, so pump() has work; a filled or unknown slot raises KeyError
    cdef int pump(self, size_t limit) except -1                         # encode filled head slots into `ready` until it holds `limit` bytes or an open slot is met, or an element that must be waited for; large arrays element by element. Raises on a reply that is none: abort the connection
    cdef size_t pending_bytes(self) noexcept                            # ready + queued: what counts against the output limits
    cdef bint has_filled_head(self) noexcept
    cdef bint has_open_head(self) noexcept
    cpdef void clear(self)                                              # the connection is gone
