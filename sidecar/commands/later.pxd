"""C declarations of later.py."""
cimport cython

@cython.no_gc  # gone once answered, so in no ring
cdef class Later:
    cdef public object reply
    cdef object _callback
    cpdef set(self, object reply)
    cpdef then(self, object callback)
