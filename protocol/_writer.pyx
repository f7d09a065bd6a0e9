"""Replies as bytes, see the .pxd. Input: replies of our own command layer, which may hold any bytes of clients."""

cimport cython
from itertools import chain

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from protocol._blocks cimport give_block, take_block
from protocol._checks cimport check
from protocol.replies import ErrorReply, LazyArray, NullArray, SetReply, Status, Verbatim, double_text

cdef enum:
    TIGHT_BYTES = 256    # first storage of a tight buffer
    SLACK_BYTES = 8192   # room that a buffer may keep which does not move


@cython.final
cdef class ReplyBuffer:
    def __cinit__(self, *, bint tight=False):
        self.data = NULL
        self.start = 0
        self.end = 0
        self.capacity = 0
        self.tight = tight

    def __dealloc__(self):
        self.release_storage()

    cdef int grow(self, size_t more) except -1:
        cdef size_t held = self.end - self.start
        cdef size_t capacity = held + more
        cdef uint8_t* data
        if capacity <= self.capacity and self.start >= held:
            memcpy(self.data, self.data + self.start, held)     # at least half was consumed: moving it stays linear
            self.start = 0
            self.end = held
            return 0
        if capacity < held * 2:
            capacity = held * 2
        if self.tight and capacity <= 8192:
            if capacity < TIGHT_BYTES:
                capacity = TIGHT_BYTES
            data = <uint8_t*>malloc(capacity)
        else:
            data = take_block(capacity, &capacity)
        if data == NULL:
            raise MemoryError
        if held:
            memcpy(data, self.data + self.start, held)
        self.release_storage()
        self.data = data
        self.capacity = capacity
        self.start = 0
        self.end = held
        return 0

    cdef void release_storage(self) noexcept:
        if self.tight and self.capacity <= 8192:
            free(self.data)
        else:
            give_block(self.data, self.capacity)
        self.data = NULL
        self.start = self.end = self.capacity = 0

    cdef int shrink(self) except -1:
        cdef size_t held = self.end - self.start
        cdef uint8_t* data
        if self.capacity - held < SLACK_BYTES or held == 0:
            return 0
        data = <uint8_t*>malloc(held)
        if data == NULL:
            return 0
        memcpy(data, self.data + self.start, held)
        self.release_storage()
        self.data = data
        self.capacity = held
        self.end = held
        return 0

    cdef void consume(self, size_t size) noexcept:
        check(size <= self.end - self.start and self.end <= self.capacity)
        self.start += size
        if self.start == self.end:
            self.release_storage()

    cdef int raw(self, const uint8_t* bytes_, size_t size) except -1:
        cdef uint8_t* to
        if size == 0:                # an empty buffer has no storage to point into
            return 0
        to = room(self, size)
        memcpy(to, bytes_, size)
        self.end += size
        return 0

    cdef int bulk(self, const uint8_t* bytes_, uint32_t size) except -1:
        cdef uint8_t* to = room(self, <size_t>size + 15)
        self.end = put_bulk(to, bytes_, size) - self.data
        return 0

    cdef int header(self, uint8_t sort, int64_t value) except -1:
        cdef uint8_t digits[20]
        cdef int used = 0
        cdef uint64_t rest = <uint64_t>value if value >= 0 else 0 - <uint64_t>value
        cdef uint8_t* to = room(self, 24)
        to[0] = sort
        to += 1
        if value < 0:
            to[0] = c"-"
            to += 1
        while True:
            digits[used] = 48 + rest % 10
            used += 1
            rest //= 10
            if rest == 0:
                break
        while used:
            used -= 1
            to[0] = digits[used]
            to += 1
        to[0] = 13
        to[1] = 10
        self.end = to + 2 - self.data
        return 0

    cdef int line(self, uint8_t sort, const uint8_t* text, size_t size) except -1:
        cdef uint8_t* to = room(self, size + 3)
        cdef size_t i
        to[0] = sort
        for i in range(size):
            to[1 + i] = c" " if text[i] == 13 or text[i] == 10 else text[i]
        to[1 + size] = 13
        to[2 + size] = 10
        self.end += size + 3
        return 0

    cdef int integer(self, int64_t value) except -1:
        return self.header(c":", value)

    cdef int array(self, int64_t count) except -1:
        return self.header(c"*", count)

    cdef int map(self, int64_t count, int proto) except -1:
        if proto == 3:
            return self.header(c"%", count)
        return self.header(c"*", 2 * count)

    cdef int set(self, int64_t count, int proto) except -1:
        return self.header(c"~" if proto == 3 else c"*", count)

    cdef int null(self, int proto) except -1:
        if proto == 3:
            return self.raw(<const uint8_t*>b"_\r\n", 3)
        return self.raw(<const uint8_t*>b"$-1\r\n", 5)

    cdef int null_array(self, int proto) except -1:
        if proto == 3:
            return self.raw(<const uint8_t*>b"_\r\n", 3)
        return self.raw(<const uint8_t*>b"*-1\r\n", 5)

    cdef int text(self, bytes value) except -1:
        if PyBytes_GET_SIZE(value) > 0xFFFFFFFF:
            raise OverflowError("a bulk string holds at most 4 GiB")
        return self.bulk(<const uint8_t*>PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value))

    cpdef int encode(self, object reply, int proto) except -1:
        sort = type(reply)
        if sort is bytes:
            return self.text(<bytes>reply)
        if sort is list:
            self.array(len(<list>reply))
            for element in <list>reply:
                self.encode(element, proto)
            return 0
        if reply is None:
            return self.null(proto)
        if sort is dict:
            self.map(len(<dict>reply), proto)
            for key, value in (<dict>reply).items():
                self.encode(key, proto)
                self.encode(value, proto)
            return 0
        if sort is int:
            return self.integer(reply)
        if sort is Status:
            return self.text_line(c"+", reply.text)
        if sort is ErrorReply:
            return self.text_line(c"-", reply.text)
        return self.encode_rare(reply, proto)

    cdef int text_line(self, uint8_t sort, bytes text) except -1:
        return self.line(sort, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    cdef int encode_rare(self, object reply, int proto) except -1:
        """What is left after the common types, subclasses of them included."""
        cdef int64_t left
        if isinstance(reply, bool):
            if proto == 3:
                return self.text_line(c"#", b"t" if reply else b"f")
            return self.integer(1 if reply else 0)
        if isinstance(reply, int):
            return self.integer(reply)
        if isinstance(reply, float):
            text = double_text(reply)
            return self.text_line(c",", text) if proto == 3 else self.text(text)
        if isinstance(reply, bytes):
            return self.text(bytes(reply))
        if isinstance(reply, Verbatim):
            if proto == 3:
                return self.verbatim(reply.format, reply.text)
            return self.text(reply.text)
        if isinstance(reply, NullArray):
            return self.null_array(proto)
        left = begin_container(self, reply, proto)
        for element in container_elements(reply):
            if left == 0:
                raise RuntimeError("an array reply has more elements than it announced")
            left -= 1
            self.encode(element, proto)
        if left:
            raise RuntimeError("an array reply has fewer elements than it announced")
        return 0

    cdef int verbatim(self, bytes format, bytes text) except -1:
        self.header(c"=", len(text) + 4)
        self.raw(<const uint8_t*>PyBytes_AS_STRING(format), 3)
        self.raw(<const uint8_t*>b":", 1)
        self.raw(<const uint8_t*>PyBytes_AS_STRING(text), len(text))
        return self.raw(<const uint8_t*>b"\r\n", 2)

    cpdef bytes take(self, size_t most=<size_t>-1):
        cdef size_t size = self.end - self.start
        if size > most:
            size = most
        cdef bytes taken = PyBytes_FromStringAndSize(<char*>self.data + self.start, size)
        self.consume(size)
        return taken


cdef int64_t begin_container(ReplyBuffer buffer, object reply, int proto) except -1:
    if isinstance(reply, dict):
        buffer.map(len(reply), proto)
        return 2 * len(reply)
    if isinstance(reply, (list, tuple)):
        buffer.array(len(reply))
        return len(reply)
    if isinstance(reply, (set, frozenset)):
        buffer.set(len(reply), proto)
        return len(reply)
    if isinstance(reply, LazyArray):
        buffer.array(reply.length)
        return reply.length
    if isinstance(reply, SetReply):
        buffer.set(len(reply.elements), proto)
        return len(reply.elements)
    raise TypeError(f"not a reply: {type(reply).__name__}")


cdef object container_elements(object reply):
    if isinstance(reply, dict):
        return chain.from_iterable(reply.items())
    return iter(reply.elements if isinstance(reply, (LazyArray, SetReply)) else reply)
