"""All client sockets in one epoll set: what is ready in one callback of the loop is one turn.

    turn:  clock -> per group of connections:  recv -> parse -> hash, prefetch, look up, reply -> send
           -> misses and writes leave as one batch -> sockets accepted and closed

The poller is made in layers, a file each: SocketSet (sockets), Output (what goes back), Pipeline (commands), and here
the turn that puts them together. Work per turn is bounded per connection (bytes received, commands run, bytes sent);
what is left is carried to the next turn, behind everybody else's.
"""
import cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from protocol._parser cimport FieldLists
from protocol._writer cimport pending
from sidecar.commands._hot cimport HotCommands
from sidecar.net cimport _sockets as sockets
from sidecar.net._socket_set cimport SCRATCH_BYTES
from sidecar.net._sockets cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, epoll_event, errno

cdef enum:
    MAX_EVENTS = 512
    SLICE_BYTES = 64 * 1024          # received per connection and turn
    GROUP = SCRATCH_BYTES // SLICE_BYTES     # connections received and parsed together
    RECV_MINIMUM = 4096


@cython.final
cdef class Poller(Pipeline):
    """The client side of the process.

    Args:
        loop: the event loop; ``loop.add_reader`` watches the epoll set.
        hot: answers from memory.
        lists: the remembered field lists that the sessions' parsers share.
        use_epoll: False: each socket is watched by the loop (where there is no epoll, and in tests of that way).
    """

    def __cinit__(self, loop, HotCommands hot not None, FieldLists lists not None, *, bint use_epoll=True):
        self.events = <epoll_event*>malloc(MAX_EVENTS * sizeof(epoll_event))
        if self.events == NULL:
            raise MemoryError
        if self.epoll >= 0:
            loop.add_reader(self.epoll, self.turn)

    def __dealloc__(self):
        free(self.events)

    def turn(self):
        """Serve every socket that is ready."""
        cdef int ready, i, fd
        cdef uint32_t events
        cdef list reading = []
        cdef list accepting = []
        cdef Connection connection
        ready = sockets.epoll_wait(self.epoll, self.events, MAX_EVENTS, 0)
        self.begin_turn()
        for i in range(ready):
            fd = self.events[i].data.fd
            events = self.events[i].events
            if fd >= self.by_fd_size or self.by_fd[fd] == NULL:
                if fd in self.listeners:
                    accepting.append(fd)
                elif fd in self.lingering:
                    self.discard_input(fd)
                continue
            connection = <Connection>self.by_fd[fd]
            self.note_ready(connection, events, reading)
        if reading:
            self.serve(reading)
        self.end_turn()
        for fd in accepting:
            self.accept_all(fd)

    def socket_ready(self, int fd, bint writable):
        """One socket is ready: the way without epoll, a turn of one connection."""
        cdef list reading = []
        if fd in self.listeners:
            self.accept_all(fd)
            return
        if fd >= self.by_fd_size or self.by_fd[fd] == NULL:
            if fd in self.lingering:
                self.discard_input(fd)
            return
        self.begin_turn()
        self.note_ready(<Connection>self.by_fd[fd], EPOLLOUT if writable else EPOLLIN, reading)
        if reading:
            self.serve(reading)
        self.end_turn()

    cdef int note_ready(self, Connection connection, uint32_t events, list reading) except -1:
        if events & EPOLLOUT:
            self.flush(connection)
        if connection.fd >= 0 and events & (EPOLLIN | EPOLLERR | EPOLLHUP):
            if connection.reading:
                reading.append(connection)
            elif events & (EPOLLERR | EPOLLHUP):
                self.remove(connection, True)       # nobody will take what is pending
        return 0

    def carried_turn(self):
        """Go on with what the last turns left: input held back, replies that were filled meanwhile."""
        cdef list carried
        cdef Connection connection
        self.turn_scheduled = False
        self.begin_turn()
        carried, self.carried = self.carried, []
        for connection in carried:
            connection.carried = False
        carried = [connection for connection in carried if connection.fd >= 0 and not connection.paused]
        if carried:
            self.serve(carried)
        self.end_turn()

    cdef int begin_turn(self) except -1:
        cdef uint64_t now = sockets.sidecar_boottime_ns()
        self.in_turn = True
        self.turns += 1
        self.turn_ns = sockets.sidecar_monotonic_ns()
        self.store.now = <uint32_t>((now + 9_999_999) // 10_000_000)    # sidecar.clock.ceil_tick
        self.store.wall_ms = sockets.sidecar_wall_ms()
        return 0

    cdef int end_turn(self) except -1:
        """Let the turn's misses and writes leave, send what was answered meanwhile, close what is done."""
        cdef list stale, closing
        cdef int fd
        if self.touches.has_news():
            self.slow_commands = True
            self.guarded(self.prefetch)
        if self.hot.stale_keys:
            stale, self.hot.stale_keys = self.hot.stale_keys, []
            self.slow_commands = True
            self.guarded(self.revalidate, stale)
        if self.slow_commands:
            self.slow_commands = False
            self.guarded(self.end_of_turn)
        self.in_turn = False
        if self.dirty:
            self.flush_dirty()
        if self.late:
            self.begin_late_flush()
        if self.closing:
            closing, self.closing = self.closing, []
            for fd in closing:
                sockets.close(fd)
        self.trim()
        return 0

    def guarded(self, function, *arguments):
        """Call into the miss path; its bug must not end the turn."""
        try:
            function(*arguments)
        except Exception as error:
            self.on_error(error)

    cdef int serve(self, list ready) except -1:
        cdef Py_ssize_t first = 0
        cdef Py_ssize_t count = len(ready)
        while first < count:
            self.serve_group(ready if count <= GROUP else ready[first:first + GROUP])
            first += GROUP
        return 0

    cdef int serve_group(self, list group) except -1:
        cdef Connection connection
        cdef uint32_t index = 0
        self.begin_group()
        for connection in group:
            connection.command_count = 0
            try:
                if connection.fd >= 0:
                    self.receive(connection, self.scratch + index * SLICE_BYTES)
                if connection.fd >= 0:
                    self.parse(connection)
            except Exception as error:
                self.give_up(connection, error)
            index += 1
        for connection in group:
            if connection.fd >= 0:
                connection.sink = self.out
                try:
                    if self.touches.active:
                        self.run_watched(connection)
                    else:
                        self.run_commands(connection)
                    self.finish(connection)
                except Exception as error:
                    self.give_up(connection, error)
                connection.sink = None
                self.out.start = 0
                self.out.end = 0
        return 0

    cdef int run_watched(self, Connection connection) except -1:
        """run_commands, with what is asked for told to prefetching."""
        self.touches.begin_part(connection.session.id, self.store.now)
        try:
            self.run_commands(connection)
        except BaseException:
            self.touches.forget_part()
            raise
        if connection.fd < 0:
            self.touches.forget_part()       # what it received may be gone
        else:
            self.touches.end_part()
        return 0

    cdef int give_up(self, Connection connection, object error) except -1:
        """A failure that no command is to blame for (out of memory, a bug): this client pays, the others go on."""
        self.on_error(error)
        return self.remove(connection, True)

    cdef int receive(self, Connection connection, uint8_t* slice_) except -1:
        """One recv into the turn's scratch, or behind what is held of an incomplete request."""
        cdef ssize_t got
        cdef size_t space
        cdef uint8_t* room
        if connection.has_input or connection.peer_done:
            return 0
        if connection.parser.mid_request:
            room = connection.parser.reserve(RECV_MINIMUM, &space)
            got = sockets.recv(connection.fd, room, min(space, <size_t>SLICE_BYTES), 0)
            if got > 0:
                connection.parser.commit(got)
        else:
            got = sockets.recv(connection.fd, slice_, SLICE_BYTES, 0)
            if got > 0:
                connection.parser.borrow(slice_, got)
        if got > 0:
            connection.active_ns = self.turn_ns
        elif got == 0:
            connection.peer_done = True
        elif errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
            self.remove(connection, True)
        return 0

    cdef int finish(self, Connection connection) except -1:
        """This connection's part of the turn is over: keep what is incomplete, send what is ready."""
        if connection.fd < 0:
            return 0
        if connection.broken and not connection.session.closing:
            connection.settle()
            connection.session.violated()
        elif connection.peer_done and not connection.has_input:
            connection.session.closing = True
        connection.parser.release()
        if connection.parser.mid_request and not connection.has_input:
            if connection.input_ns == 0:
                connection.input_ns = self.turn_ns
        else:
            connection.input_ns = 0
        if connection.slots.open_count and not (
            connection.session.closing or connection.dirty or connection.has_input or connection.writing
        ):
            self.flush_late(connection)
        else:
            self.flush(connection)
        if connection.fd >= 0 and connection.has_input and not connection.paused:
            self.carry(connection)
        return 0

    def close(self):
        """Let go of every socket."""
        cdef Connection connection
        for connection in list(self.connections):
            self.remove(connection, False)
        for fd in list(self.lingering):
            self.end_lingering(fd)
        for fd in list(self.listeners):
            self.unlisten(fd)
        self.peer_queues.close()
        if self.epoll >= 0:
            self.loop.remove_reader(self.epoll)
            sockets.close(self.epoll)
            self.epoll = -1
