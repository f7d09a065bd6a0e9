"""The verdict on an entry's age, for Python: the enums, and the inline functions of the .pxd under names that tests call."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t


cdef int read_limits(object row, Limits* limits) except -1:
    """Fill ``limits`` from (fresh, stale, error, negative, jitter, view, flags); OverflowError where one does not fit."""
    fresh, stale, error, negative, jitter, view, flags = row
    limits.fresh_ticks = <uint32_t?>fresh
    limits.stale_ticks = <uint32_t?>stale
    limits.error_ticks = <uint32_t?>error
    limits.negative_ticks = <uint32_t?>negative
    limits.jitter_ticks = <uint32_t?>jitter
    limits.view = <uint16_t?>view
    limits.flags = <uint8_t?>flags
    limits.reserved = 0
    return 0


def judge(uint32_t age, uint32_t jitter, row):
    """``freshness`` of an age and a jitter in ticks under the limits that ``row`` lists, as RuleTable takes them."""
    cdef Limits limits
    read_limits(row, &limits)
    return freshness(age, jitter, &limits)


def jitter_of(uint64_t key_hash, row):
    """``entry_jitter`` of a key's hash under the limits that ``row`` lists."""
    cdef Limits limits
    read_limits(row, &limits)
    return entry_jitter(key_hash, &limits)
