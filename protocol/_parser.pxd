"""RESP requests from hostile bytes: incremental, linear in the bytes whatever the split, caps before allocation."""
from libc.stdint cimport uint8_t, uint32_t, int64_t
from protocol._field_lists cimport Arg, FieldList, FieldLists


cpdef enum ParseResult:
    NEED_DATA = 0
    COMMAND = 1
    VIOLATION = 2


cdef class RequestParser:
    # Valid after next_command returned COMMAND, until the next call:
    cdef Arg* args               # args[0] is the command's name; with field_list only args[0..1] are set
    cdef uint32_t argc           # all arguments, those of field_list included
    cdef FieldList* field_list   # not NULL: HMGET's fields stand in it (raw at list_raw)
    cdef const uint8_t* list_raw
    cdef readonly bytes violation          # after VIOLATION: the exact error line without "-" and CRLF; b"" = close silently (POST / Host:)
    cdef readonly bint mid_request         # an incomplete request is held
    # Limits; changed by the session on AUTH
    cdef public uint32_t max_args, max_bulk_bytes, max_inline_bytes
    cdef public bint unauthenticated       # before AUTH: at most 10 arguments of 16 KiB, refused with Redis's own texts
    # State
    cdef FieldLists lists
    cdef uint8_t* own            # own storage of what is incomplete; NULL while nothing is held
    cdef size_t own_capacity
    cdef const uint8_t* window   # what is being parsed: borrowed or own
    cdef size_t window_size
    cdef size_t start            # of the command being parsed
    cdef size_t scan             # of the line or bulk being parsed
    cdef size_t searched         # up to here the line has no end
    cdef uint32_t args_capacity, args_done
    cdef int64_t args_wanted     # -1: header not read yet
    cdef int64_t bulk_wanted     # -1: bulk header not read yet
    cdef size_t list_start       # where HMGET's field list begins in the window; 0: no such command
    cdef bint borrowed, failed
    cdef uint8_t* unquoted       # arguments of inline commands that had quotes; one block per window
    cdef size_t unquoted_used, unquoted_capacity

    cdef int borrow(self, const uint8_t* data, size_t size) except -1      # parse these bytes next; appended to own storage when something is held
    cdef ParseResult next_command(self) noexcept
    cdef int release(self) except -1                                       # copy what is incomplete to own storage; give storage back when nothing is
    cdef uint8_t* reserve(self, size_t minimum, size_t* room) except NULL  # room in own storage to recv() into, for a large bulk
    cdef void commit(self, size_t size) noexcept
    cdef int expand(self) except -1                                        # field_list -> args
    cdef size_t held_bytes(self) noexcept                                  # memory held for this connection
    cdef size_t missing(self) noexcept                                     # bytes still missing of the bulk that is being read; 0: of none
    cdef void rewind(self, size_t start) noexcept                          # parse again from here: a value of `start` that this window had before a command
    cdef list arguments(self)                                              # the command as bytes objects

    cdef ParseResult read_header(self) noexcept
    cdef ParseResult read_arguments(self) noexcept
    cdef ParseResult read_bulk_header(self) noexcept
    cdef ParseResult read_inline(self) noexcept
    cdef bint split_inline(self, const uint8_t* at, const uint8_t* end) noexcept
    cdef ParseResult find_line(self, const uint8_t** line_end) noexcept
    cdef ParseResult fail(self, bytes text) noexcept
    cdef ParseResult fail_unexpected(self, uint8_t found) noexcept
    cdef ParseResult finish(self) noexcept
    cdef bint ensure_args(self, uint32_t count) noexcept
    cdef int hold(self, size_t more) except -1
    cdef int relocate(self, size_t capacity) except -1
    cdef void forget_unquoted(self) noexcept
