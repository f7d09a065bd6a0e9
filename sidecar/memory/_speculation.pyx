"""What prefetching asks of memory: what would have to be fetched, and what became of what was."""
cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from policies._freshness cimport FEAST_TIMESTAMP, Limits, entry_jitter
from sidecar.memory._borrowed cimport data_of
from sidecar.memory._index cimport Slot
from sidecar.memory._items cimport BUSY, EXPIRES, NEGATIVE_ITEM, REFRESHING, ROW, SIDE_MIXED, expiry_of, filled_at_of, item_rule
from sidecar.memory._tier cimport age_of
from sidecar.memory._views cimport RowView

cdef enum:
    AHEAD_SHARE = 8          # an entry is about to expire in the last eighth of its ttl
    MOST_AHEAD = 100         # and in its last second
    MS_PER_TICK = 10


cdef inline uint32_t ahead_of(uint32_t fresh_ticks) noexcept:
    return min(fresh_ticks // AHEAD_SHARE, <uint32_t>MOST_AHEAD)


cdef inline bint runs_out(uint32_t age, uint64_t key_hash, const Limits* rule) noexcept:
    """Not fresh, or soon not. What is never fresh is not: it cannot be prefetched."""
    return rule.fresh_ticks != 0 and <uint64_t>age + entry_jitter(key_hash, rule) + ahead_of(rule.fresh_ticks) >= rule.fresh_ticks


@cython.auto_pickle(False)
cdef class Speculation(Answers):
    """See Store."""

    def wants_prefetch(self, list keys not None):
        """Those of the keys that are not here, not whole, or about to expire, and that nobody refreshes or writes.

        Those that are here are marked as being refreshed: an install takes the mark away, or `clear_refreshing`.
        """
        return [key for key in keys if self.wants(key)]

    cdef bint wants(self, bytes key) except -1:
        cdef Slot slot
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t key_hash = self.hash_key(data_of(key), size)
        cdef uint8_t* item = self.find_for_write(key, &slot)      # a guess is no use: its frequency stays
        cdef const Limits* rule
        cdef uint32_t age
        cdef bint wanted
        if item == NULL:
            return True
        if (item[1] != self.table.pattern_epoch or item_rule(item) >= self.table.count) and not self.resolve_again(item):
            return False
        if item[0] & (BUSY | REFRESHING):
            return False
        rule = &self.table.limits[item_rule(item)]
        age = age_of(self.now, filled_at_of(item))
        if item[0] & NEGATIVE_ITEM:
            wanted = rule.negative_ticks != 0 and age + ahead_of(rule.negative_ticks) >= rule.negative_ticks
        elif item[0] & ROW:
            wanted = self.wants_row(item, key_hash)
        else:
            wanted = runs_out(age, key_hash, rule)
        if not wanted and item[0] & EXPIRES:
            wanted = expiry_of(item) <= self.wall_ms + ahead_of(rule.fresh_ticks) * MS_PER_TICK
        if wanted:
            item[0] |= REFRESHING
        return wanted

    cdef bint wants_row(self, uint8_t* item, uint64_t key_hash) noexcept:
        cdef RowView row
        cdef const Limits* limits
        cdef uint32_t place
        if self.fill_row_view(item, key_hash, &row) < 0:
            return False
        if not row.whole or row.parts.shape & SIDE_MIXED:
            return True
        for place in range(row.plan.classes):
            limits = &self.table.limits[row.plan.rules[place]]
            if not limits.flags & FEAST_TIMESTAMP and runs_out(row.age_ticks, key_hash, limits):
                return True
        return False

    def prefetch_id(self, bytes key not None):
        """What `take_verdicts` calls a key."""
        return self.hash_key(data_of(key), <size_t>PyBytes_GET_SIZE(key)) & ~<uint64_t>1

    def take_verdicts(self):
        """What became of prefetched items since the last call: each one's `prefetch_id`, plus 1 where it was used.

        The others left unasked: evicted, expired, dropped or replaced.
        """
        cdef uint32_t i
        cdef list verdicts
        if not self.tier.verdict_count:
            return []
        verdicts = [self.tier.verdicts[i] for i in range(self.tier.verdict_count)]
        self.tier.verdict_count = 0
        return verdicts
