"""The policy compiled to integers: an array of Limits by rule number, immutable once built."""
from libc.stdint cimport uint8_t, uint32_t
from policies._freshness cimport Limits


cdef class RuleTable:
    cdef Limits* limits              # by rule number; rule 0 is the default view's
    cdef readonly uint32_t count     # rules; every rule number ever handed out stays below it
    cdef readonly uint32_t generation      # of the policy that it was made from
    cdef readonly uint8_t pattern_epoch    # bumped when key or feature patterns change: older entries are resolved again
    cdef readonly object resolver          # Python: resolver.row_rule(key: bytes) -> int; resolver.field_rules(row_rule: int, names: Sequence[bytes]) -> list[int]
