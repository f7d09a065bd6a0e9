"""Hot counters: bodies and what the scrape reads. All state is explained in the .pxd."""
cimport cython
from libc.stdint cimport uint32_t, uint64_t


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
        return {OUTCOMES[outcome]: self.lookups[view][outcome] for outcome in range(4)}

    def snapshot(self, uint32_t views, uint32_t families):
        """All counters of the first `views` views and `families` families.

        Returns:
            {"lookups": {view: {outcome: n}},
             "served_age": {view: (counts by bit length of the age in ticks, sum of ages in ticks)},
             "commands": {family: n},
             "durations": {family: (counts by bit length of the duration in ns, sum in ns, samples)}}
        """
        cdef uint32_t view, family, i
        served, durations = {}, {}
        for view in range(min(views, MAX_VIEWS)):
            served[view] = ([self.served_age[view][i] for i in range(AGE_BUCKETS)], self.served_age_ticks[view])
        for family in range(min(families, FAMILIES)):
            durations[family] = (
                [self.durations[family][i] for i in range(DURATION_BUCKETS)],
                self.duration_ns[family],
                self.duration_samples[family],
            )
        return {
            "lookups": {view: self.lookups_of(view) for view in range(min(views, MAX_VIEWS))},
            "served_age": served,
            "commands": {family: self.commands[family] for family in range(min(families, FAMILIES))},
            "durations": durations,
        }
