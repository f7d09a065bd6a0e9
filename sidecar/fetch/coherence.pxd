"""C declarations of coherence.py. What tests put something else for is reached through Python or may be overridden."""
cimport cython

@cython.no_gc  # refers to no container that could refer back
cdef class Mark:
    cdef public object reserved, epoch
    cdef public bint overtaken


cdef class Coherence:
    cdef readonly dict fills, marks
    cdef public object epoch, quarantined
    cdef public object _store
    cdef unsigned int[::1] _generations
    cdef Py_hash_t _mask
    @cython.locals(mark=Mark, marks=list)
    cpdef Mark begin_write(self, bytes key, object reserved)
    @cython.locals(marks=list)
    cpdef bint end_write(self, bytes key, Mark mark) except -1
    cpdef show(self, bytes key)
    @cython.locals(stripe=Py_hash_t)
    cpdef _bump(self, bytes key)
    cpdef _overtake_fills(self, bytes key)
    cpdef _overtake_writes(self, bytes key, object covers)
