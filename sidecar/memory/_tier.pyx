"""Placing, moving and dropping items, and the budget that bounds it all."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sidecar.memory._arena cimport (
    DRAINING, FREE, QUEUES, Queue, Segment, arena_close, arena_open, free_segment, restart_segment,
    segment_of, take_segment,
)
from sidecar.memory._ghosts cimport ghosts_bytes, ghosts_close
from sidecar.memory._index cimport (
    hash_of, index_bytes, index_clear, index_close, index_insert, index_open, index_remove, make_value, set_slot,
    slot_value,
)
from sidecar.memory._items cimport (
    DEAD, EXPIRES, ITEM, NEGATIVE_ITEM, PAD, ROW, UNASKED, RowParts, expiry_of, filled_at_of, item_alignment, item_key,
    item_rule, item_size, row_parts, row_schema, side_filled_at,
)
from sidecar.memory._machine cimport NO_SEGMENT, NOWHERE, OFFSET_MASK, OLDEST_AGE, check
from sidecar.memory._schemas cimport Plan, plan_of, schemas_clear, schemas_close, schemas_open

cdef enum:
    SMALLEST_SHARE = 256     # one bucket of address space per so many bytes: items of 32 bytes fill it
    SCHEMA_SHARE = 8         # names take at most an eighth of the budget
    GHOST_HALVES = 9         # half bytes per entry: what the ghosts will take once eviction begins


cdef int tier_open(Tier* tier, uint64_t max_memory, uint32_t segment_bytes, uint64_t k0, uint64_t k1) except -1:
    """Everything empty; k0 and k1 seed the hashes."""
    memset(tier, 0, sizeof(Tier))
    tier.max_memory = max_memory
    tier.evicting.segment = tier.compacting.segment = tier.recycling.segment = NO_SEGMENT
    arena_open(&tier.arena, segment_bytes, <uint32_t>(max_memory // segment_bytes) + 1)
    index_open(&tier.index, tier.arena.base, k0, k1, <uint32_t>min(max_memory // SMALLEST_SHARE, <uint64_t>1 << 24))
    schemas_open(&tier.schemas, k0 ^ k1, max_memory // SCHEMA_SHARE)
    return 0


cdef void tier_close(Tier* tier) noexcept nogil:
    arena_close(&tier.arena)
    index_close(&tier.index)
    schemas_close(&tier.schemas)
    ghosts_close(&tier.ghosts)


cdef void tier_clear(Tier* tier) noexcept nogil:
    """Forget every item; totals of what was evicted or expired stay."""
    cdef uint32_t number
    for number in range(tier.arena.ever):
        if tier.arena.segments[number].queue != FREE:
            tier.arena.segments[number].live = 0
            free_segment(&tier.arena, number)
    for number in range(QUEUES):
        tier.arena.queues[number].live = 0
    tier.evicting.segment = tier.compacting.segment = tier.recycling.segment = NO_SEGMENT
    index_clear(&tier.index)
    schemas_clear(&tier.schemas)
    ghosts_close(&tier.ghosts)
    tier.strings = tier.rows = tier.negatives = tier.fields = 0


cdef int64_t spare_segments(const Tier* tier) noexcept nogil:
    """Segments that may be opened within max_memory, all else counted; ghosts are counted before they are made."""
    cdef uint64_t ghosts = ghosts_bytes(&tier.ghosts)
    cdef uint64_t other
    if tier.index.entries * GHOST_HALVES // 2 > ghosts:
        ghosts = tier.index.entries * GHOST_HALVES // 2
    other = index_bytes(&tier.index) + small_bytes(tier) + ghosts + tier.arena.capacity * sizeof(Segment)
    other += tier.arena.segment_bytes            # small growth until the next write makes room for it
    return ((<int64_t>tier.max_memory - <int64_t>other) >> tier.arena.shift) - <int64_t>tier.arena.in_use


cdef uint64_t small_bytes(const Tier* tier) noexcept nogil:
    return tier.schemas.bytes + tier.other_bytes


cdef uint64_t memory_used(const Tier* tier) noexcept nogil:
    """Bytes held: segments with pages, index, schemas, ghosts."""
    return (
        (<uint64_t>tier.arena.resident << tier.arena.shift)
        + index_bytes(&tier.index)
        + small_bytes(tier)
        + ghosts_bytes(&tier.ghosts)
        + tier.arena.capacity * sizeof(Segment)
    )


cdef uint64_t take_place(Tier* tier, uint32_t queue, uint32_t size, uint32_t alignment, bint moving) noexcept nogil:
    """Room for an item at the queue's new end; NOWHERE when no segment may be opened.

    The last spare segment is only for moved items, so that emptying a segment never waits for room.
    size: even, at most a segment.
    """
    cdef Queue* chain = &tier.arena.queues[queue]
    cdef uint32_t number = chain.newest
    cdef uint32_t start = 0
    cdef Segment* segment
    check(size % 2 == 0 and size <= tier.arena.segment_bytes)
    if number != NO_SEGMENT:
        if tier.arena.segments[number].live == 0:
            restart_segment(&tier.arena, number)
        start = (tier.arena.segments[number].used + alignment - 1) & ~(alignment - 1)
    if number == NO_SEGMENT or start + size > tier.arena.segment_bytes:
        if spare_segments(tier) < (1 if moving else 2):
            return NOWHERE
        number = take_segment(&tier.arena, queue)
        if number == NO_SEGMENT:
            return NOWHERE
        start = 0
    segment = &tier.arena.segments[number]
    memset(tier.arena.base + (<uint64_t>number << tier.arena.shift) + segment.used, PAD, start - segment.used)
    segment.used = start + size
    return (<uint64_t>number << tier.arena.shift) + start


cdef uint32_t queue_of(const Tier* tier, uint64_t offset) noexcept nogil:
    cdef Segment* segment = &tier.arena.segments[segment_of(&tier.arena, offset)]
    return segment.origin_queue if segment.queue == DRAINING else segment.queue


cdef void count_item(Tier* tier, const uint8_t* item, int64_t sign) noexcept nogil:
    """An item came (+1) or went (-1): the totals and its schema's users."""
    if item[0] & NEGATIVE_ITEM:
        tier.negatives += sign
    elif item[0] & ROW:
        tier.rows += sign
        tier.fields += sign * <int64_t>(<const uint16_t*>(item + 16))[0]
        if row_schema(item):
            check(tier.schemas.entries[row_schema(item)] != NULL)
            tier.schemas.entries[row_schema(item)].rows += <uint32_t>sign
    else:
        tier.strings += sign


