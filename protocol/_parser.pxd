"""RESP requests from hostile bytes: incremental, linear in the bytes whatever the split, caps before allocation."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from protocol._field_lists cimport Arg, FieldList, FieldLists
from protocol._window cimport RequestWindow


cpdef enum ParseResult:
    NEED_DATA = 0
    COMMAND = 1
    VIOLATION = 2


cdef class RequestParser(RequestWindow):
    # Valid after next_command returned COMMAND, until the next call; `args` of RequestWindow too:
    # args[0] is the command's name; with field_list only args[0..1] are set
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
    cdef int64_t args_wanted     # -1: header not read yet
    cdef bint failed

    cdef ParseResult next_command(self) noexcept
    cdef int expand(self) except -1                                        # field_list -> args
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
