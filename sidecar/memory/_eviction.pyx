"""S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak: FIFO queues are all you need for cache eviction, SOSP 2023) over segments.

New items come into the small queue, a tenth of what is live. The oldest segment of a queue is emptied item by item: from the
small queue, what was asked for again moves to the main queue and the rest leaves, its key remembered among the ghosts; in
the main queue, what was asked for goes round again with its frequency lowered, the rest leaves. A key that comes back
while it is a ghost goes into the main queue at once, so a scan passes through the small queue without harm.

Work is capped: a write looks at MOST_ITEMS items and copies MOST_BYTES at most, and frees twice its own size while
spare segments are few, so that segments become free before they are needed. A segment that is more than half dead is
compacted instead: its live items move on within their queue.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from sidecar.memory._arena cimport (
    DRAINING, FREE, MAIN, PREFETCHED, QUEUES, SMALL, Segment, free_segment, trim_segments, unlink_segment,
)
from sidecar.memory._ghosts cimport ghosts_add, ghosts_resize, ghosts_take
from sidecar.memory._index cimport (
    Slot, frequency_of, hash_of, index_begin_growth, index_find_offset, index_grow_step, index_growth_bytes,
    index_wants_growth, slot_value,
)
from sidecar.memory._items cimport DEAD, PAD, UNASKED, item_key, item_size
from sidecar.memory._machine cimport ANY_AMOUNT, NO_SEGMENT, NOWHERE, check
from sidecar.memory._tier cimport Drain, drop_item, is_expired, kill, move_item, small_bytes, spare_segments

cdef enum:
    MOST_ITEMS = 512         # looked at per write: about 0.1 ms
    MOST_BYTES = 262144      # copied per write, one item more at most
    SMALL_SHARE = 10         # the small queue is one part in ten
    MOVE_AT = 2              # uses that take an item from the small queue to the main one, as in the authors' own code
    LOOKED_AT = 16           # segments looked at for being mostly dead, per write
    GROW_BUCKETS = 2         # moved per new key: a growth by an eighth ends half way to the next


cdef uint32_t queue_for_new(Tier* tier, uint64_t key_hash) noexcept nogil:
    return MAIN if ghosts_take(&tier.ghosts, key_hash) else SMALL


cdef void remember_ghost(Tier* tier, uint64_t key_hash) noexcept nogil:
    """The ghost queue is as long as the main queue; it is made anew when the number of entries has changed much."""
    cdef uint64_t wanted = tier.index.entries * 9 // 10 + 16
    if wanted > 0x7FFFFFFF:
        wanted = 0x7FFFFFFF
    if tier.ghosts.length < wanted // 2 or tier.ghosts.length > 2 * wanted:
        ghosts_resize(&tier.ghosts, <uint32_t>wanted)
    ghosts_add(&tier.ghosts, key_hash)


cdef void settle(Tier* tier, Drain* drain, uint8_t* item, uint64_t offset) noexcept nogil:
    """Decide one live item of a segment that is being emptied: it moves on or leaves."""
    cdef uint32_t key_size
    cdef const uint8_t* key = item_key(item, &key_size)
    cdef uint64_t key_hash = hash_of(&tier.index, key, key_size)
    cdef uint32_t queue = tier.arena.segments[drain.segment].origin_queue
    cdef uint32_t frequency
    cdef Slot slot
    if not index_find_offset(&tier.index, key_hash, offset, &slot):
        check(False)             # a live item is always in the index
        kill(tier, offset)
        return
    if is_expired(tier, item):
        tier.expired += 1
        drop_item(tier, &slot)
        return
    frequency = frequency_of(slot_value(slot.bucket, slot.number))
    if drain.keep:
        if move_item(tier, &slot, queue, frequency):
            return
    elif queue == PREFETCHED:
        if not item[0] & UNASKED and move_item(tier, &slot, MAIN if frequency >= MOVE_AT else SMALL, 0):
            return                   # it was asked for: from here on an entry like any other
    elif queue == SMALL:
        if frequency >= MOVE_AT and move_item(tier, &slot, MAIN, 0):
            return
        remember_ghost(tier, key_hash)
    elif frequency and move_item(tier, &slot, MAIN, frequency - 1):
        return
    tier.evicted += 1
    drop_item(tier, &slot)


cdef uint64_t live_bytes(const Tier* tier) noexcept nogil:
    return tier.arena.queues[SMALL].live + tier.arena.queues[MAIN].live + tier.arena.queues[PREFETCHED].live


cdef uint64_t empty_segment(Tier* tier, Drain* drain, uint32_t* items, uint64_t* bytes_, uint64_t want) noexcept nogil:
    """Go on emptying until `want` bytes are freed or *items or *bytes_ (to copy) are used up. Returns bytes freed."""
    cdef Segment* segment = &tier.arena.segments[drain.segment]
    cdef uint64_t base = <uint64_t>drain.segment << tier.arena.shift
    cdef uint64_t freed = 0
    cdef uint64_t live
    cdef uint32_t size
    cdef uint8_t* item
    while drain.at < segment.used and items[0] and bytes_[0] and freed < want:
        item = tier.arena.base + base + drain.at
        if item[0] == PAD:
            drain.at += 2
            continue
        size = item_size(item)
        check(size and drain.at + size <= segment.used)
        if not item[0] & DEAD:
            live = live_bytes(tier)
            settle(tier, drain, item, base + drain.at)
            if live_bytes(tier) < live:
                freed += size
            else:
                bytes_[0] = bytes_[0] - size if bytes_[0] > size else 0
            items[0] -= 1
        else:
            freed += size
        drain.at += size
    if drain.at >= segment.used:
        check(segment.live == 0)
        free_segment(&tier.arena, drain.segment)
        drain.segment = NO_SEGMENT
    return freed


cdef bint find_sparse(Tier* tier) noexcept nogil:
    """Take a full segment that is more than half dead out of its queue, to be compacted."""
    cdef uint32_t looked
    cdef Segment* segment
    for looked in range(min(<uint32_t>LOOKED_AT, tier.arena.ever)):
        tier.compact_hand += 1
        if tier.compact_hand >= tier.arena.ever:
            tier.compact_hand = 0
        segment = &tier.arena.segments[tier.compact_hand]
        if (
            segment.queue < QUEUES
            and tier.arena.queues[segment.queue].newest != tier.compact_hand
            and 2 * segment.live < segment.used
        ):
            unlink_segment(&tier.arena, tier.compact_hand)
            tier.compacting.segment = tier.compact_hand
            tier.compacting.at = 0
            tier.compacting.keep = True
            return True
    return False


cdef bint begin_eviction(Tier* tier) noexcept nogil:
    """Take the oldest segment of the queue that is over its share: first of what was prefetched beyond its room."""
    cdef uint64_t small = tier.arena.queues[SMALL].live
    cdef uint32_t queue = SMALL if small * SMALL_SHARE > small + tier.arena.queues[MAIN].live else MAIN
    cdef uint32_t number
    if tier.arena.queues[PREFETCHED].count > tier.prefetch_segments:
        queue = PREFETCHED
    number = tier.arena.queues[queue].oldest
    if number == NO_SEGMENT:
        number = tier.arena.queues[SMALL if queue == MAIN else MAIN].oldest
    if number == NO_SEGMENT:
        return False
    unlink_segment(&tier.arena, number)
    tier.evicting.segment = number
    tier.evicting.at = 0
    tier.evicting.keep = False
    return True


cdef void make_room(Tier* tier, uint32_t size) noexcept nogil:
    """Before `size` bytes are placed: while spare segments are few, free an eighth more than that.

    What an earlier write freed beyond its due counts, and what it failed to free within its cap is owed: freeing ahead
    of need costs hits.
    """
    cdef uint32_t items = MOST_ITEMS
    cdef uint64_t bytes_ = MOST_BYTES
    cdef int64_t wanted = SPARE
    if index_wants_growth(&tier.index):
        wanted += 1 + (index_growth_bytes(&tier.index) >> tier.arena.shift)
    if tier.prefetch_segments > tier.arena.queues[PREFETCHED].count:
        wanted += tier.prefetch_segments - tier.arena.queues[PREFETCHED].count       # not for what is demanded
    if spare_segments(tier) >= wanted:
        tier.freed_ahead = 0
        tier.seen_bytes = small_bytes(tier)
        return
    tier.freed_ahead -= size + (size >> 3)
    if small_bytes(tier) > tier.seen_bytes:
        tier.freed_ahead -= small_bytes(tier) - tier.seen_bytes
    tier.seen_bytes = small_bytes(tier)
    if tier.freed_ahead < -MOST_BYTES:
        tier.freed_ahead = -MOST_BYTES
    while items and bytes_ and tier.freed_ahead < 0 and spare_segments(tier) < wanted:
        if tier.compacting.segment != NO_SEGMENT or find_sparse(tier):
            tier.freed_ahead += empty_segment(tier, &tier.compacting, &items, &bytes_, <uint64_t>-tier.freed_ahead)
        elif tier.evicting.segment != NO_SEGMENT or begin_eviction(tier):
            tier.freed_ahead += empty_segment(tier, &tier.evicting, &items, &bytes_, <uint64_t>-tier.freed_ahead)
        else:
            return


cdef void maintain_index(Tier* tier) noexcept nogil:
    """Grow when it is time and the budget has room, a little per new key."""
    cdef uint64_t victims[16]
    cdef uint64_t lost
    if index_wants_growth(&tier.index):
        if <int64_t>(index_growth_bytes(&tier.index) >> tier.arena.shift) + 2 <= spare_segments(tier):
            trim_segments(&tier.arena)
            index_begin_growth(&tier.index)
    lost = index_grow_step(&tier.index, GROW_BUCKETS, victims, 16)
    while lost:
        lost -= 1
        tier.crowded_out += 1
        kill(tier, victims[lost])
    if tier.arena.warm_count and <int64_t>tier.arena.warm_count > spare_segments(tier):
        trim_segments(&tier.arena)       # free segments that keep their pages count as well



cdef uint64_t compact(Tier* tier, uint64_t max_bytes) noexcept nogil:
    """Give back the room of dead items, copying at most about max_bytes. Returns how much was freed."""
    cdef uint32_t items = ANY_AMOUNT
    cdef uint64_t freed = 0
    cdef uint64_t left = max_bytes
    while left and spare_segments(tier) >= 1 and (tier.compacting.segment != NO_SEGMENT or find_sparse(tier)):
        freed += empty_segment(tier, &tier.compacting, &items, &left, NOWHERE)
    return freed


cdef bint drop_if_expired(Tier* tier, uint8_t* item, uint64_t offset) noexcept nogil:
    cdef uint32_t key_size
    cdef const uint8_t* key
    cdef Slot slot
    if not is_expired(tier, item):
        return False
    key = item_key(item, &key_size)
    if index_find_offset(&tier.index, hash_of(&tier.index, key, key_size), offset, &slot):
        drop_item(tier, &slot)
        tier.expired += 1
    return True


cdef uint32_t sweep_expired(Tier* tier, uint32_t max_items) noexcept nogil:
    """Look at the next max_items items in the order of the segments, dropping those past all their windows."""
    cdef uint32_t dropped = 0
    cdef uint32_t looked = 0
    cdef uint32_t skipped = 0
    cdef Segment* segment
    cdef uint8_t* item
    cdef uint32_t size
    cdef uint64_t offset
    while looked < max_items and skipped <= tier.arena.ever:
        if tier.sweep_segment >= tier.arena.ever:
            tier.sweep_segment = tier.sweep_at = 0
            if tier.arena.ever == 0:
                return dropped
        segment = &tier.arena.segments[tier.sweep_segment]
        if tier.sweep_serial != segment.serial:
            tier.sweep_serial = segment.serial
            tier.sweep_at = 0
        if segment.queue == FREE or tier.sweep_at >= segment.used:
            tier.sweep_segment += 1
            tier.sweep_serial = tier.sweep_at = 0
            skipped += 1
            continue
        offset = (<uint64_t>tier.sweep_segment << tier.arena.shift) + tier.sweep_at
        item = tier.arena.base + offset
        if item[0] == PAD:
            tier.sweep_at += 2
            continue
        size = item_size(item)
        tier.sweep_at += size
        looked += 1
        if not item[0] & DEAD and drop_if_expired(tier, item, offset):
            dropped += 1
    return dropped
