"""Command names to numbers: what the hot path switches on."""
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t

cpdef enum CommandId:
    UNKNOWN_COMMAND = 0
    GET = 1
    MGET = 2
    HGET = 3
    HMGET = 4
    HGETALL = 5
    PING = 6
    SET = 7
    HSET = 8
    EXISTS = 9
    LAST_FIXED = 31      # ids above are handed out in command_table's order


cpdef enum CommandFlag:
    WRITE_COMMAND = 1
    BARRIER_COMMAND = 2      # waits for all earlier commands of its connection
    NO_AUTH_COMMAND = 4      # allowed before AUTH


cdef struct CommandRow:
    uint16_t id
    int16_t arity            # Redis's: negative = at least
    uint16_t flags           # CommandFlag bits
    int16_t first_key        # 0: no keys
    uint16_t family          # number of the metric label, see commands.FAMILIES


cdef const CommandRow* find_command(const uint8_t* name, uint32_t size) noexcept   # case-insensitive; NULL: unknown
