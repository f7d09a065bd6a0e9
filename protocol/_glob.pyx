"""Redis's glob on bytes, for SCAN MATCH and invalidation by match: `*` `?` `[a-z]` `[^a]` and backslash.

Same answers as Redis 7.4's stringmatchlen (util.c), odd ones included: ranges compare bytes as signed, an open `[` ends
with the pattern, and an empty text matches an empty pattern only. Redis recurses at each `*`; here only the last `*` is
taken up again, for one that matched earlier can only have matched enough, so the work is at most pattern times text.

Input: hostile bytes.
"""

from libc.stdint cimport int8_t, uint8_t
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


cdef bint glob_matches(const uint8_t* pattern, size_t pattern_size, const uint8_t* text, size_t text_size) noexcept nogil:
    cdef size_t at = 0
    cdef size_t read = 0
    cdef size_t star = 0         # behind the last `*`
    cdef size_t star_read = 0    # where its match ends
    cdef bint starred = False
    cdef size_t behind
    if text_size == 0:
        return pattern_size == 0
    while read < text_size:
        if at < pattern_size and pattern[at] == c"*":
            at += 1
            if at == pattern_size:
                return True
            star = at
            star_read = read
            starred = True
            continue
        if at < pattern_size:
            behind = match_one(pattern, pattern_size, at, text[read])
            if behind:
                at = behind
                read += 1
                continue
        if not starred:
            return False
        star_read += 1
        read = star_read
        at = star
    while at < pattern_size and pattern[at] == c"*":
        at += 1
    return at == pattern_size


cdef inline size_t match_one(const uint8_t* pattern, size_t size, size_t at, uint8_t byte) noexcept nogil:
    """Where the pattern goes on when its next element matches the byte; 0: it does not."""
    if pattern[at] == c"?":
        return at + 1
    if pattern[at] == c"[":
        return match_class(pattern, size, at + 1, byte)
    if pattern[at] == c"\\" and at + 1 < size:
        at += 1
    return at + 1 if pattern[at] == byte else 0


cdef size_t match_class(const uint8_t* pattern, size_t size, size_t at, uint8_t byte) noexcept nogil:
    cdef bint negated = at < size and pattern[at] == c"^"
    cdef bint matched = False
    cdef int8_t low, high
    if negated:
        at += 1
    while at < size and pattern[at] != c"]":
        if pattern[at] == c"\\" and at + 1 < size:
            at += 1
            matched |= pattern[at] == byte
        elif at + 2 < size and pattern[at + 1] == c"-":
            low = <int8_t>pattern[at]
            high = <int8_t>pattern[at + 2]
            if low > high:
                low, high = high, low
            matched |= low <= <int8_t>byte <= high
            at += 2
        else:
            matched |= pattern[at] == byte
        at += 1
    if matched == negated:
        return 0
    return at + 1 if at < size else size


def glob_match(bytes pattern not None, bytes text not None):
    return glob_matches(<const uint8_t*>PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern),
                        <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
