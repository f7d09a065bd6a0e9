"""Look-ups of the hit path: finding an item, and strings."""
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from policies._freshness cimport FRESH, STALE, Freshness, Limits, entry_jitter, freshness
from policies._table cimport RuleTable
from sidecar.memory._early cimport draws_refresh, set_fill_cost
from sidecar.memory._index cimport (
    Bucket, Slot, first_bucket, hash_of, index_find, lowest_bit, match_tags, prefetch, prefetch_lines, second_bucket,
    slot_value, tag_of, touch,
)
from sidecar.memory._items cimport (
    BUSY, EXPIRES, NEGATIVE_ITEM, REFRESHING, ROW, UNASKED, expiry_of, filled_at_of, item_key, item_rule, string_parts,
)
from sidecar.memory._machine cimport OFFSET_MASK, OLDEST_AGE
from sidecar.memory._tier cimport age_of, note_verdict, tier_close, tier_open
from sidecar.memory._views cimport NEEDS_ORIGIN, NOT_HERE, OTHER_KIND, USABLE, Probe, StringView
from sidecar.metrics._counters cimport HIT, MAX_VIEWS, NEGATIVE, STALE_HIT, Counters

import os

cdef enum:
    LARGEST_SEGMENT = 262144     # 256 KiB, from 128 MiB of memory on
    SMALLEST_SEGMENT = 4096
    SEGMENTS = 512               # at least so many: those being filled, emptied and kept spare are under 1%
    LEAST_MEMORY = 65536
    MOST_ELSEWHERE = 64


cdef uint32_t segment_bytes_for(uint64_t max_memory) noexcept:
    cdef uint32_t size = LARGEST_SEGMENT
    while size > SMALLEST_SEGMENT and max_memory // size < SEGMENTS:
        size //= 2
    return size


