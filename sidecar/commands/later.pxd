"""C declarations of later.py."""

cdef class Later:
    cdef public object reply
    cdef object _callback
    cpdef set(self, object reply)
    cpdef then(self, object callback)
