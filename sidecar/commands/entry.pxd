"""C declarations of entry.py."""

cdef class Entry:
    cdef readonly object spec, handler
    cdef readonly bytes name
    cdef readonly int arity, family
    cdef readonly bint before_auth, inside_multi, barrier, key_is_first, submits, asks_values
    cdef public dict subcommands
    cdef bint _expires
    cpdef bint takes(self, Py_ssize_t count) except -1
    cpdef bint shares(self, list args) except -1
    cpdef tuple keys_of(self, list args)
