"""What goes back to clients, see the .pxd.

What a socket does not take stays in its connection's own buffer. Past its session's pause_bytes a connection is
paused: neither parsed nor read until it has drained. One over the output limit whose peer takes nothing is aborted,
and so is the biggest while all are over the bound of all clients: memory stays bounded, whatever is asked for.
"""
from libc.stdint cimport uint64_t
from protocol._slots cimport ReplySlots
from protocol._writer cimport ReplyBuffer, pending
from sidecar.net cimport _sockets as sockets
from sidecar.net._sockets cimport errno

from sidecar.net.peer_queue import PeerQueues

cdef enum:
    SEND_PER_TURN = 1024 * 1024
    PUMP_BYTES = 32 * 1024           # encoded at once of replies too large for one piece: what a full socket leaves behind
    UNIX_PIECE = 16 * 1024           # sent at once through a unix socket, which shows only whole pieces being read: 10 KB/s shows in 2 s
    CONNECTION_BYTES = 4096          # a connection's own objects


cdef class Output(SocketSet):
    def __cinit__(self, loop, *_, bint use_epoll=True):
        self.out = ReplyBuffer()
        self.peer_queues = PeerQueues()
        self.carried = []
        self.dirty = []
        self.late = []
        self.output_limit_bytes = 1 << 20
        self.stall_ns = 2_000_000_000
        self.incomplete_ns = 30_000_000_000

    cdef int flush(self, Connection connection) except -1:
        """Send what is ready; keep the rest; pause, resume or close by what is then pending."""
        cdef ReplySlots slots = connection.slots
        cdef ReplyBuffer ready = slots.ready
        cdef ssize_t sent
        cdef size_t size, total = 0
        cdef bint blocked = False
        if connection.fd < 0:
            return 0
        if not connection.writing:
            connection.progress_ns = self.turn_ns        # nothing waited until now
        if connection.sink is not None and pending(self.out):
            size = pending(self.out)
            if not (connection.is_unix and size > UNIX_PIECE) and pending(ready) == 0 and slots.open_count == 0 and not slots.has_filled_head():
                sent = sockets.send(connection.fd, self.out.data + self.out.start, size, sockets.MSG_NOSIGNAL)
                if sent < 0:
                    if errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
                        return self.remove(connection, True)
                    sent = 0
                self.out.start += sent
                blocked = <size_t>sent < size
            connection.settle()
        while not blocked:
            if slots.has_filled_head():
                try:
                    slots.pump(PUMP_BYTES)
                except Exception as error:       # a reply that is none: what follows it cannot be told apart
                    self.on_error(error)
                    return self.remove(connection, True)
            size = pending(ready)
            if size == 0:
                break
            if connection.is_unix and size > UNIX_PIECE:
                size = UNIX_PIECE
            sent = sockets.send(connection.fd, ready.data + ready.start, size, sockets.MSG_NOSIGNAL)
            if sent < 0:
                if errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
                    return self.remove(connection, True)
                sent = 0
            if sent:
                connection.progress_ns = self.turn_ns
                connection.drained |= connection.writing
                ready.consume(sent)
                total += sent
            blocked = <size_t>sent < size
            if total >= SEND_PER_TURN and not blocked:
                self.mark_dirty(connection)
                break
        if blocked:
            ready.shrink()
            connection.kernel_bytes = sockets.sidecar_kernel_holds(connection.fd)
            connection.unread_bytes = -1
        if blocked != connection.writing:
            self.watch(connection, connection.reading, blocked)
        return self.account(connection)

    cdef int account(self, Connection connection) except -1:
        """Count what is held for the client; pause or resume it; close it when it is done."""
        cdef size_t output = connection.slots.pending_bytes()
        cdef size_t held = CONNECTION_BYTES + output + connection.parser.held_bytes() + connection.session.queue_bytes
        cdef size_t cap
        held += connection.slots.ready.capacity - pending(connection.slots.ready)
        held += held // 4                                             # what allocators add, measured
        self.memory.held_bytes += held - connection.accounted_bytes        # unsigned: wraps back
        connection.accounted_bytes = held
        if connection.session.closing and output == 0 and connection.slots.open_count == 0:
            return self.remove(connection, False)
        cap = connection.output_cap()
        if output > cap or connection.slots.open_count > MAX_OPEN_SLOTS or connection.slots.lazy_count:
            connection.paused = True
        elif connection.paused and output <= cap // 2 and connection.slots.open_count <= MAX_OPEN_SLOTS // 2:
            self.resume(connection)
        if connection.when_drained and (connection.drains(cap // 2) or connection.slots.has_open_head()):
            callbacks, connection.when_drained = connection.when_drained, []
            for callback in callbacks:
                self.loop.call_soon(callback)
        self.watch(
            connection,
            not (connection.paused or connection.session.closing or connection.peer_done or connection.has_input),
            connection.writing,
        )
        if self.memory.held_bytes > self.memory.limit_bytes:
            self.abort_biggest()
        return 0

    cdef int resume(self, Connection connection) except -1:
        connection.paused = False
        connection.input_ns = 0          # the rest of a request has all its time from now on
        if connection.parser.held_bytes():
            connection.has_input = True
        if connection.has_input:
            self.carry(connection)
        return 0

    cdef int carry(self, Connection connection) except -1:
        """Go on with this connection's input in the next turn."""
        if connection.carried:
            return 0
        connection.carried = True
        self.carried.append(connection)
        if not self.turn_scheduled:
            self.turn_scheduled = True
            self.loop.call_soon(self.carried_turn)
        return 0

    def mark_dirty(self, Connection connection not None):
        """Have a connection's replies sent soon: at the turn's end, or by a callback of its own."""
        if connection.dirty:
            return
        connection.dirty = True
        self.dirty.append(connection)
        if not self.in_turn and not self.flush_scheduled:
            self.flush_scheduled = True
            self.loop.call_soon(self.flush_dirty)

    def flush_dirty(self):
        """Send for every connection that was marked."""
        cdef list dirty
        cdef Connection connection
        self.flush_scheduled = False
        dirty, self.dirty = self.dirty, []
        if not self.in_turn:
            self.turn_ns = sockets.sidecar_monotonic_ns()
        for connection in dirty:
            connection.dirty = False
        for connection in dirty:
            self.flush(connection)
        self.memory.filled_bytes = 0
        if self.dirty and not self.flush_scheduled:
            self.flush_scheduled = True
            self.loop.call_soon(self.flush_dirty)

    cdef int flush_late(self, Connection connection) except -1:
        """Have what is answered leave with what the turn's end may answer in the loop's next step: one send, not two.

        Most writes and misses of a fast origin are answered there (95% GET, 5% SET, 16 deep: 21% less CPU time). A
        slower origin's replies come later, and the others have then lost one step of the loop. What is kept until then
        is less than is sent within a turn, and the client is accounted for before anything more of it is read.
        """
        connection.settle()
        connection.dirty = True
        self.late.append(connection)
        return 0

    cdef int begin_late_flush(self) except -1:
        """The turn's misses and writes are on their way: the loop runs their first steps before this flush."""
        self.dirty += self.late
        self.late.clear()
        if not self.flush_scheduled:
            self.flush_scheduled = True
            self.loop.call_soon(self.flush_dirty)
        return 0

    @property
    def client_bytes(self):
        """What is held for all connections."""
        return self.memory.held_bytes

    @property
    def client_memory_limit_bytes(self):
        """Past it the biggest client is aborted."""
        return self.memory.limit_bytes

    @client_memory_limit_bytes.setter
    def client_memory_limit_bytes(self, size_t limit_bytes):
        self.memory.limit_bytes = limit_bytes

    def abort_biggest(self):
        """Free the memory of the client that holds most of it; of one whose peer takes nothing, if it holds half as much."""
        cdef Connection connection, victim = None
        stuck = [connection for connection in self.connections if self.seems_stuck(connection)]
        stuck.sort(key=lambda connection: (<Connection>connection).accounted_bytes, reverse=True)
        for connection in stuck:
            if not connection.takes(-1, self.turn_ns):
                victim = connection
                break
        for connection in self.connections:
            if victim is None or connection.accounted_bytes // 2 > victim.accounted_bytes:
                victim = connection
        if victim is not None:
            self.aborted_memory += 1
            self.remove(victim, True)

    cdef bint seems_stuck(self, Connection connection) noexcept:
        """Whether its socket is full and its peer takes nothing, as far as is known."""
        return connection.writing and (
            not connection.drained or self.turn_ns - connection.progress_ns > self.stall_ns
        )

    def sweep(self, uint64_t idle_timeout_ns=0):
        """Abort clients that take nothing while too much is pending, and close those idle or incomplete too long."""
        cdef Connection connection
        cdef uint64_t now = sockets.sidecar_monotonic_ns()
        self.turn_ns = now
        for connection in list(self.connections):
            if (
                connection.writing and connection.slots.pending_bytes() > self.output_limit_bytes
                and not connection.takes(self.peer_queues.unread_bytes(connection.fd), now)
                and now - connection.progress_ns > self.stall_ns
            ):
                self.aborted_output += 1
                self.remove(connection, True)
            elif connection.reading and connection.input_ns and now - connection.input_ns > self.incomplete_ns:
                self.remove(connection, False)
            elif (
                idle_timeout_ns and now - connection.active_ns > idle_timeout_ns
                and connection.slots.open_count == 0 and connection.slots.pending_bytes() == 0
            ):
                self.remove(connection, False)
        self.still_sending()

    def drain(self):
        """Take no further command; each connection closes when its replies are out."""
        cdef Connection connection
        for connection in list(self.connections):
            connection.session.closing = True
            self.mark_dirty(connection)
