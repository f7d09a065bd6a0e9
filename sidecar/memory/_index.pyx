"""Insertion with bounded displacement, removal, and growth in small steps."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memset

from sidecar.memory._items cimport item_key
from sidecar.memory._machine cimport OFFSET_MASK, check, give_back, prefetch, reserve, unreserve

cdef enum:
    FIRST_BUCKETS = 64       # 4 KiB to begin with
    FULL = 86                # percent: above it probes and displacements grow fast (PERFORMANCE: 89% at home at 85%)
    FULL_IN_WALK = 91        # growth moves items behind a walk, so it waits for the walk's end while it can
    CROWDED = 7              # the second candidate is used only when the first holds as many: then 11% of look-ups read two lines


cdef int index_open(Index* index, uint8_t* arena, uint64_t k0, uint64_t k1, uint32_t capacity) except -1:
    memset(index, 0, sizeof(Index))
    index.arena = arena
    index.k0 = k0
    index.k1 = k1
    index.capacity = capacity if capacity > FIRST_BUCKETS else FIRST_BUCKETS
    index.reserved = <size_t>index.capacity * sizeof(Bucket) + 4096
    index.buckets = <Bucket*>reserve(index.reserved)
    if index.buckets == NULL:
        raise MemoryError
    index.unseen = <uint8_t*>reserve(unseen_bytes(index))
    if index.unseen == NULL:
        raise MemoryError
    index.count = index.grown = index.split = FIRST_BUCKETS
    return 0


cdef inline size_t unseen_bytes(const Index* index) noexcept nogil:
    return index.capacity // 8 + 8


cdef void index_close(Index* index) noexcept nogil:
    unreserve(index.buckets, index.reserved)
    unreserve(index.unseen, unseen_bytes(index))
    index.buckets = NULL
    index.unseen = NULL


cdef void index_clear(Index* index) noexcept nogil:
    """Forget everything and give the pages back."""
    give_back(index.buckets, index.reserved)
    index.count = index.grown = index.split = FIRST_BUCKETS
    index.entries = 0
    index_begin_walk(index)


cdef inline uint32_t free_slot(const Bucket* bucket) noexcept nogil:
    """The lowest free slot's number; SLOTS: full."""
    cdef uint32_t empty = match_tags(bucket.tags, 0)
    return lowest_bit(empty) if empty else SLOTS


cdef inline uint32_t fill_of(const Bucket* bucket) noexcept nogil:
    cdef uint32_t empty = match_tags(bucket.tags, 0)
    cdef uint32_t fill = SLOTS
    while empty:
        fill -= 1
        empty &= empty - 1
    return fill


cdef inline bint is_unseen(const Index* index, uint32_t bucket) noexcept nogil:
    return index.unseen[bucket >> 3] >> (bucket & 7) & 1


cdef void index_begin_walk(Index* index) noexcept nogil:
    """No bucket is visited yet; the caller raises `walk` as it goes."""
    index.walk = 0
    index.unseen_count = 0
    index.unseen_hand = 0
    give_back(index.unseen, unseen_bytes(index))


cdef uint32_t index_next_unseen(Index* index) noexcept nogil:
    """Takes its mark away."""
    while True:
        if index.unseen_hand >= index.walk:
            index.unseen_hand = 0
        if index.unseen[index.unseen_hand >> 3] == 0:
            index.unseen_hand = (index.unseen_hand | 7) + 1
            continue
        if is_unseen(index, index.unseen_hand):
            index.unseen[index.unseen_hand >> 3] &= ~(1 << (index.unseen_hand & 7))
            index.unseen_count -= 1
            return index.unseen_hand
        index.unseen_hand += 1


cdef inline void note_move(Index* index, uint32_t source, uint32_t bucket) noexcept nogil:
    """An item moved. If the walk under way has not seen it, and has passed the bucket, it must visit that again."""
    if bucket < index.walk and (source >= index.walk or is_unseen(index, source)) and not is_unseen(index, bucket):
        index.unseen[bucket >> 3] |= 1 << (bucket & 7)
        index.unseen_count += 1


cdef inline void write_slot(Bucket* bucket, uint32_t number, uint16_t tag, uint64_t value) noexcept nogil:
    cdef Slot slot
    slot.bucket = bucket
    slot.number = number
    bucket.tags[number] = tag
    set_slot(&slot, value)


cdef uint64_t hash_at(const Index* index, uint64_t value) noexcept nogil:
    """The hash of the key of the item that a slot's value points to."""
    cdef uint32_t size
    cdef const uint8_t* key = item_key(index.arena + (value & OFFSET_MASK), &size)
    return hash_of(index, key, size)


