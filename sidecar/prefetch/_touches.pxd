"""Which keys were asked for: what prefetching is told of the hits, which never reach Python otherwise."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Watch:                 # what a rule's keys are looked at for
    ALONE = 1                    # each by itself says what else will be asked for
    JOINT = 2                    # only together with other keys of the request

cdef struct Touch:
    const uint8_t* key           # in what was received: valid during its connection's part of the turn
    uint32_t size
    uint16_t rule
    uint64_t key_hash


cdef class TouchLog:
    cdef readonly bint active        # anything is watched or sampled: parts are begun and ended
    cdef bint noting                 # the hot path is to call `note`; False outside of parts
    cdef uint8_t watched[65536]      # Watch bits by rule number
    cdef uint16_t pause[65536]       # ticks before a key of the rule is handed over again, by rule number
    cdef bint watching               # any rule is watched, or misses are
    # this connection's part of the turn
    cdef Touch* touches
    cdef uint32_t count
    cdef list added                  # keys of commands that went to Python
    cdef bint sampled
    cdef uint64_t connection
    cdef uint32_t now
    # what was handed over lately: direct-mapped, hash -> tick
    cdef uint32_t* recent
    cdef uint32_t allowance, allowed_at  # keys of hits that may still be handed over; the tick it was last raised
    cdef public uint32_t allowance_per_tick
    # sampling
    cdef public uint32_t sample_pause    # ticks between two samples; 0: none are taken
    cdef public uint32_t sample_window   # ticks that one lasts
    cdef uint64_t sampled_connection
    cdef uint32_t sample_begun, sample_until, sample_next
    cdef bint sampling               # one is under way
    cdef list basket                 # (tick since its begin, part, key) of the sample under way
    cdef uint32_t part               # number of the part within the sample
    # taken by Python
    cdef list groups, baskets

    cdef int begin_part(self, uint64_t connection, uint32_t now) except -1
    cdef int end_part(self) except -1
    cdef void forget_part(self) noexcept
    cdef bint is_new(self, uint64_t key_hash, uint32_t pause) noexcept
    cdef void raise_allowance(self) noexcept
    cdef int sample(self) except -1
    cdef bytes key_of(self, uint32_t i)
    cdef bint has_news(self) noexcept
    cdef inline void note(self, const uint8_t* key, uint32_t size, uint64_t key_hash, uint32_t rule) noexcept nogil:
        """One key was answered from memory. Only while `noting`."""
        cdef Touch* touch
        if (self.watched[rule] or self.sampled) and self.count < MOST_TOUCHES:
            touch = &self.touches[self.count]
            touch.key = key
            touch.size = size
            touch.rule = <uint16_t>rule
            touch.key_hash = key_hash
            self.count += 1

cdef enum:
    MOST_TOUCHES = 1024              # of one connection's part of a turn
