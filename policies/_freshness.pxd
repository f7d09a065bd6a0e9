"""The verdict on one cached value's age: the compare that every hit pays."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cpdef enum Freshness:
    FRESH = 0      # answer from memory
    STALE = 1      # answer from memory, revalidate behind
    ERROR_ONLY = 2 # usable only while the origin fails
    EXPIRED = 3    # never usable


cpdef enum RuleFlag:
    NIL_IF_UNAVAILABLE = 1   # on_unavailable: nil
    FEAST_TIMESTAMP = 2      # a `_ts:` field: lives as long as the fields asked beside it
    FEAST_ROW = 4            # row rule of a Feast hash: fills are always whole rows


cdef struct Limits:              # one rule of the policy table, in 10 ms ticks
    uint32_t fresh_ticks         # ttl
    uint32_t stale_ticks         # ttl + stale_while_revalidate
    uint32_t error_ticks         # stale_ticks + stale_if_error
    uint32_t negative_ticks      # negative_ttl
    uint32_t jitter_ticks        # the most that jitter shortens ttl by
    uint16_t view                # index into the counters of lookups_total{view}
    uint8_t flags                # RuleFlag bits
    uint8_t reserved


cdef inline uint32_t entry_jitter(uint64_t key_hash, const Limits* rule) noexcept nogil:
    """The entry's own share of its rule's jitter: deterministic, uniform in [0, jitter_ticks]."""
    return <uint32_t>(((key_hash >> 24) & 0xFFFF) * (<uint64_t>rule.jitter_ticks + 1) >> 16)


cdef inline Freshness freshness(uint32_t age, uint32_t jitter, const Limits* rule) noexcept nogil:
    """age: now - filled_at, unsigned, so right across the wrap; jitter: the entry's own share of ttl."""
    cdef uint64_t shortened = <uint64_t>age + jitter  # every window shortens alike: a hard limit is never longer
    if shortened < rule.fresh_ticks:
        return FRESH
    if shortened < rule.stale_ticks:
        return STALE
    return ERROR_ONLY if shortened < rule.error_ticks else EXPIRED


cdef int read_limits(object row, Limits* limits) except -1
