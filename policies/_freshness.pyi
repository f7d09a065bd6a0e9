from collections.abc import Sequence
from enum import IntEnum

class Freshness(IntEnum):
    FRESH = 0
    STALE = 1
    ERROR_ONLY = 2
    EXPIRED = 3

class RuleFlag(IntEnum):
    NIL_IF_UNAVAILABLE = 1
    FEAST_TIMESTAMP = 2
    FEAST_ROW = 4

def judge(age: int, jitter: int, row: Sequence[int]) -> Freshness: ...
def jitter_of(key_hash: int, row: Sequence[int]) -> int: ...
