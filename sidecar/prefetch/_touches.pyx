"""Bodies of the touch log, see the .pxd.

The hot path notes the keys that memory answered, 24 bytes each and no Python object; the dispatcher adds those of the
commands that went to it. At the end of a connection's part of a turn they become a group: what one client asked for
together. A key is handed to Python again only after its rule's pause, and hits no more often than the allowance lets,
so that a hit's cost does not depend on what prefetching makes of it. What needs several keys (JOINT) is handed over
again when the combination is new.

Samples are for learning: now and then everything that one connection asks for within a window.
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

cdef extern from *:
    """
    #define SIDECAR_SPREAD 0x9E3779B97F4A7C15ULL    /* 2**64 divided by the golden ratio: any odd number would do */
    """
    const uint64_t SPREAD "SIDECAR_SPREAD"

cdef enum:
    RECENT = 16384                   # 64 KiB: half of a second-level cache's share at most
    ALLOWED_AT_ONCE_TICKS = 5        # the allowance comes in lumps: looking at 50 keys costs less than at 10 five times,
                                     # for what it needs leaves the caches in between
    MOST_ALLOWED_TICKS = 10          # it is saved up for so long
    MOST_SAMPLED = 192               # keys of one sample: looking at one is about 3 us


@cython.final
@cython.auto_pickle(False)
cdef class TouchLog:
    """Inactive until something is watched or sampled."""

    def __cinit__(self):
        self.allowance_per_tick = 10
        self.groups = []
        self.baskets = []
        self.basket = []

    def __dealloc__(self):
        free(self.touches)
        free(self.recent)

    def watch(self, rules, bint misses=False):
        """Watch these rules and no others.

        Args:
            rules: {rule number: (Watch bits, ticks of pause)}.
            misses: hand over the keys of misses, also where no rule is watched.
        """
        memset(self.watched, 0, sizeof(self.watched))
        for rule, (bits, pause) in rules.items():
            self.watched[<uint16_t?>rule] = <uint8_t?>bits
            self.pause[<uint16_t>rule] = <uint16_t>min(max(pause, 1), 0xFFFF)
        self.watching = bool(rules) or misses
        self.decide()

    def take_samples(self, uint32_t window, uint32_t pause):
        """Sample a connection for `window` ticks, then none for `pause` ticks; window 0: no more."""
        self.sample_window = window
        self.sample_pause = pause
        if not window:
            self.sampling = False
            self.basket = []
        self.decide()

    def decide(self):
        """Whether there is anything to do at all."""
        self.active = self.watching or self.sample_window
        if self.active and self.touches == NULL:
            self.touches = <Touch*>malloc(MOST_TOUCHES * sizeof(Touch))
            self.recent = <uint32_t*>calloc(RECENT, sizeof(uint32_t))
            if self.touches == NULL or self.recent == NULL:
                raise MemoryError
        if not self.active:
            self.forget_part()

    cdef int begin_part(self, uint64_t connection, uint32_t now) except -1:
        """A connection's commands of this turn come. Only while `active`."""
        self.now = now
        self.connection = connection
        self.count = 0
        self.added = None
        if self.sample_window:
            if self.sampling and <int>(now - self.sample_until) >= 0:
                self.end_sample()
            if not self.sampling and <int>(now - self.sample_next) >= 0:
                self.sampling = True
                self.sampled_connection = connection
                self.sample_begun = now
                self.sample_until = now + self.sample_window
                self.part = 0
        self.sampled = self.sampling and connection == self.sampled_connection and len(self.basket) < MOST_SAMPLED
        self.noting = self.watching or self.sampled
        return 0

    def end_sample(self):
        """What was sampled is whole."""
        if len(self.basket) > 1:
            self.baskets.append(self.basket)
        self.basket = []
        self.sampling = False
        self.sample_next = self.now + self.sample_pause

    def add(self, keys):
        """Keys of a command that goes to Python."""
        if self.noting:
            if self.added is None:
                self.added = list(keys[:MOST_TOUCHES])
            elif len(self.added) < MOST_TOUCHES:
                self.added.extend(keys)

    cdef void forget_part(self) noexcept:
        self.noting = False
        self.count = 0
        self.added = None

    cdef bint has_news(self) noexcept:
        return self.groups is not None and (len(self.groups) != 0 or len(self.baskets) != 0)

    def take(self):
        """What came since the last call.

        Returns:
            (groups, samples). A group: keys that one connection asked for in one turn. A sample: (ticks since its begin,
            number of the turn, key) in order.
        """
        groups, baskets = self.groups, self.baskets
        self.groups, self.baskets = [], []
        return groups, baskets

    cdef bint is_new(self, uint64_t key_hash, uint32_t pause) noexcept:
        """Not handed over within the pause. It is taken to be handed over now."""
        cdef uint32_t* place = &self.recent[key_hash >> 16 & (RECENT - 1)]
        cdef uint32_t tag = <uint32_t>(key_hash >> 48) << 16
        cdef uint16_t passed = <uint16_t>(self.now - place[0])
        if place[0] & 0xFFFF0000 == tag and passed < pause:
            return False
        place[0] = tag | (self.now & 0xFFFF)
        return True

    cdef void raise_allowance(self) noexcept:
        cdef uint32_t ticks = self.now - self.allowed_at
        if ticks >= ALLOWED_AT_ONCE_TICKS:
            if ticks > MOST_ALLOWED_TICKS:
                ticks = MOST_ALLOWED_TICKS
            self.allowed_at = self.now
            self.allowance = min(self.allowance + ticks * self.allowance_per_tick, MOST_ALLOWED_TICKS * self.allowance_per_tick)

    cdef int end_part(self) except -1:
        """The connection's commands were run: what is worth handing over becomes a group."""
        cdef uint32_t i
        cdef Touch* touch
        cdef uint8_t bits
        cdef uint64_t together = 0
        cdef uint32_t pause = 0xFFFF
        cdef bint joint
        cdef list keys = None
        self.noting = False
        if not self.count and self.added is None:
            return 0
        if self.sampled:
            self.sample()
        if not self.watching:
            return 0
        if self.added is not None:
            keys = self.added
            self.added = None
        self.raise_allowance()
        for i in range(self.count):
            touch = &self.touches[i]
            if self.watched[touch.rule] & JOINT:
                together += touch.key_hash * SPREAD
                pause = min(pause, <uint32_t>self.pause[touch.rule])
        joint = together != 0 and (keys is not None or (self.allowance and self.is_new(together, pause)))
        for i in range(self.count):
            touch = &self.touches[i]
            bits = self.watched[touch.rule]
            if (bits & JOINT and joint) or (
                bits & ALONE and self.allowance and self.is_new(touch.key_hash, self.pause[touch.rule])
            ):
                if self.allowance:
                    self.allowance -= 1
                if keys is None:
                    keys = []
                keys.append(self.key_of(i))
        if keys is not None:
            self.groups.append(keys)
        return 0

    cdef bytes key_of(self, uint32_t i):
        return PyBytes_FromStringAndSize(<const char*>self.touches[i].key, self.touches[i].size)

    cdef int sample(self) except -1:
        """Everything that the sampled connection asked for in this part."""
        cdef uint32_t i
        cdef uint32_t at = self.now - self.sample_begun
        self.part += 1
        for i in range(self.count):
            if len(self.basket) == MOST_SAMPLED:
                break
            self.basket.append((at, self.part, self.key_of(i)))
        if self.added is not None:
            for key in self.added[:MOST_SAMPLED - len(self.basket)]:
                self.basket.append((at, self.part, key))
        return 0

    # for tests: what the hot path and the poller do

    def begin(self, uint64_t connection, uint32_t now):
        """begin_part, where anything is watched or sampled."""
        if self.active:
            self.begin_part(connection, now)

    def touch(self, bytes key not None, uint32_t rule):
        """note, as the hot path does."""
        if self.noting:
            self.note(<const uint8_t*><const char*>key, <uint32_t>len(key), <uint64_t>(<object>hash(key) & 0xFFFFFFFFFFFFFFFF), rule)

    def end(self):
        """end_part."""
        if self.active:
            self.end_part()