@cython.auto_pickle(False)
cdef class Lookups:
    """The tier's state and how it is read. See Store."""

    def __cinit__(self, uint64_t max_memory, RuleTable table not None, Counters counters not None, bytes seed=None):
        cdef uint64_t k0, k1
        seed = os.urandom(16) if seed is None else seed
        if len(seed) != 16:
            raise ValueError("the seed must have 16 bytes")
        if max_memory < LEAST_MEMORY:
            raise ValueError(f"{max_memory} bytes of memory, expected at least {LEAST_MEMORY}")
        k0 = int.from_bytes(seed[:8], "little")
        k1 = int.from_bytes(seed[8:], "little")
        tier_open(&self.tier, max_memory, segment_bytes_for(max_memory), k0, k1)
        self.counters = counters
        self.random = (k0 ^ k1 ^ <uint64_t>0x9E3779B97F4A7C15) | 1      # any state but 0
        self.use_table(table)

    def __dealloc__(self):
        tier_close(&self.tier)

    def use_table(self, RuleTable table not None):
        """Judge by another table from now on, what is here already included."""
        if self.table is not None and self.table.pattern_epoch != table.pattern_epoch:
            self.left_behind = True
        self.table = table
        self.tier.limits = table.limits
        self.tier.rules = table.count
        self.tier.generation += 1

    def set_fill_cost(self, uint32_t view, uint64_t cost_us):
        """A fill of rows and strings of this view takes so many microseconds: hits near their end refresh that early."""
        if view >= MAX_VIEWS:
            raise IndexError(view)
        set_fill_cost(&self.early[view], cost_us)

    @cython.final
    cdef bint draws_early(self, uint8_t* item, uint32_t view, uint32_t shortened, const Limits* rule) noexcept:
        """Whether a fresh hit in its view's window is to be refreshed now; the item is marked then. shortened: age and jitter."""
        if item[0] & REFRESHING or not draws_refresh(
            &self.early[view], rule.fresh_ticks - shortened, rule.fresh_ticks, &self.random
        ):
            return False
        item[0] |= REFRESHING
        self.early_refreshes += 1
        return True

    @cython.final
    cdef uint64_t hash_key(self, const uint8_t* key, size_t size) noexcept nogil:
        return hash_of(&self.tier.index, key, size)

    @cython.final
    cdef void prefetch_bucket(self, uint64_t key_hash) noexcept nogil:
        prefetch(&self.tier.index.buckets[first_bucket(&self.tier.index, key_hash)])

    @cython.final
    cdef void prefetch_item(self, uint64_t key_hash) noexcept nogil:
        """After prefetch_bucket of the same key, with some work between."""
        cdef Bucket* bucket = &self.tier.index.buckets[first_bucket(&self.tier.index, key_hash)]
        cdef uint32_t found = match_tags(bucket.tags, tag_of(key_hash))
        if found:
            prefetch_lines(&self.tier.index, slot_value(bucket, lowest_bit(found)))
        else:
            prefetch(&self.tier.index.buckets[second_bucket(&self.tier.index, key_hash)])
            if self.elsewhere_count < MOST_ELSEWHERE:
                self.elsewhere[self.elsewhere_count] = key_hash
                self.elsewhere_count += 1

    @cython.final
    cdef void chase(self) noexcept nogil:
        """Prefetch the items that are in their second bucket, a tenth of all, now that these buckets have come."""
        cdef Bucket* bucket
        cdef uint32_t i, found
        for i in range(self.elsewhere_count):
            bucket = &self.tier.index.buckets[second_bucket(&self.tier.index, self.elsewhere[i])]
            found = match_tags(bucket.tags, tag_of(self.elsewhere[i]))
            if found:
                prefetch_lines(&self.tier.index, slot_value(bucket, lowest_bit(found)))
        self.elsewhere_count = 0

    @cython.final
    cdef uint8_t* find_live(self, uint64_t key_hash, const uint8_t* key, uint32_t size, Slot* slot) noexcept:
        """The item of a key, its rule of the present patterns; NULL: none, or one past its document's expiry."""
        cdef uint8_t* item
        if self.elsewhere_count:
            self.chase()
        if not index_find(&self.tier.index, key_hash, key, size, slot):
            return NULL
        touch(slot)
        item = self.tier.arena.base + (slot_value(slot.bucket, slot.number) & OFFSET_MASK)
        if item[0] & EXPIRES and expiry_of(item) <= self.wall_ms:
            return NULL
        if item[1] != self.table.pattern_epoch or item_rule(item) >= self.table.count:
            if not self.resolve_again(item):
                return NULL
        return item if age_of(self.now, filled_at_of(item)) < OLDEST_AGE else NULL

    @cython.final
    cdef bint resolve_again(self, uint8_t* item) noexcept:
        """The patterns changed since the item came: ask the policy for its rule. False: it could not say."""
        cdef uint32_t size
        cdef const uint8_t* key = item_key(item, &size)
        cdef uint32_t rule
        try:
            rule = self.table.resolver.row_rule((<const char*>key)[:size])
        except Exception:
            return False
        if rule >= self.table.count:
            return False
        (<uint16_t*>(item + 2))[0] = <uint16_t>rule
        item[1] = self.table.pattern_epoch
        return True

    @cython.final
    cdef Probe find_string(self, uint64_t key_hash, const uint8_t* key, uint32_t size, StringView* out) noexcept:
        cdef Slot slot
        cdef uint8_t* item = self.find_live(key_hash, key, size, &slot)
        cdef const Limits* rule
        cdef uint32_t key_size, jitter
        cdef Freshness verdict
        if item == NULL:
            return NOT_HERE
        if item[0] & BUSY:
            return NEEDS_ORIGIN
        rule = &self.table.limits[item_rule(item)]
        out.age_ticks = age_of(self.now, filled_at_of(item))
        out.view = rule.view
        out.rule = <uint16_t>item_rule(item)
        out.revalidate = False
        if item[0] & (NEGATIVE_ITEM | ROW):
            if item[0] & ROW:
                return OTHER_KIND if freshness(out.age_ticks, entry_jitter(key_hash, rule), rule) == FRESH else NEEDS_ORIGIN
            if out.age_ticks >= rule.negative_ticks:
                return NEEDS_ORIGIN
            out.value = NULL
            out.size = 0
            out.outcome = NEGATIVE
        else:
            jitter = entry_jitter(key_hash, rule)
            verdict = freshness(out.age_ticks, jitter, rule)
            if verdict > STALE:
                return NEEDS_ORIGIN
            out.value = string_parts(item, &key_size, &out.size) + size
            out.outcome = HIT
            if verdict == FRESH:
                if <uint64_t>out.age_ticks + jitter + self.early[rule.view].window_ticks >= rule.fresh_ticks:
                    out.revalidate = self.draws_early(item, rule.view, out.age_ticks + jitter, rule)
            else:
                out.outcome = STALE_HIT
                out.revalidate = not item[0] & REFRESHING
                item[0] |= REFRESHING
        if item[0] & UNASKED:
            self.asked_for(item, key_hash)
        return USABLE

    @cython.final
    cdef void asked_for(self, uint8_t* item, uint64_t key_hash) noexcept nogil:
        """The first use of what was prefetched."""
        item[0] &= ~UNASKED
        note_verdict(&self.tier, key_hash, True)
