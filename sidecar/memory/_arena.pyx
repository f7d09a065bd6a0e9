"""Segments: taking, freeing, chaining."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from sidecar.memory._machine cimport NO_SEGMENT, check, give_back, reserve, unreserve

cdef enum:
    WARM_KEPT = 4     # free segments that keep their pages: a reclaim and the next fill alternate


cdef int arena_open(Arena* arena, uint32_t segment_bytes, uint32_t capacity) except -1:
    """Reserve address space for `capacity` segments; segment_bytes is a power of two.

    Raises:
        MemoryError: the system refuses the address space.
    """
    cdef int queue
    memset(arena, 0, sizeof(Arena))
    arena.segment_bytes = segment_bytes
    while (<uint32_t>1 << arena.shift) < segment_bytes:
        arena.shift += 1
    arena.capacity = capacity
    arena.warm = arena.cold = NO_SEGMENT
    for queue in range(QUEUES):
        arena.queues[queue].oldest = arena.queues[queue].newest = NO_SEGMENT
    arena.segments = <Segment*>calloc(capacity, sizeof(Segment))
    arena.reserved = (<size_t>capacity << arena.shift) + 4096   # loads may run 8 bytes past an item
    arena.base = <uint8_t*>reserve(arena.reserved)
    if arena.segments == NULL or arena.base == NULL:
        raise MemoryError
    return 0


cdef void arena_close(Arena* arena) noexcept nogil:
    unreserve(arena.base, arena.reserved)
    free(arena.segments)
    arena.base = NULL
    arena.segments = NULL


cdef uint32_t take_segment(Arena* arena, uint32_t queue) noexcept nogil:
    """An empty segment at the new end of a queue."""
    cdef uint32_t number
    cdef Segment* segment
    cdef Queue* chain = &arena.queues[queue]
    if arena.warm != NO_SEGMENT:
        number = arena.warm
        arena.warm = arena.segments[number].next
        arena.warm_count -= 1
    else:
        if arena.cold != NO_SEGMENT:
            number = arena.cold
            arena.cold = arena.segments[number].next
        elif arena.ever < arena.capacity:
            number = arena.ever
            arena.ever += 1
        else:
            return NO_SEGMENT
        arena.resident += 1
    segment = &arena.segments[number]
    segment.live = 0
    restart_segment(arena, number)
    segment.queue = <uint8_t>queue
    segment.next = NO_SEGMENT
    segment.previous = chain.newest
    if chain.newest != NO_SEGMENT:
        arena.segments[chain.newest].next = number
    else:
        chain.oldest = number
    chain.newest = number
    chain.count += 1
    arena.in_use += 1
    return number


cdef void restart_segment(Arena* arena, uint32_t number) noexcept nogil:
    """Remembered positions in it become void."""
    check(arena.segments[number].live == 0)
    arena.serial += 1
    arena.segments[number].serial = arena.serial
    arena.segments[number].used = 0


cdef void unlink_segment(Arena* arena, uint32_t number) noexcept nogil:
    cdef Segment* segment = &arena.segments[number]
    cdef Queue* chain = &arena.queues[segment.queue]
    check(segment.queue < QUEUES)
    if segment.previous != NO_SEGMENT:
        arena.segments[segment.previous].next = segment.next
    else:
        chain.oldest = segment.next
    if segment.next != NO_SEGMENT:
        arena.segments[segment.next].previous = segment.previous
    else:
        chain.newest = segment.previous
    chain.count -= 1
    segment.origin_queue = segment.queue
    segment.queue = DRAINING


cdef void free_segment(Arena* arena, uint32_t number) noexcept nogil:
    """Take back a segment that holds nothing live; all but a few give their pages back to the system."""
    cdef Segment* segment = &arena.segments[number]
    check(segment.live == 0 and segment.queue != FREE)
    if segment.queue != DRAINING:
        unlink_segment(arena, number)
    segment.queue = FREE
    segment.used = 0
    arena.in_use -= 1
    if arena.warm_count < WARM_KEPT:
        segment.next = arena.warm
        arena.warm = number
        arena.warm_count += 1
    else:
        cool(arena, number)


cdef void cool(Arena* arena, uint32_t number) noexcept nogil:
    """A free segment's pages go back to the system."""
    give_back(arena.base + (<uint64_t>number << arena.shift), arena.segment_bytes)
    arena.segments[number].next = arena.cold
    arena.cold = number
    arena.resident -= 1


cdef void trim_segments(Arena* arena) noexcept nogil:
    """Keep no free segment's pages: their bytes are wanted elsewhere in the budget."""
    cdef uint32_t number
    while arena.warm != NO_SEGMENT:
        number = arena.warm
        arena.warm = arena.segments[number].next
        arena.warm_count -= 1
        cool(arena, number)
