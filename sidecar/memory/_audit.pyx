"""A whole check of the memory tier's inner books: what tests and the fuzzer call between operations."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from sidecar.memory._arena cimport DRAINING, FREE, QUEUES, Segment
from sidecar.memory._index cimport SLOTS, Bucket, first_bucket, hash_of, second_bucket, slot_value, tag_of
from sidecar.memory._items cimport DEAD, ITEM, NEGATIVE_ITEM, PAD, ROW, RowParts, item_alignment, item_key, item_size, row_parts
from sidecar.memory._machine cimport OFFSET_MASK
from sidecar.memory._store cimport Store
from sidecar.memory._tier cimport Tier, memory_used


def audit(Store store not None):
    """Walk the index and every segment and compare them with each other and with the totals. O(everything).

    Raises:
        AssertionError: the first disagreement found.
    """
    cdef Tier* tier = &store.tier
    live = audit_segments(tier)
    audit_index(tier, live)
    audit_schemas(tier)
    assert memory_used(tier) <= tier.max_memory, "over the budget"


cdef object audit_segments(Tier* tier):
    """Offsets of all live items; totals and every segment's and queue's live bytes are compared."""
    cdef uint32_t number, at, size
    cdef Segment* segment
    cdef uint8_t* item
    cdef RowParts parts
    cdef uint64_t used = 0
    live = {}
    queues = [0, 0, 0]
    strings = rows = negatives = fields = 0
    for number in range(tier.arena.ever):
        segment = &tier.arena.segments[number]
        if segment.queue == FREE:
            continue
        used += 1
        at = 0
        bytes_ = 0
        while at < segment.used:
            item = tier.arena.base + ((<uint64_t>number << tier.arena.shift) + at)
            if item[0] == PAD:
                at += 2
                continue
            assert item[0] & ITEM, "no item begins here"
            size = item_size(item)
            assert size % 2 == 0 and at + size <= segment.used, "an item ends past its segment"
            assert at % item_alignment(item) == 0, "an item is not aligned"
            if not item[0] & DEAD:
                live[(<uint64_t>number << tier.arena.shift) + at] = size
                bytes_ += size
                if item[0] & ROW:
                    rows += 1
                    row_parts(item, &parts)
                    fields += parts.columns
                    assert parts.values <= item + size, "a row's values begin past its end"
                elif item[0] & NEGATIVE_ITEM:
                    negatives += 1
                else:
                    strings += 1
            at += size
        assert bytes_ == segment.live, "live bytes of a segment"
        queues[segment.origin_queue if segment.queue == DRAINING else segment.queue] += bytes_
        if segment.queue == DRAINING:
            assert number in (tier.evicting.segment, tier.compacting.segment, tier.recycling.segment), "a lost segment"
        elif bytes_ == 0:
            assert tier.arena.queues[segment.queue].newest == number, "an empty segment was not freed"
    assert used == tier.arena.in_use
    assert queues == [tier.arena.queues[number].live for number in range(QUEUES)], "live bytes of a queue"
    assert (strings, rows, negatives, fields) == (tier.strings, tier.rows, tier.negatives, tier.fields), "totals"
    return live


cdef int audit_index(Tier* tier, dict live) except -1:
    """Every slot points to a live item in one of its key's buckets, and every live item has one slot."""
    cdef uint32_t number, slot, size
    cdef Bucket* bucket
    cdef uint64_t offset, key_hash
    cdef const uint8_t* key
    seen = set()
    for number in range(tier.index.grown):
        bucket = &tier.index.buckets[number]
        for slot in range(SLOTS):
            if not bucket.tags[slot]:
                continue
            offset = slot_value(bucket, slot) & OFFSET_MASK
            assert offset in live, "a slot points to no live item"
            assert offset not in seen, "two slots point to one item"
            seen.add(offset)
            key = item_key(tier.arena.base + offset, &size)
            key_hash = hash_of(&tier.index, key, size)
            assert tag_of(key_hash) == bucket.tags[slot], "a wrong tag"
            assert number in (first_bucket(&tier.index, key_hash), second_bucket(&tier.index, key_hash)), "a wrong bucket"
    assert len(seen) == len(live) == tier.index.entries, "items that no slot points to"
    return 0


cdef int audit_schemas(Tier* tier) except -1:
    cdef uint32_t number
    users = 0
    count = 0
    for number in range(1, tier.schemas.used):
        if tier.schemas.entries[number] != NULL:
            count += 1
            users += tier.schemas.entries[number].rows
    assert users <= tier.rows, "schemas count more rows than there are"
    assert count == tier.schemas.count
    return 0
