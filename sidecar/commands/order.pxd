"""C declarations of order.py."""
cimport cython

@cython.no_gc  # gone once answered, so in no ring
cdef class Ticket:
    cdef public Order order
    cdef public object entry, session, sink, slot
    cdef public list args
    cdef public tuple keys
    cdef public bint barrier, shares
    cdef public Py_ssize_t waits
    cpdef finish(self, object reply)


@cython.no_gc  # as the tickets in it
cdef class Line:
    cdef public Py_ssize_t holders
    cdef public bint shares
    cdef public object waiting
    cpdef bint admits(self, bint shares) except -1


cdef class Queues:
    cdef public dict held
    cpdef Py_ssize_t enter(self, object waiter, object keys) except -1
    cpdef list leave(self, object keys)


cdef class Order:
    cdef public dict held
    cdef public object behind
    cdef Queues _queues
    cdef object _ready, _run, _pace
    cdef list _stalled
    cdef bint _running
    cpdef bint may_run(self, tuple keys, bint barrier, bint shares) except -1
    cpdef hold(self, Ticket ticket)
    cpdef park(self, Ticket ticket)
    cpdef submit(self, Ticket ticket)
    cpdef leave(self, Ticket ticket)
    cpdef _run_ready(self)
