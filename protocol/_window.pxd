"""Bytes of requests, lent by the caller or kept by us, and the arguments that are spans of them."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from protocol._field_lists cimport Arg


cdef class RequestWindow:
    cdef Arg* args
    cdef uint32_t args_capacity, args_done
    cdef uint8_t* own            # own storage of what is incomplete; NULL while nothing is held
    cdef size_t own_capacity
    cdef const uint8_t* window   # what is being parsed: borrowed or own
    cdef size_t window_size
    cdef size_t start            # of the command being parsed
    cdef size_t scan             # of the line or bulk being parsed
    cdef size_t searched         # up to here the line has no end
    cdef int64_t bulk_wanted     # -1: bulk header not read yet
    cdef size_t list_start       # where HMGET's field list begins in the window; 0: no such command
    cdef bint borrowed
    cdef uint8_t* unquoted       # arguments of inline commands: a block that begins with a pointer to the block before it
    cdef size_t unquoted_used, unquoted_capacity

    cdef int borrow(self, const uint8_t* data, size_t size) except -1      # parse these bytes next; appended to own storage when something is held
    cdef int release(self) except -1                                       # copy what is incomplete to own storage; give storage back when nothing is
    cdef uint8_t* reserve(self, size_t minimum, size_t* room) except NULL  # room in own storage to recv() into, for a large bulk
    cdef void commit(self, size_t size) noexcept
    cdef size_t held_bytes(self) noexcept                                  # memory held for this connection
    cdef size_t missing(self) noexcept                                     # bytes still missing of the bulk that is being read; 0: of none

    cdef int hold(self, size_t more) except -1
    cdef int relocate(self, size_t capacity) except -1
    cdef bint ensure_args(self, uint32_t count) noexcept
    cdef bint ensure_unquoted(self, size_t size, size_t capacity) noexcept # room for `size`; a new block gets `capacity`
    cdef void forget_unquoted(self) noexcept
