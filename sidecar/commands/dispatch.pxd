"""C declarations of dispatch.py."""
cimport cython
from protocol._session cimport Session
from sidecar.commands.arguments cimport weight
from sidecar.commands.entry cimport Entry
from sidecar.commands.later cimport Later
from sidecar.commands.order cimport Order, Ticket

cdef class ClientState:
    cdef readonly Order order


cdef class Dispatcher:
    cdef object _services, _add_command, _locks, _touches
    cdef dict _entries, _inside_exec
    cdef Entry _exec
    cdef dict _held_by_exec
    cdef readonly set tasks
    @cython.locals(session=Session, entry=Entry, state=ClientState, keys=tuple)
    cpdef execute(self, object connection, list args)
    cdef _run(self, object connection, Order order, Entry entry, list args, tuple keys)
    @cython.locals(ticket=_ConnectionTicket)
    cdef _run_or_wait(self, object connection, Order order, Entry entry, list args, tuple keys)
    cdef Py_ssize_t _held(self, Entry entry, list args) except -1
    cdef tuple _locked(self, tuple keys)
    cpdef _perform(self, Ticket ticket)
    cdef _call(self, Entry entry, object session, list args)


@cython.no_gc
cdef class _ConnectionTicket(Ticket):
    cpdef _leave(self)
