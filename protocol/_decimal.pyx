"""Numbers off the wire, see the .pxd. Strict as Redis: no sign but `-`, no leading zero, no space, no `_`, 64 bits.

`int()` takes `+3`, `1_0`, ` 7` and digits of other scripts; clients that send those to Redis get an error.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

cdef enum:
    MOST_DIGITS = 19         # of 2**63


cdef bint parse_int64(const uint8_t* text, size_t size, int64_t* value) noexcept nogil:
    cdef bint negative = False
    cdef uint64_t number = 0
    cdef uint64_t most = 9223372036854775807u
    cdef size_t i
    if size == 1 and text[0] == c"0":
        value[0] = 0
        return True
    if size > 0 and text[0] == c"-":
        negative = True
        most += 1
        text += 1
        size -= 1
    if size == 0 or size > MOST_DIGITS or text[0] < c"1" or text[0] > c"9":
        return False
    for i in range(size):
        if text[i] < c"0" or text[i] > c"9":
            return False
        number = number * 10 + (text[i] - c"0")      # 19 digits fit in 64 bits unsigned
    if number > most:
        return False
    value[0] = <int64_t>(0 - number) if negative else <int64_t>number
    return True


def parse_integer(bytes text not None):
    cdef int64_t value
    if not parse_int64(<const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &value):
        raise ValueError(f"not a decimal 64-bit integer: {text[:32]!r}")
    return value
