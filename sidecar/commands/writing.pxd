"""C declarations of writing.py."""
from sidecar.commands.later cimport Later

cdef class Written(Later):
    cdef object _services, _to_reply
    cdef bytes _key