cdef void add_live(Tier* tier, uint64_t offset, int64_t size) noexcept nogil:
    cdef Segment* segment = &tier.arena.segments[segment_of(&tier.arena, offset)]
    segment.live += <uint32_t>size
    tier.arena.queues[queue_of(tier, offset)].live += size


cdef void enter(Tier* tier, uint64_t offset, uint64_t key_hash, uint32_t frequency) noexcept nogil:
    """An item was written at offset and its key is in no slot: count it and enter it in the index."""
    cdef uint8_t* item = tier.arena.base + offset
    cdef uint64_t victim = NOWHERE
    cdef uint32_t size = item_size(item)
    add_live(tier, offset, size)
    count_item(tier, item, 1)
    if index_insert(&tier.index, key_hash, make_value(offset, frequency, size), &victim):
        tier.crowded_out += 1
        kill(tier, victim)


cdef void kill(Tier* tier, uint64_t offset) noexcept nogil:
    """Mark an item dead; a segment without live items is free at once, unless it is being filled or emptied."""
    cdef uint8_t* item = tier.arena.base + offset
    cdef uint32_t number = segment_of(&tier.arena, offset)
    cdef Segment* segment = &tier.arena.segments[number]
    cdef uint32_t key_size
    cdef const uint8_t* key
    check(item[0] & ITEM and not item[0] & DEAD and item[0] != PAD)
    if item[0] & UNASKED:
        key = item_key(item, &key_size)
        note_verdict(tier, hash_of(&tier.index, key, key_size), False)
    count_item(tier, item, -1)
    item[0] |= DEAD
    add_live(tier, offset, -<int64_t>item_size(item))
    if segment.live == 0 and segment.queue < QUEUES and tier.arena.queues[segment.queue].newest != number:
        free_segment(&tier.arena, number)


cdef void drop_item(Tier* tier, const Slot* slot) noexcept nogil:
    cdef uint64_t offset = slot_value(slot.bucket, slot.number) & OFFSET_MASK
    index_remove(&tier.index, slot)
    kill(tier, offset)


cdef bint move_item(Tier* tier, const Slot* slot, uint32_t queue, uint32_t frequency) noexcept nogil:
    """Copy an item to the new end of a queue; False: no room."""
    cdef uint64_t offset = slot_value(slot.bucket, slot.number) & OFFSET_MASK
    cdef uint8_t* item = tier.arena.base + offset
    cdef uint32_t size = item_size(item)
    cdef uint64_t target = take_place(tier, queue, size, item_alignment(item), True)
    if target == NOWHERE:
        return False
    memcpy(tier.arena.base + target, item, size)
    set_slot(slot, make_value(target, frequency, size))
    add_live(tier, target, size)
    count_item(tier, tier.arena.base + target, 1)
    item[0] &= ~UNASKED          # the copy carries it on
    kill(tier, offset)
    return True


cdef bint is_expired(const Tier* tier, const uint8_t* item) noexcept nogil:
    """Past everything that could still serve it; rows whose rules are not looked up yet only by the coarse bound."""
    cdef uint32_t age = age_of(tier.now, filled_at_of(item))
    cdef uint32_t i
    cdef RowParts parts
    cdef Plan* plan
    if item[0] & EXPIRES and expiry_of(item) <= tier.wall_ms:
        return True
    if not item[0] & ROW:
        if age >= OLDEST_AGE or item_rule(item) >= tier.rules:
            return age >= OLDEST_AGE
        if item[0] & NEGATIVE_ITEM:
            return age >= tier.limits[item_rule(item)].negative_ticks
        return age >= tier.limits[item_rule(item)].error_ticks
    row_parts(item, &parts)
    for i in range(parts.side_count):
        if age_of(tier.now, side_filled_at(parts.side + 8 * i)) < age:
            age = age_of(tier.now, side_filled_at(parts.side + 8 * i))
    if age >= OLDEST_AGE:
        return True
    plan = plan_of(schema_of(tier, parts.schema), item_rule(item), tier.generation)
    return plan != NULL and age >= plan.last_ticks
