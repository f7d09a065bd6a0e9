"""How far past its ttl an answer from memory may be."""

from enum import IntEnum


class Window(IntEnum):
    """What a look-up accepts; each includes the ones before."""

    FRESH = 0
    STALE = 1  # stale-while-revalidate: the caller refreshes behind
    ERROR = 2  # stale-if-error: only while the origin fails
