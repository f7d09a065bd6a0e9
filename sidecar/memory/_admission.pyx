"""Admission of what is prefetched: never at the cost of an entry that somebody asked for.

It comes into a queue of its own. With the first of it some segments are set apart for that queue: what is demanded
makes room as if they were taken, so filling them costs nothing that is demanded. Beyond them it takes only memory that
is free, and eviction begins with what it took (`begin_eviction`). Its oldest segment is emptied ahead of need, item by
item within a cap: what was asked for meanwhile moves on to the queues of what is demanded, the rest leaves.
"""
from libc.stdint cimport uint32_t, uint64_t

from sidecar.memory._arena cimport PREFETCHED, Queue, unlink_segment
from sidecar.memory._eviction cimport SPARE, empty_segment
from sidecar.memory._machine cimport ANY_AMOUNT, NO_SEGMENT
from sidecar.memory._tier cimport Tier, spare_segments

cdef enum:
    PREFETCH_SHARE = 64      # of all segments, one in so many is set apart
    LEAST_SEGMENTS = 2       # one to fill while the other is emptied
    MOST_ITEMS = 128         # looked at per install
    MOST_BYTES = 65536       # moved per install, one item more at most


cdef bint make_speculative_room(Tier* tier, uint32_t size) noexcept nogil:
    """Before an item of `size` bytes is placed in the queue of what is prefetched. False: there is no room for it."""
    cdef Queue* queue = &tier.arena.queues[PREFETCHED]
    cdef uint32_t used
    if tier.prefetch_segments == 0:
        tier.prefetch_segments = tier.arena.capacity // PREFETCH_SHARE
        if tier.prefetch_segments < LEAST_SEGMENTS:
            tier.prefetch_segments = LEAST_SEGMENTS
    recycle(tier)
    if queue.newest != NO_SEGMENT:
        used = tier.arena.segments[queue.newest].used if tier.arena.segments[queue.newest].live else 0
        if used + size + 4 <= tier.arena.segment_bytes:
            return True
    if in_use(tier) < tier.prefetch_segments:
        return spare_segments(tier) >= SPARE
    return spare_segments(tier) > SPARE


cdef uint32_t in_use(const Tier* tier) noexcept nogil:
    return tier.arena.queues[PREFETCHED].count + (tier.recycling.segment != NO_SEGMENT)


cdef void recycle(Tier* tier) noexcept nogil:
    """Go on emptying the oldest segment once all that were set apart are filled and memory has none to give."""
    cdef Queue* queue = &tier.arena.queues[PREFETCHED]
    cdef uint32_t items = MOST_ITEMS
    cdef uint64_t bytes_ = MOST_BYTES
    if tier.recycling.segment == NO_SEGMENT:
        if queue.count < tier.prefetch_segments or queue.count < LEAST_SEGMENTS or spare_segments(tier) > SPARE:
            return
        tier.recycling.segment = queue.oldest
        tier.recycling.at = 0
        tier.recycling.keep = False
        unlink_segment(&tier.arena, queue.oldest)
    empty_segment(tier, &tier.recycling, &items, &bytes_, ANY_AMOUNT)
