"""Numbers off the wire: decimal integers exactly as Redis's string2ll takes them."""
from libc.stdint cimport int64_t, uint8_t

cdef bint parse_int64(const uint8_t* text, size_t size, int64_t* value) noexcept nogil     # False: not an integer, value untouched
