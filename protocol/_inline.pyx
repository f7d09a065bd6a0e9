"""The words of an inline command, as Redis's sdssplitargs (sds.c) takes them apart. Input: hostile bytes."""

from libc.stdint cimport uint8_t


cdef const uint8_t* unquote_word(const uint8_t* at, const uint8_t* end, uint8_t** to) noexcept nogil:
    """Copy one word without its quotes to `to`, which then stands behind it; returns where it ended, NULL: unbalanced.

    Writes at most one byte for each byte read, which is why storage as large as the line is enough. A NUL ends the line, as in Redis.
    """
    cdef uint8_t quote = 0
    cdef uint8_t byte
    while True:
        byte = at[0] if at < end else 0
        if quote == 0:
            if byte == 0 or byte == c" " or byte == 10 or byte == 13 or byte == 9:
                return at
            if byte == c'"' or byte == c"'":
                quote = byte
                at += 1
                continue
        elif byte == 0:
            return NULL
        elif byte == quote:
            at += 1
            byte = at[0] if at < end else 0
            if byte != 0 and byte != c" " and not 9 <= byte <= 13:
                return NULL              # a closing quote must be followed by a space or nothing at all
            return at
        elif quote == c'"' and byte == c"\\" and end - at >= 4 and at[1] == c"x" and hex_digit(at[2]) >= 0 and hex_digit(at[3]) >= 0:
            byte = <uint8_t>(hex_digit(at[2]) * 16 + hex_digit(at[3]))
            at += 3
        elif quote == c'"' and byte == c"\\" and end - at >= 2 and at[1] != 0:
            at += 1
            byte = escaped(at[0])
        elif quote == c"'" and byte == c"\\" and end - at >= 2 and at[1] == c"'":
            at += 1
            byte = c"'"
        to[0][0] = byte
        to[0] += 1
        at += 1


cdef inline int hex_digit(uint8_t byte) noexcept nogil:
    if c"0" <= byte <= c"9":
        return byte - c"0"
    byte |= 0x20
    return byte - c"a" + 10 if c"a" <= byte <= c"f" else -1


cdef inline uint8_t escaped(uint8_t byte) noexcept nogil:
    if byte == c"n":
        return 10
    if byte == c"r":
        return 13
    if byte == c"t":
        return 9
    if byte == c"b":
        return 8
    return 7 if byte == c"a" else byte
