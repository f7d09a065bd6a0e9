"""RESP requests, see the .pxd. Input: hostile bytes.

Every step remembers where it stopped (`scan`, `searched`, `args_done`), so a request that arrives byte by byte costs as
much as one that comes whole; where its bytes are kept is _window's business.

Texts and order of checks are those of Redis 7.4 (networking.c, processMultibulkBuffer, processInlineBuffer, sds.c
sdssplitargs), with one difference: a limit on a line's length holds however the stream was cut.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memchr
from cpython.bytes cimport PyBytes_FromStringAndSize

from protocol._checks cimport check
from protocol._decimal cimport parse_int64
from protocol._field_lists cimport FieldLists
from protocol._inline cimport unquote_word
from protocol._window cimport Arg, RequestWindow

cdef enum:
    MAX_ARGS = 1024 * 1024               # Redis's own cap until 7.0; 2**31 since
    MAX_BULK_BYTES = 32 * 1024 * 1024    # documents end at 20 MiB
    MAX_INLINE_BYTES = 64 * 1024         # PROTO_INLINE_MAX_SIZE of Redis
    UNAUTHENTICATED_ARGS = 10            # networking.c, authRequired
    UNAUTHENTICATED_BULK_BYTES = 16384
    HMGET_FIELDS = 4                     # shorter lists are parsed as fast as they are found


cdef inline const uint8_t* short_length(const uint8_t* at, const uint8_t* end, int64_t* value) noexcept nogil:
    """One to four digits, no leading zero, CR and one byte: what nearly all lengths are. NULL: look closely."""
    cdef int64_t number
    cdef int digits
    cdef uint8_t digit
    if end - at < 6:
        return NULL
    number = at[0] - c"0"
    if number < 0 or number > 9:
        return NULL
    if at[1] == 13:
        value[0] = number
        return at + 3
    if number == 0:
        return NULL
    for digits in range(1, 4):
        digit = at[digits] - c"0"
        if digit > 9:
            return NULL
        number = number * 10 + digit
        if at[digits + 1] == 13:
            value[0] = number
            return at + digits + 3
    return NULL


cdef inline uint8_t lower(uint8_t byte) noexcept nogil:
    return byte | 0x20 if c"A" <= byte <= c"Z" else byte


cdef inline bint is_hmget(const Arg* name) noexcept nogil:
    cdef const uint8_t* text = name.data
    return (name.size == 5 and lower(text[0]) == c"h" and lower(text[1]) == c"m" and lower(text[2]) == c"g"
            and lower(text[3]) == c"e" and lower(text[4]) == c"t")


cdef bint is_http(const Arg* name) noexcept nogil:
    """A browser was tricked into speaking to us: `POST` or `Host:`, as Redis checks against cross-protocol scripting."""
    cdef const uint8_t* text = name.data
    if name.size == 4:
        return lower(text[0]) == c"p" and lower(text[1]) == c"o" and lower(text[2]) == c"s" and lower(text[3]) == c"t"
    return (name.size >= 5 and text[4] == c":" and lower(text[0]) == c"h" and lower(text[1]) == c"o"
            and lower(text[2]) == c"s" and lower(text[3]) == c"t")


@cython.final
cdef class RequestParser(RequestWindow):
    def __cinit__(self, FieldLists lists not None):
        self.lists = lists
        self.argc = 0
        self.field_list = NULL
        self.list_raw = NULL
        self.violation = None
        self.mid_request = False
        self.max_args = MAX_ARGS
        self.max_bulk_bytes = MAX_BULK_BYTES
        self.max_inline_bytes = MAX_INLINE_BYTES
        self.unauthenticated = False
        self.args_wanted = -1
        self.failed = False

    cdef ParseResult next_command(self) noexcept:
        cdef ParseResult result
        if self.failed:
            return VIOLATION
        self.field_list = NULL
        while True:
            if self.args_wanted < 0:
                if self.scan >= self.window_size:
                    result = NEED_DATA
                elif self.window[self.scan] == c"*":
                    result = self.read_header()
                    if result == COMMAND and self.args_wanted <= 0:    # *0 and *-1 ask nothing
                        self.args_wanted = -1
                        self.start = self.scan
                        continue
                else:
                    result = self.read_inline()
                    if result == COMMAND:
                        if self.argc == 0:
                            continue
                        return self.finish()
                if result != COMMAND:
                    break
            result = self.read_arguments()
            if result == COMMAND:
                return self.finish()
            break
        self.mid_request = result == NEED_DATA and self.window_size > self.start
        return result

    cdef void rewind(self, size_t start) noexcept:
        self.start = self.scan = start
        self.searched = 0
        self.args_done = 0
        self.args_wanted = self.bulk_wanted = -1
        self.list_start = 0
        self.failed = False
        self.violation = None
        self.mid_request = False

    cdef ParseResult read_header(self) noexcept:
        cdef const uint8_t* at = self.window + self.scan + 1
        cdef const uint8_t* line_end = short_length(at, self.window + self.window_size, &self.args_wanted)
        cdef ParseResult result
        cdef int64_t count
        if line_end == NULL:
            result = self.find_line(&line_end)
            if result == VIOLATION:
                return self.fail(b"Protocol error: too big mbulk count string")
            if result == NEED_DATA:
                return NEED_DATA
            if not parse_int64(at, line_end - at, &count):
                return self.fail(b"Protocol error: invalid multibulk length")
            self.args_wanted = count
            line_end += 2
        if self.args_wanted > self.max_args:
            return self.fail(b"Protocol error: invalid multibulk length")
        if self.unauthenticated and self.args_wanted > UNAUTHENTICATED_ARGS:
            return self.fail(b"Protocol error: unauthenticated multibulk length")
        self.scan = line_end - self.window
        return COMMAND

    cdef ParseResult read_arguments(self) noexcept:
        """The hot loop: everything in locals, a few ns an argument. COMMAND: all are read."""
        cdef const uint8_t* window = self.window
        cdef size_t size = self.window_size
        cdef size_t scan = self.scan
        cdef uint32_t done = self.args_done
        cdef uint32_t wanted = <uint32_t>self.args_wanted
        cdef int64_t bulk = self.bulk_wanted
        cdef int64_t most = self.max_bulk_bytes
        cdef const uint8_t* after
        cdef ParseResult result = COMMAND
        while done < wanted:
            if bulk < 0:
                if done == 2 and wanted >= 2 + HMGET_FIELDS and is_hmget(&self.args[0]):
                    self.list_start = scan
                    self.field_list = self.lists.match(window + scan, size - scan, wanted - 2)
                    if self.field_list != NULL:
                        self.list_raw = window + scan
                        scan += self.field_list.raw_size
                        self.list_start = 0
                        break
                after = NULL
                if scan < size and window[scan] == c"$":
                    after = short_length(window + scan + 1, window + size, &bulk)
                if after != NULL and bulk <= most:
                    scan = after - window
                else:
                    self.scan = scan
                    result = self.read_bulk_header()
                    scan = self.scan
                    bulk = self.bulk_wanted
                    if result != COMMAND:
                        break
            if size - scan < <size_t>bulk + 2:
                result = NEED_DATA
                break
            if done == self.args_capacity and not self.ensure_args(done + 1):
                return self.fail(b"out of memory")
            self.args[done].data = window + scan
            self.args[done].size = <uint32_t>bulk
            done += 1
            scan += bulk + 2             # the two bytes behind are not looked at, as in Redis
            bulk = -1
        check(scan <= size and done <= self.args_capacity)
        self.args_done = done
        self.bulk_wanted = bulk
        self.scan = scan
        return result

    cdef ParseResult read_bulk_header(self) noexcept:
        """COMMAND: `bulk_wanted` is read and `scan` stands on the data."""
        cdef const uint8_t* at = self.window + self.scan
        cdef const uint8_t* line_end
        cdef ParseResult result
        cdef int64_t size
        self.bulk_wanted = -1
        result = self.find_line(&line_end)
        if result == VIOLATION:
            return self.fail(b"Protocol error: too big bulk count string")
        if result == NEED_DATA:
            return NEED_DATA
        if at[0] != c"$":
            return self.fail_unexpected(at[0])
        if not parse_int64(at + 1, line_end - at - 1, &size) or size < 0 or size > self.max_bulk_bytes:
            return self.fail(b"Protocol error: invalid bulk length")
        if self.unauthenticated and size > UNAUTHENTICATED_BULK_BYTES:
            return self.fail(b"Protocol error: unauthenticated bulk length")
        self.bulk_wanted = size
        self.scan = line_end + 2 - self.window
        return COMMAND

    cdef ParseResult find_line(self, const uint8_t** line_end) noexcept:
        """The CR that ends the line at `scan`, once a byte stands behind it. VIOLATION: the line is too long."""
        cdef size_t since = self.searched if self.searched > self.scan else self.scan
        cdef const uint8_t* found = NULL
        if since < self.window_size:
            found = <const uint8_t*>memchr(self.window + since, 13, self.window_size - since)
        if found == NULL:
            self.searched = self.window_size
            return VIOLATION if self.window_size - self.scan > self.max_inline_bytes else NEED_DATA
        self.searched = found - self.window
        if self.searched - self.scan > self.max_inline_bytes:
            return VIOLATION
        if self.searched + 1 >= self.window_size:
            return NEED_DATA
        line_end[0] = found
        return COMMAND

    cdef ParseResult read_inline(self) noexcept:
        """A line of words, as telnet users and health checks send. COMMAND with argc 0: an empty line."""
        cdef size_t since = self.searched if self.searched > self.scan else self.scan
        cdef const uint8_t* line = self.window + self.scan
        cdef const uint8_t* found = <const uint8_t*>memchr(self.window + since, 10, self.window_size - since)
        cdef size_t size
        if found == NULL:
            self.searched = self.window_size
            if self.window_size - self.scan > self.max_inline_bytes:
                return self.fail(b"Protocol error: too big inline request")
            return NEED_DATA
        size = found - line
        if size > self.max_inline_bytes:
            return self.fail(b"Protocol error: too big inline request")
        self.scan += size + 1
        if size > 0 and line[size - 1] == 13:
            size -= 1
        if not self.ensure_unquoted(size, self.window_size - (line - self.window)):   # the rest of the window fits too
            return self.fail(b"out of memory")
        self.args_done = 0
        if not self.split_inline(line, line + size):
            return VIOLATION
        self.argc = self.args_done
        self.start = self.scan
        return COMMAND

    cdef bint split_inline(self, const uint8_t* at, const uint8_t* end) noexcept:
        """Words to args, as sdssplitargs. False: a violation was noted."""
        cdef uint8_t* to
        while True:
            while at < end and (at[0] == c" " or 9 <= at[0] <= 13):
                at += 1
            if at == end or at[0] == 0:
                return True
            if self.args_done == self.args_capacity and not self.ensure_args(self.args_done + 1):
                self.fail(b"out of memory")
                return False
            to = self.unquoted + self.unquoted_used
            self.args[self.args_done].data = to
            at = unquote_word(at, end, &to)
            if at == NULL:
                self.fail(b"Protocol error: unbalanced quotes in request")
                return False
            self.args[self.args_done].size = <uint32_t>(to - self.args[self.args_done].data)
            self.unquoted_used = to - self.unquoted
            check(self.unquoted_used <= self.unquoted_capacity)
            self.args_done += 1

    cdef ParseResult finish(self) noexcept:
        if self.args_wanted >= 0:
            self.argc = <uint32_t>self.args_wanted
            if self.list_start:
                self.lists.note(self.window + self.list_start, <uint32_t>(self.scan - self.list_start), self.args + 2, self.argc - 2)
                self.list_start = 0
        self.args_wanted = -1
        self.args_done = 0
        self.bulk_wanted = -1
        self.start = self.scan
        self.mid_request = False
        if is_http(&self.args[0]):
            return self.fail(b"")
        return COMMAND

    cdef ParseResult fail(self, bytes text) noexcept:
        self.violation = b"ERR " + text if text else text
        self.failed = True
        self.args_done = 0
        return VIOLATION

    cdef ParseResult fail_unexpected(self, uint8_t found) noexcept:
        return self.fail(b"Protocol error: expected '$', got '%c'" % (32 if found == 13 or found == 10 else found))

    cdef int expand(self) except -1:
        cdef FieldList* known = self.field_list
        cdef uint32_t i
        if known == NULL:
            return 0
        if self.args_capacity < self.argc and not self.ensure_args(self.argc):
            raise MemoryError
        for i in range(known.count):
            self.args[2 + i].data = self.list_raw + known.offsets[i]
            self.args[2 + i].size = known.sizes[i]
        self.field_list = NULL
        return 0

    cdef list arguments(self):
        cdef uint32_t i
        self.expand()
        return [PyBytes_FromStringAndSize(<const char*>self.args[i].data, self.args[i].size) for i in range(self.argc)]
