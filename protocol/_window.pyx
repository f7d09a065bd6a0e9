"""Bytes of requests and where they are kept, see the .pxd.

The parser never copies what lies whole in the bytes it was lent: arguments are spans of the window. Only what is
incomplete when the window is taken back is copied to storage of our own, which grows by doubling with what arrived,
never with what a length announces, so each byte is moved a few times at most.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from protocol._checks cimport check

cdef enum:
    FIRST_ARGS = 8
    KEPT_ARGS = 512          # an idle connection keeps at most 8 KiB of them


cdef class RequestWindow:
    def __cinit__(self):
        self.args = NULL
        self.own = NULL
        self.own_capacity = 0
        self.window = NULL
        self.window_size = 0
        self.start = self.scan = self.searched = 0
        self.args_capacity = self.args_done = 0
        self.bulk_wanted = -1
        self.list_start = 0
        self.borrowed = False
        self.unquoted = NULL
        self.unquoted_used = self.unquoted_capacity = 0

    def __dealloc__(self):
        free(self.args)
        free(self.own)
        self.forget_unquoted()

    cdef int borrow(self, const uint8_t* data, size_t size) except -1:
        self.forget_unquoted()
        if self.borrowed or self.start == self.window_size:
            self.release()
        if self.own == NULL:
            self.window = data
            self.window_size = size
            self.borrowed = True
            return 0
        self.hold(size)
        memcpy(self.own + self.window_size, data, size)
        self.window_size += size
        return 0

    cdef int release(self) except -1:
        cdef size_t rest = self.window_size - self.start
        self.forget_unquoted()
        if self.args_capacity > KEPT_ARGS and self.args_done == 0:
            free(self.args)
            self.args = NULL
            self.args_capacity = 0
        if rest == 0:
            free(self.own)
            self.own = NULL
            self.own_capacity = 0
            self.window = NULL
            self.window_size = 0
            self.start = self.scan = self.searched = 0
            self.borrowed = False
            return 0
        if self.borrowed:
            return self.relocate(rest)
        if self.start >= rest or rest * 4 < self.own_capacity:   # at most as much is moved as was consumed or is given back
            return self.relocate(rest)
        return 0

    cdef int hold(self, size_t more) except -1:
        """Room for `more` bytes behind the window, which is our own."""
        cdef size_t held = self.window_size - self.start
        if self.own_capacity - self.window_size >= more:
            return 0
        return self.relocate(held + more if more > held else held * 2)

    cdef int relocate(self, size_t capacity) except -1:
        """Move what is not consumed to new storage of our own of `capacity` bytes."""
        cdef size_t rest = self.window_size - self.start
        cdef uint8_t* moved = <uint8_t*>malloc(capacity)
        cdef const uint8_t* old = self.window + self.start
        cdef uint32_t i
        if moved == NULL:
            raise MemoryError
        if rest:
            memcpy(moved, old, rest)
        check(rest <= capacity and self.start <= self.scan <= self.window_size)
        for i in range(self.args_done):      # linear in all, for storage doubles
            self.args[i].data = moved + (self.args[i].data - old)
        free(self.own)
        self.own = moved
        self.own_capacity = capacity
        self.window = moved
        self.window_size = rest
        self.scan -= self.start
        self.searched = self.searched - self.start if self.searched > self.start else 0
        if self.list_start:
            self.list_start -= self.start
        self.start = 0
        self.borrowed = False
        return 0

    cdef uint8_t* reserve(self, size_t minimum, size_t* room) except NULL:
        self.forget_unquoted()
        if self.borrowed or self.start == self.window_size:
            self.release()
        self.hold(minimum)
        room[0] = self.own_capacity - self.window_size
        return self.own + self.window_size

    cdef void commit(self, size_t size) noexcept:
        check(size <= self.own_capacity - self.window_size)
        self.window_size += size

    cdef void forget_unquoted(self) noexcept:
        cdef uint8_t* before
        while self.unquoted != NULL:
            before = (<uint8_t**>self.unquoted)[0]
            free(self.unquoted)
            self.unquoted = before
        self.unquoted_used = self.unquoted_capacity = 0

    cdef size_t held_bytes(self) noexcept:
        return self.own_capacity + self.args_capacity * sizeof(Arg) + self.unquoted_capacity

    cdef size_t missing(self) noexcept:
        if self.bulk_wanted < 0 or self.window_size - self.scan >= <size_t>self.bulk_wanted + 2:
            return 0
        return <size_t>self.bulk_wanted + 2 - (self.window_size - self.scan)

    cdef bint ensure_args(self, uint32_t count) noexcept:
        cdef uint32_t capacity = self.args_capacity if self.args_capacity else FIRST_ARGS
        cdef Arg* grown
        while capacity < count:
            capacity *= 2
        grown = <Arg*>realloc(self.args, capacity * sizeof(Arg))
        if grown == NULL:
            return False
        self.args = grown
        self.args_capacity = capacity
        return True

    cdef bint ensure_unquoted(self, size_t size, size_t capacity) noexcept:
        cdef uint8_t* block
        if self.unquoted_capacity - self.unquoted_used >= size:
            return True
        capacity += sizeof(uint8_t*)
        block = <uint8_t*>malloc(capacity)
        if block == NULL:
            return False
        (<uint8_t**>block)[0] = self.unquoted        # arguments of this turn may stand in it
        self.unquoted = block
        self.unquoted_used = sizeof(uint8_t*)
        self.unquoted_capacity = capacity
        return True
