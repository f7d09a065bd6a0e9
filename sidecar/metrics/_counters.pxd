"""Hot counters: C integers that the hit path adds to and the scrape reads."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cpdef enum Outcome:
    HIT = 0
    STALE_HIT = 1
    MISS = 2
    NEGATIVE = 3

cdef enum:
    MAX_VIEWS = 1024         # view 0 is `_default`; a policy with more is refused
    AGE_BUCKETS = 33         # by bit length of the age in ticks
    FAMILIES = 64            # command families
    DURATION_BUCKETS = 40    # by bit length of the duration in ns

cdef class Counters:
    cdef uint64_t lookups[1024][4]          # [view][Outcome]
    cdef uint64_t served_age[1024][33]      # [view][bit length of age in ticks]
    cdef uint64_t served_age_ticks[1024]    # sum
    cdef uint64_t commands[64]              # [family]
    cdef uint64_t durations[64][40]         # [family][bit length of ns]
    cdef uint64_t duration_ns[64]
    cdef uint64_t duration_samples[64]
    cpdef void add_lookup(self, uint32_t view, Outcome outcome, uint64_t n)
    cpdef void add_served(self, uint32_t view, Outcome outcome, uint32_t age_ticks, uint64_t n)
    cpdef void add_command(self, uint32_t family, uint64_t n)
    cpdef void add_duration(self, uint32_t family, uint64_t ns)


cdef extern from *:
    """
    static inline unsigned int sidecar_bit_length(unsigned long long value) {
        return value ? 64u - (unsigned int)__builtin_clzll(value) : 0u;
    }
    """
    uint32_t bit_length "sidecar_bit_length"(uint64_t value) noexcept nogil   # 0 for 0, else 1 + floor(log2)


cdef inline void count_served(Counters counters, uint32_t view, Outcome outcome, uint32_t age_ticks, uint64_t n) noexcept:
    """n entries of a view were answered from memory at this age."""
    counters.lookups[view][<int>outcome] += n
    counters.served_age[view][bit_length(age_ticks)] += n
    counters.served_age_ticks[view] += n * age_ticks
