"""All client sockets in one epoll set, watched by the loop as one descriptor. One callback is one turn."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.net._connection cimport Connection
from sidecar.net._pipeline cimport Pipeline
from sidecar.net._sockets cimport epoll_event


cdef class Poller(Pipeline):
    cdef public object end_of_turn       # called when commands of the turn went to the dispatcher: misses and writes leave
    cdef public object revalidate        # called with the keys that were answered stale
    cdef public object prefetch          # called when the touch log has something to take
    cdef epoll_event* events
    cdef readonly uint64_t turns

    cdef int note_ready(self, Connection connection, uint32_t events, list reading) except -1
    cdef int begin_turn(self) except -1
    cdef int end_turn(self) except -1
    cdef int serve(self, list ready) except -1
    cdef int serve_group(self, list group) except -1
    cdef int run_watched(self, Connection connection) except -1
    cdef int give_up(self, Connection connection, object error) except -1
    cdef int receive(self, Connection connection, uint8_t* slice_) except -1
    cdef int finish(self, Connection connection) except -1
