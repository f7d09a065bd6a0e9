"""One client socket, as the command layer sees it. All socket work is the poller's."""
import cython

from protocol.replies import LazyArray

from libc.stdint cimport uint64_t
from protocol._writer cimport pending
from sidecar.net._sockets cimport sidecar_is_unix, sidecar_kernel_holds, sidecar_monotonic_ns

cdef enum:
    LONG_REPLY = 64              # elements; a longer array is encoded piece by piece as the socket drains
    LARGE_VALUE = 64 * 1024      # bytes; a larger value is not copied through the turn's output
    UNCOUNTED = 16 * 1024        # bytes of replies that may come behind an open slot before they are counted
    BLOCKED_PAUSE_BYTES = 64 * 1024   # a thousand clients that do not read hold 64 MiB at most, and each that reads gets its next piece in time


@cython.final
cdef class ClientMemory:
    def __cinit__(self, size_t limit_bytes):
        self.held_bytes = 0
        self.filled_bytes = 0
        self.limit_bytes = limit_bytes

    cdef bint is_crowded(self) noexcept:
        """Half of the limit is used: what waited is run only as its client reads."""
        return self.held_bytes + self.filled_bytes > self.limit_bytes // 2


@cython.final
cdef class Connection:
    def __cinit__(self, Session session not None, int fd, object poller not None, ClientMemory memory not None):
        self.session = session
        self.parser = session.parser
        self.slots = session.slots
        self.fd = fd
        self.poller = poller
        self.memory = memory
        self.sink = None
        self.in_order = True
        self.held = None
        self.behind = None
        self.dirty = False
        self.reading = True
        self.writing = False
        self.paused = False
        self.has_input = False
        self.peer_done = False
        self.broken = False
        self.progress_ns = sidecar_monotonic_ns()
        self.active_ns = self.progress_ns
        self.input_ns = 0
        self.accounted_bytes = 0
        self.first_command = 0
        self.command_count = 0
        self.started = {}
        self.drained = False
        self.kernel_bytes = -1
        self.unread_bytes = -1
        self.is_unix = sidecar_is_unix(fd)
        self.carried = False
        self.when_drained = []

    cdef int settle(self) except -1:
        if self.sink is not None and pending(self.sink):
            self.slots.append(self.sink.data + self.sink.start, pending(self.sink))
            self.sink.start = 0
            self.sink.end = 0
        return 0

    def reply(self, reply):
        """Answer the command being executed, after all replies before it."""
        if self.fd < 0:
            return
        if self.sink is not None and is_small(reply):
            self.sink.encode(reply, self.session.proto)
            return
        if isinstance(reply, LazyArray):
            reply.wake = self.wake
        self.settle()
        self.slots.reply(reply, self.session.proto)
        self.poller.mark_dirty(self)

    def wake(self):
        """An element that a LazyArray of this connection waited for is known."""
        if self.fd >= 0:
            self.poller.mark_dirty(self)

    def open_slot(self, int family=-1, size_t held=0):
        """Keep the next place among the replies for a command that is not answered yet.

        Args:
            family: of the command, for the duration histogram; -1: do not measure.
            held: bytes that the command holds while it waits, counted as this client's.
        """
        cdef uint64_t slot
        self.settle()
        slot = self.slots.open(self.session.proto, held)
        if family >= 0:
            self.started[slot] = (family, sidecar_monotonic_ns())
        return slot

    def fill(self, uint64_t slot, reply):
        """Answer a command whose slot was opened before; nothing happens when the client is gone."""
        cdef object measured
        cdef size_t before
        if self.fd < 0:
            return
        measured = self.started.pop(slot, None)
        if measured is not None:
            self.poller.add_duration(measured[0], sidecar_monotonic_ns() - <uint64_t>measured[1])
        if type(reply) is LazyArray:
            reply.wake = self.wake
        before = self.slots.queued_bytes - self.slots.open_bytes
        if self.slots.fill(slot, reply) or self.slots.pending_bytes() > self.accounted_bytes + UNCOUNTED:
            self.poller.mark_dirty(self)
        self.memory.filled_bytes += self.slots.queued_bytes - self.slots.open_bytes - before

    cdef size_t output_cap(self) noexcept:
        """Pending output past which no command of this client is run; less once its socket takes no more."""
        return min(self.session.pause_bytes, <size_t>BLOCKED_PAUSE_BYTES) if self.writing else self.session.pause_bytes

    def may_run(self, uint64_t slot):
        """Whether a command that waited may run now: not while too many replies wait to be sent, unless it is the
        one that they all wait for.
        """
        if self.fd < 0:
            return True
        if self.memory.held_bytes + self.memory.filled_bytes > self.memory.limit_bytes:
            self.poller.mark_dirty(self)         # asked again once the replies so far were sent, or a client aborted
            return False
        return slot == self.slots.first_slot or self.drains(self.output_cap()) and not self.memory.is_crowded()

    cdef bint takes(self, int64_t unread_bytes, uint64_t now_ns) noexcept:
        """Whether the peer took a byte since this was asked last, though the socket is not yet writable again for it.

        Args:
            unread_bytes: what the peer's program has not read of what its system has; -1: not known.
        """
        cdef int64_t before = self.kernel_bytes
        cdef int64_t now
        self.kernel_bytes = now = sidecar_kernel_holds(self.fd)
        if unread_bytes >= 0 and self.unread_bytes >= 0:
            before += self.unread_bytes
            now += unread_bytes
        self.unread_bytes = unread_bytes
        if self.kernel_bytes < 0 or now >= before:
            return False
        self.progress_ns = now_ns
        self.drained = True
        return True

    cdef bint drains(self, size_t cap) noexcept:
        """Whether at most `cap` bytes of replies are known and not sent."""
        return self.slots.lazy_count == 0 and self.slots.pending_bytes() - self.slots.open_bytes <= cap

    def call_when_drained(self, callback):
        """Call back soon after replies were sent and more commands may run; never, if the client goes away before."""
        self.when_drained.append(callback)

    @property
    def closed(self):
        """The socket is gone; what is still answered goes nowhere."""
        return self.fd < 0

    @property
    def output_bytes(self):
        """Replies not yet taken by the socket, for CLIENT LIST."""
        return self.slots.pending_bytes()

    @property
    def input_bytes(self):
        """What is held of an incomplete request, for CLIENT LIST."""
        return self.parser.held_bytes()

    @property
    def age_s(self):
        """Seconds since the client's last byte, for CLIENT LIST."""
        return (sidecar_monotonic_ns() - self.active_ns) / 1e9

    def close_after_replies(self):
        """Take no further command; close once all replies are out."""
        self.session.closing = True
        self.poller.mark_dirty(self)

    def abort(self):
        """Reset the connection at once; replies not yet sent are dropped."""
        self.poller.abort(self)


cdef bint is_small(reply) except -1:
    """Whether a reply may be copied through the turn's output in one go."""
    cdef object item
    if isinstance(reply, bytes):
        return len(<bytes>reply) < LARGE_VALUE
    if isinstance(reply, (list, tuple)):
        if len(reply) > LONG_REPLY:
            return False
        for item in reply:
            if not (item is None or isinstance(item, (bytes, int))):
                return False
            if isinstance(item, bytes) and len(<bytes>item) >= LARGE_VALUE // LONG_REPLY:
                return False
        return True
    return not isinstance(reply, (dict, set, frozenset, LazyArray))
