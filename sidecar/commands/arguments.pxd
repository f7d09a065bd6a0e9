"""C declarations of arguments.py."""
cimport cython

@cython.locals(total=Py_ssize_t, argument=bytes)
cpdef Py_ssize_t weight(list args) except -1
