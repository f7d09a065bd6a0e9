"""The bytes of a Python object, borrowed: the pointer lives as long as the object."""
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t


cdef inline const uint8_t* data_of(bytes text) noexcept:
    return <const uint8_t*>PyBytes_AS_STRING(text)
