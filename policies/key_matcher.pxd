"""C declarations of key_matcher.py."""
cimport cython

cdef class KeyMatcher:
    cdef dict _by_prefix
    cdef list _lengths
    @cython.locals(length=Py_ssize_t, most=Py_ssize_t, literal_bytes=Py_ssize_t)
    cpdef match(self, bytes key)