cdef bint displace(Index* index, uint32_t number) noexcept nogil:
    """Make a slot free in a full bucket by moving one of its items to its other candidate. One level only."""
    cdef Bucket* bucket = &index.buckets[number]
    cdef uint32_t slot, other, place
    cdef uint64_t value, key_hash
    for slot in range(SLOTS):
        value = slot_value(bucket, slot)
        key_hash = hash_at(index, value)
        other = first_bucket(index, key_hash)
        if other == number:
            other = second_bucket(index, key_hash)
        place = free_slot(&index.buckets[other])
        if other != number and place < SLOTS:
            write_slot(&index.buckets[other], place, bucket.tags[slot], value)
            note_move(index, number, other)
            bucket.tags[slot] = 0
            return True
    return False


cdef bint put(Index* index, uint64_t key_hash, uint64_t value, uint32_t source, uint64_t* victim) noexcept nogil:
    """Place a value whose key is in no slot; True: an item had to leave for it. source: where it stood; 0: it is new."""
    cdef uint32_t first = first_bucket(index, key_hash)
    cdef uint32_t second = second_bucket(index, key_hash)
    cdef uint32_t chosen = first
    cdef uint32_t place
    cdef uint32_t fill = fill_of(&index.buckets[first])
    cdef bint evicted = False
    if fill >= CROWDED and fill_of(&index.buckets[second]) < fill:
        chosen = second
    place = free_slot(&index.buckets[chosen])
    if place == SLOTS:
        if displace(index, first):
            chosen = first
        elif displace(index, second):
            chosen = second
        else:
            victim[0] = slot_value(&index.buckets[first], 0) & OFFSET_MASK   # a full neighbourhood: a cache may forget
            index.buckets[first].tags[0] = 0
            evicted = True
            chosen = first
        place = free_slot(&index.buckets[chosen])
    check(place < SLOTS)
    write_slot(&index.buckets[chosen], place, tag_of(key_hash), value)
    note_move(index, source, chosen)
    return evicted


cdef bint index_insert(Index* index, uint64_t key_hash, uint64_t value, uint64_t* victim) noexcept nogil:
    """Enter a key that is not in the index. Returns True when another item lost its slot: `victim` is its offset."""
    if put(index, key_hash, value, 0, victim):
        return True
    index.entries += 1
    return False


cdef void index_remove(Index* index, const Slot* slot) noexcept nogil:
    slot.bucket.tags[slot.number] = 0
    index.entries -= 1


cdef inline bint is_fuller(const Index* index, uint32_t percent) noexcept nogil:
    return index.entries * 100 > <uint64_t>index.count * SLOTS * percent


cdef bint index_wants_growth(const Index* index) noexcept nogil:
    return (
        index.grown == index.count
        and index.count < index.capacity
        and is_fuller(index, FULL_IN_WALK if index.walk else FULL)
    )


cdef uint64_t index_growth_bytes(const Index* index) noexcept nogil:
    cdef uint64_t more = index.count // 8
    if index.count + more > index.capacity:
        more = index.capacity - index.count
    return more * sizeof(Bucket)


cdef void index_begin_growth(Index* index) noexcept nogil:
    """From here on every insertion should be followed by index_grow_step until all buckets are moved."""
    check(index.grown == index.count)
    index.grown = index.count + <uint32_t>(index_growth_bytes(index) // sizeof(Bucket))


cdef void prefetch_bucket_items(const Index* index, uint32_t number) noexcept nogil:
    cdef uint32_t slot
    cdef uint64_t offset
    for slot in range(SLOTS):
        if index.buckets[number].tags[slot]:
            offset = slot_value(&index.buckets[number], slot) & OFFSET_MASK
            prefetch(index.arena + offset)
            prefetch(index.arena + offset + 40)          # a key of usual length ends there, perhaps in the next line


cdef uint64_t index_grow_step(Index* index, uint32_t buckets, uint64_t* victims, uint32_t room) noexcept nogil:
    """Move the next `buckets` old buckets to the new mapping; `victims` gets the offsets that lost their slot.

    room: of `victims`, at least SLOTS * buckets. The keys of the bucket after are prefetched, for the next step.
    """
    cdef uint64_t values[8]
    cdef uint32_t held, slot, number
    cdef uint64_t lost = 0
    check(room >= SLOTS * buckets)
    if index.walk and not is_fuller(index, FULL_IN_WALK):
        return 0
    while buckets and index.grown != index.count:
        number = index.split - 1
        held = 0
        for slot in range(SLOTS):
            if index.buckets[number].tags[slot]:
                values[held] = slot_value(&index.buckets[number], slot)
                held += 1
                index.buckets[number].tags[slot] = 0
        index.split = number
        for slot in range(held):
            if put(index, hash_at(index, values[slot]), values[slot], number, &victims[lost]):
                index.entries -= 1
                lost += 1
        if index.split == 0:
            index.count = index.split = index.grown
        buckets -= 1
    for slot in range(2):
        if index.grown != index.count and index.split > slot:
            prefetch_bucket_items(index, index.split - 1 - slot)
    return lost
