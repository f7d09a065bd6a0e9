"""Hot counters: bodies and what the scrape reads. All state is explained in the .pxd."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset


OUTCOMES = ("hit", "stale", "miss", "negative")   # labels, by Outcome


@cython.final
@cython.auto_pickle(False)
cdef class Counters:
    """Counters of one process. A fresh object is all zeros: CPython clears the memory of new instances."""

    cpdef void add_lookup(self, uint32_t view, Outcome outcome, uint64_t n):
        """n entries of a view had this outcome; ages are counted by count_served."""
        self.lookups[view][<int>outcome] += n

    cpdef void add_served(self, uint32_t view, Outcome outcome, uint32_t age_ticks, uint64_t n):
        """n entries of a view were answered from memory at this age."""
        if view >= MAX_VIEWS:
            raise IndexError(view)
        count_served(self, view, outcome, age_ticks, n)

    cpdef void add_command(self, uint32_t family, uint64_t n):
        """n commands of a family were answered."""
        self.commands[family] += n

    cpdef void add_duration(self, uint32_t family, uint64_t ns):
        """One sampled command of a family took this long."""
        self.durations[family][min(bit_length(ns), DURATION_BUCKETS - 1)] += 1
        self.duration_ns[family] += ns
        self.duration_samples[family] += 1

    def lookups_of(self, uint32_t view):
        """{outcome: entries} of one view."""
        cdef int outcome
        if view >= MAX_VIEWS:
            raise IndexError(view)
        return {OUTCOMES[outcome]: self.lookups[view][outcome] for outcome in range(4)}

    def served_of(self, uint32_t view):
        """(entries answered by bit length of their age in ticks, sum of their ages in ticks) of one view."""
        cdef uint32_t i
        if view >= MAX_VIEWS:
            raise IndexError(view)
        return [self.served_age[view][i] for i in range(AGE_BUCKETS)], self.served_age_ticks[view]

    def commands_of(self, uint32_t family):
        """Commands of one family."""
        if family >= FAMILIES:
            raise IndexError(family)
        return self.commands[family]

    def durations_of(self, uint32_t family):
        """(sampled commands by bit length of their duration in ns, sum in ns, samples) of one family."""
        cdef uint32_t i
        if family >= FAMILIES:
            raise IndexError(family)
        counts = [self.durations[family][i] for i in range(DURATION_BUCKETS)]
        return counts, self.duration_ns[family], self.duration_samples[family]

    def copy(self, uint32_t views):
        """All of one moment, of the first `views` views: what a reader may take its time over."""
        cdef Counters other = Counters.__new__(Counters)
        views = min(views, MAX_VIEWS)
        memcpy(other.lookups, self.lookups, views * sizeof(self.lookups[0]))
        memcpy(other.served_age, self.served_age, views * sizeof(self.served_age[0]))
        memcpy(other.served_age_ticks, self.served_age_ticks, views * sizeof(uint64_t))
        memcpy(other.commands, self.commands, sizeof(self.commands))
        memcpy(other.durations, self.durations, sizeof(self.durations))
        memcpy(other.duration_ns, self.duration_ns, sizeof(self.duration_ns))
        memcpy(other.duration_samples, self.duration_samples, sizeof(self.duration_samples))
        return other

    def totals(self, uint32_t views):
        """({outcome: entries of the first `views` views}, commands of all families)."""
        cdef uint32_t view, family
        cdef int outcome
        cdef uint64_t entries[4]
        cdef uint64_t commands = 0
        memset(entries, 0, sizeof(entries))
        for view in range(min(views, MAX_VIEWS)):
            for outcome in range(4):
                entries[outcome] += self.lookups[view][outcome]
        for family in range(FAMILIES):
            commands += self.commands[family]
        return {OUTCOMES[outcome]: entries[outcome] for outcome in range(4)}, commands
