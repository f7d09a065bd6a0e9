from enum import IntEnum, IntFlag

class CommandId(IntEnum):
    """What the hot path switches on."""

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
    LAST_FIXED = 31

class CommandFlag(IntFlag):
    """Bits of a row's flags."""

    WRITE_COMMAND = 1
    BARRIER_COMMAND = 2
    NO_AUTH_COMMAND = 4

def find_command_id(name: bytes) -> int:
    """The id the hot path finds for a name in any case; 0: unknown."""
