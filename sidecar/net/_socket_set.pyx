"""The sockets of all clients and listeners: accepting, watching, lingering, closing. See the .pxd.

What happens when one is ready is the subclass's: it has `socket_ready(fd, writable)`, for the way without epoll.
"""
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset
from protocol._session cimport Session
from sidecar.net cimport _sockets as sockets
from sidecar.net._sockets cimport EPOLLIN, EPOLLOUT, epoll_event, errno

cdef enum:
    ACCEPTS_PER_TURN = 128


cdef class SocketSet:
    def __cinit__(self, loop, *_, bint use_epoll=True):
        self.loop = loop
        self.connections = set()
        self.starved = False
        self.listeners = {}
        self.lingering = {}
        self.closing = []
        self.memory = ClientMemory(64 << 20)
        self.linger_ns = 2_000_000_000
        self.by_fd_size = 1024
        self.by_fd = <PyObject**>calloc(self.by_fd_size, sizeof(PyObject*))
        self.scratch = <uint8_t*>malloc(SCRATCH_BYTES)
        if not (self.by_fd and self.scratch):
            raise MemoryError
        self.epoll = sockets.epoll_create1(sockets.EPOLL_CLOEXEC) if use_epoll else -1

    def __dealloc__(self):
        if self.epoll >= 0:
            sockets.close(self.epoll)
        free(self.by_fd)
        free(self.scratch)

    cdef int watch(self, Connection connection, bint reading, bint writing) except -1:
        """Change which readiness the connection waits for."""
        cdef epoll_event event
        cdef int fd = connection.fd
        if connection.reading == reading and connection.writing == writing:
            return 0
        if self.epoll >= 0:
            event.events = (EPOLLIN if reading else 0) | (EPOLLOUT if writing else 0)
            event.data.fd = fd
            sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_MOD, fd, &event)
        else:
            if connection.reading != reading:
                if reading:
                    self.loop.add_reader(fd, self.socket_ready, fd, False)
                else:
                    self.loop.remove_reader(fd)
            if connection.writing != writing:
                if writing:
                    self.loop.add_writer(fd, self.socket_ready, fd, True)
                else:
                    self.loop.remove_writer(fd)
        connection.reading = reading
        connection.writing = writing
        return 0

    def listen(self, int fd):
        """Accept from a listening, non-blocking socket."""
        self.listeners[fd] = None
        self.await_input(fd)

    def unlisten(self, int fd):
        """Accept no more from this socket; the caller closes it."""
        if fd not in self.listeners:
            return
        timer = self.listeners.pop(fd)
        if timer is None:
            self.ignore(fd)
        else:
            timer.cancel()

    cdef int await_input(self, int fd) except -1:
        """Watch a descriptor that was not watched before."""
        cdef epoll_event event
        if self.epoll >= 0:
            event.events = EPOLLIN
            event.data.fd = fd
            if sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_ADD, fd, &event) < 0:
                raise OSError(errno, "epoll_ctl")
        else:
            self.loop.add_reader(fd, self.socket_ready, fd, False)
        return 0

    cdef int ignore(self, int listener) except -1:
        cdef epoll_event event
        if self.epoll >= 0:
            sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_DEL, listener, &event)
        else:
            self.loop.remove_reader(listener)
        return 0

    cdef int accept_all(self, int listener) except -1:
        """Accept what waits, a bounded number; without descriptors or memory, try again a little later."""
        cdef int fd, i
        for i in range(ACCEPTS_PER_TURN):
            fd = sockets.sidecar_accept(listener)
            if fd >= 0:
                self.admit(listener, fd)
            elif errno in (sockets.EMFILE, sockets.ENFILE, sockets.ENOBUFS, sockets.ENOMEM):
                if not self.starved:
                    self.starved = True
                    self.on_error(OSError(errno, "cannot accept connections: trying every 100 ms until all that wait are accepted"))
                self.ignore(listener)
                self.listeners[listener] = self.loop.call_later(0.1, self.listen, listener)
                return 0
            elif errno not in (sockets.EINTR, sockets.ECONNABORTED):
                self.starved = False
                return 0
        return 0

    def admit(self, int listener, int fd):
        """Serve a newly accepted socket, unless on_connect refuses it."""
        cdef Session session
        try:
            session = self.on_connect(listener, fd)
        except Exception as error:
            self.on_error(error)
            session = None
        if session is None:
            sockets.close(fd)
            return None
        return self.adopt(fd, session)

    def adopt(self, int fd, Session session not None):
        """Serve a connected, non-blocking socket from now on; the poller owns the descriptor."""
        cdef Connection connection = Connection(session, fd, self, self.memory)
        cdef int size
        cdef PyObject** grown
        if fd >= self.by_fd_size:
            size = self.by_fd_size
            while size <= fd:
                size *= 2
            grown = <PyObject**>realloc(self.by_fd, size * sizeof(PyObject*))
            if grown == NULL:
                raise MemoryError
            memset(grown + self.by_fd_size, 0, (size - self.by_fd_size) * sizeof(PyObject*))
            self.by_fd = grown
            self.by_fd_size = size
        self.by_fd[fd] = <PyObject*>connection
        self.connections.add(connection)
        self.await_input(fd)
        return connection

    cdef int remove(self, Connection connection, bint reset) except -1:
        """Let go of a socket; with `reset` the peer sees RST and nothing lingers in the kernel."""
        cdef int fd = connection.fd
        if fd < 0:
            return 0
        if self.epoll < 0:
            if connection.reading:
                self.loop.remove_reader(fd)
            if connection.writing:
                self.loop.remove_writer(fd)
        connection.fd = -1
        self.by_fd[fd] = NULL
        self.connections.discard(connection)
        self.memory.held_bytes -= connection.accounted_bytes
        connection.accounted_bytes = 0
        connection.slots.clear()
        connection.started.clear()
        connection.session.closing = True
        if reset:
            sockets.sidecar_reset_on_close(fd)
        elif not connection.peer_done and sockets.sidecar_kernel_holds(fd) > 0:
            return self.linger(fd)
        return self.close_socket(fd)

    cdef int close_socket(self, int fd) except -1:
        if self.in_turn:
            # Only after the turn: an accept within it must not be given the same descriptor
            self.closing.append(fd)
        else:
            sockets.close(fd)
        return 0

    cdef int linger(self, int fd) except -1:
        """Keep a socket while the system sends its last replies, and read and forget what its peer still sends.

        Input that is unread at a close, or comes after it, makes the system reset the connection and discard what the
        peer's system does not have yet.
        """
        cdef epoll_event event
        sockets.shutdown(fd, sockets.SHUT_WR)
        self.lingering[fd] = self.turn_ns + self.linger_ns
        if self.epoll >= 0:
            event.events = EPOLLIN
            event.data.fd = fd
            sockets.epoll_ctl(self.epoll, sockets.EPOLL_CTL_MOD, fd, &event)
        else:
            self.loop.add_reader(fd, self.socket_ready, fd, False)
        return 0

    cdef int discard_input(self, int fd) except -1:
        """Before the turn's connections are served: their commands will stand in the scratch that is used here."""
        cdef ssize_t got = sockets.recv(fd, self.scratch, SCRATCH_BYTES, 0)
        if got == 0 or got < 0 and errno not in (sockets.EAGAIN, sockets.EWOULDBLOCK, sockets.EINTR):
            self.end_lingering(fd)
        return 0

    cdef int end_lingering(self, int fd) except -1:
        del self.lingering[fd]
        if self.epoll < 0:
            self.loop.remove_reader(fd)
        return self.close_socket(fd)

    def still_sending(self):
        """How many sockets go on sending after their last reply. Those that are done or out of time are closed."""
        cdef uint64_t now = sockets.sidecar_monotonic_ns()
        for fd, until_ns in list(self.lingering.items()):
            if now > until_ns or sockets.sidecar_kernel_holds(fd) <= 0:
                self.end_lingering(fd)
        return len(self.lingering)

    def abort(self, Connection connection not None):
        """Reset a connection at once."""
        self.remove(connection, True)
