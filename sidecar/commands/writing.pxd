"""C declarations of writing.py."""
cimport cython
from sidecar.commands.later cimport Later

@cython.no_gc  # gone once answered, so in no ring
cdef class Written(Later):
    cdef object _services, _to_reply
    cdef bytes _key
