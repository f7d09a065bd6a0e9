"""Command names to rows, see the .pxd: a small hash table in C, filled from the command table at import.

Input: hostile names, of any length and bytes. A probe ends at the first free place; a quarter of the table is used.
"""

from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from protocol.commands import COMMANDS as _COMMANDS

cdef enum:
    PLACES = 256
    LONGEST_NAME = 16        # "hpexpiretime" is the longest that Redis's hashes have

cdef struct Place:
    uint64_t words[2]        # the lower-case name, zero-padded
    uint32_t size            # 0: free
    CommandRow row

cdef Place places[PLACES]
memset(places, 0, sizeof(places))


cdef inline uint32_t lower_name(const uint8_t* name, uint32_t size, uint64_t* words) noexcept nogil:
    """The name in lower case, and where its probe begins."""
    cdef uint8_t text[LONGEST_NAME]
    cdef uint32_t i
    cdef uint8_t byte
    memset(text, 0, LONGEST_NAME)
    for i in range(size):
        byte = name[i]
        text[i] = byte | 0x20 if c"A" <= byte <= c"Z" else byte
    memcpy(words, text, LONGEST_NAME)
    return <uint32_t>(((words[0] ^ (words[1] * 0x9E3779B97F4A7C15u)) * 0xC2B2AE3D27D4EB4Fu) >> 56)


cdef const CommandRow* find_command(const uint8_t* name, uint32_t size) noexcept:
    cdef uint64_t words[2]
    cdef uint32_t at
    if size == 0 or size > LONGEST_NAME:
        return NULL
    at = lower_name(name, size, words)
    while places[at].size:
        if places[at].words[0] == words[0] and places[at].words[1] == words[1] and places[at].size == size:
            return &places[at].row
        at = (at + 1) % PLACES
    return NULL


cdef int insert(bytes name, object spec) except -1:
    cdef uint64_t words[2]
    cdef uint32_t at
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a command's name has at most {LONGEST_NAME} bytes: {name!r}")
    at = lower_name(name, len(name), words)
    while places[at].size:
        at = (at + 1) % PLACES
    places[at].words[0] = words[0]
    places[at].words[1] = words[1]
    places[at].size = len(name)
    places[at].row.id = spec.id
    places[at].row.arity = spec.arity
    places[at].row.first_key = spec.first_key
    places[at].row.family = spec.family
    places[at].row.flags = (WRITE_COMMAND * spec.is_write | BARRIER_COMMAND * spec.is_barrier
                            | NO_AUTH_COMMAND * (not spec.needs_auth))
    return 0


cdef int fill_table() except -1:
    for name, spec in _COMMANDS.items():
        insert(name, spec)
    return 0


fill_table()


def find_command_id(bytes name not None):
    cdef const CommandRow* row = find_command(<const uint8_t*>name, len(name))
    return UNKNOWN_COMMAND if row == NULL else row.id
