"""The sockets of all clients and listeners, in one epoll set or watched by the loop one by one."""
from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t, uint64_t
from sidecar.net._connection cimport ClientMemory, Connection


cdef enum:
    SCRATCH_BYTES = 2 * 1024 * 1024      # what one turn receives at a time: 32 connections of 64 KiB stay in L2


cdef class SocketSet:
    cdef object loop
    cdef public object on_connect        # called with a listener's descriptor and the new socket's: returns its Session, or None to refuse
    cdef public object on_error          # called with an exception that nobody expected: it is logged
    cdef int epoll                       # -1: no epoll here, the loop watches each socket
    cdef PyObject** by_fd                # borrowed: `connections` owns
    cdef int by_fd_size
    cdef public set connections
    cdef dict listeners                  # descriptor -> the timer by which it is listened to again, None while it is
    cdef bint starved                    # connections wait that the system has no descriptor or memory for; was reported
    cdef readonly dict lingering         # descriptor -> ns until which it may still send what its peer has not yet
    cdef list closing                    # sockets to close at the end of the turn: a descriptor must not be reused within it
    cdef bint in_turn
    cdef uint8_t* scratch                # what this turn received
    cdef ClientMemory memory             # bound and count of what is held for all connections
    cdef uint64_t turn_ns                # monotonic, at the turn's start
    cdef public uint64_t linger_ns       # after its last reply a socket may go on sending so long

    cdef int watch(self, Connection connection, bint reading, bint writing) except -1
    cdef int await_input(self, int fd) except -1
    cdef int ignore(self, int listener) except -1
    cdef int accept_all(self, int listener) except -1
    cdef int remove(self, Connection connection, bint reset) except -1
    cdef int close_socket(self, int fd) except -1
    cdef int linger(self, int fd) except -1
    cdef int discard_input(self, int fd) except -1
    cdef int end_lingering(self, int fd) except -1
