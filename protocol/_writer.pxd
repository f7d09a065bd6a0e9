"""Replies as bytes: a growable buffer with one method per RESP type, for RESP2 and RESP3."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t, int64_t
from libc.string cimport memcpy


cdef class ReplyBuffer:
    cdef uint8_t* data
    cdef size_t start            # first byte not yet consumed
    cdef size_t end              # one past the last written
    cdef size_t capacity
    cdef bint tight              # starts at 256 bytes: for the many small buffers behind open slots

    cdef int grow(self, size_t more) except -1          # room for `more` bytes behind end; compacts, doubles
    cdef void consume(self, size_t size) noexcept       # storage is given back when all is consumed: an idle connection holds none
    cdef int shrink(self) except -1                     # give back room that is not needed: nothing is taken for a while
    cdef int raw(self, const uint8_t* bytes_, size_t size) except -1
    cdef int bulk(self, const uint8_t* bytes_, uint32_t size) except -1
    cdef int integer(self, int64_t value) except -1
    cdef int array(self, int64_t count) except -1
    cdef int map(self, int64_t count, int proto) except -1       # RESP2: array of 2 * count
    cdef int null(self, int proto) except -1                     # $-1 or _
    cdef int null_array(self, int proto) except -1
    cdef int set(self, int64_t count, int proto) except -1       # ~ or array
    cdef int verbatim(self, bytes format, bytes text) except -1  # RESP3 only
    cdef int text(self, bytes value) except -1                   # a bulk string
    cdef int header(self, uint8_t sort, int64_t value) except -1 # sort, number, CRLF
    cdef int line(self, uint8_t sort, const uint8_t* text, size_t size) except -1   # CR and LF in text become spaces
    cdef int text_line(self, uint8_t sort, bytes text) except -1
    cdef int encode_rare(self, object reply, int proto) except -1
    cdef void release_storage(self) noexcept
    cpdef int encode(self, object reply, int proto) except -1    # any reply of protocol.replies
    cpdef bytes take(self, size_t most=*)                        # the bytes not consumed, or the first of them, consumed


cdef int64_t begin_container(ReplyBuffer buffer, object reply, int proto) except -1    # the header; returns how many elements must follow (a map: keys and values)
cdef object container_elements(object reply)     # an iterator over them


cdef inline size_t pending(ReplyBuffer buffer) noexcept:
    return buffer.end - buffer.start


cdef inline uint8_t* room(ReplyBuffer buffer, size_t size) except NULL:
    """A pointer to at least `size` writable bytes, not 0; the caller advances buffer.end by what it wrote."""
    if buffer.capacity - buffer.end < size:
        buffer.grow(size)
    return buffer.data + buffer.end


cdef inline void copy(uint8_t* to, const uint8_t* source, uint32_t size) noexcept nogil:
    """memcpy without its call for the sizes that values have: first and last halves, which may overlap."""
    if size > 64:
        memcpy(to, source, size)
    elif size >= 32:
        memcpy(to, source, 32)
        memcpy(to + size - 32, source + size - 32, 32)
    elif size >= 16:
        memcpy(to, source, 16)
        memcpy(to + size - 16, source + size - 16, 16)
    elif size >= 8:
        memcpy(to, source, 8)
        memcpy(to + size - 8, source + size - 8, 8)
    elif size >= 4:
        memcpy(to, source, 4)
        memcpy(to + size - 4, source + size - 4, 4)
    elif size:
        to[0] = source[0]
        to[size >> 1] = source[size >> 1]
        to[size - 1] = source[size - 1]


cdef inline uint8_t* put_bulk(uint8_t* to, const uint8_t* value, uint32_t size) noexcept nogil:
    """Write `$size\r\nvalue\r\n`; needs size + 15 bytes of room. Returns one past the last byte written."""
    cdef uint32_t rest
    cdef int digits
    to[0] = 36  # $
    if size < 10:
        to[1] = 48 + size
        to += 2
    elif size < 100:
        to[1] = 48 + size // 10
        to[2] = 48 + size % 10
        to += 3
    else:
        digits = 3 if size < 1000 else 4 if size < 10000 else 5 if size < 100000 else 6 if size < 1000000 else 7 if size < 10000000 else 8 if size < 100000000 else 9 if size < 1000000000 else 10
        rest = size
        to += digits
        while rest:
            to[0] = 48 + rest % 10
            rest //= 10
            to -= 1
        to += digits + 1
    to[0] = 13
    to[1] = 10
    copy(to + 2, value, size)
    to += 2 + size
    to[0] = 13
    to[1] = 10
    return to + 2
