"""Address space reserved once and given out in segments; a segment belongs to one queue, oldest first."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.memory._machine cimport NO_SEGMENT

cdef enum:
    SMALL = 0            # S3-FIFO's probation queue: where new items come in
    MAIN = 1             # what was used again
    PREFETCHED = 2       # what came by prefetch: admitted apart from all else (_admission.pyx)
    QUEUES = 3
    DRAINING = 254       # taken from its queue, being emptied
    FREE = 255

cdef struct Segment:
    uint32_t used        # bytes given out, from the segment's start
    uint32_t live        # of them, in items that are not dead
    uint32_t next        # towards the newest
    uint32_t previous
    uint32_t serial      # of this filling: a remembered position is void when it changed
    uint8_t queue        # SMALL, MAIN, PREFETCHED, DRAINING or FREE
    uint8_t origin_queue # of a draining segment: the queue that it was taken from

cdef struct Queue:
    uint32_t oldest
    uint32_t newest      # the one being filled
    uint32_t count
    uint64_t live        # bytes

cdef struct Arena:
    uint8_t* base
    size_t reserved
    uint32_t segment_bytes
    uint32_t shift           # log2 of segment_bytes
    uint32_t capacity        # segments that fit into the address space
    uint32_t ever            # segments below this number were used at some time
    uint32_t in_use
    uint32_t resident        # in_use and the free ones that still have their pages
    Segment* segments
    uint32_t serial
    uint32_t warm            # chain of free segments with pages
    uint32_t warm_count
    uint32_t cold            # chain of free segments whose pages were given back
    Queue queues[3]

cdef int arena_open(Arena* arena, uint32_t segment_bytes, uint32_t capacity) except -1
cdef void arena_close(Arena* arena) noexcept nogil
cdef uint32_t take_segment(Arena* arena, uint32_t queue) noexcept nogil        # NO_SEGMENT: address space is used up
cdef void restart_segment(Arena* arena, uint32_t number) noexcept nogil         # all in it is dead: fill it from its start
cdef void free_segment(Arena* arena, uint32_t number) noexcept nogil
cdef void unlink_segment(Arena* arena, uint32_t number) noexcept nogil          # out of its queue; becomes DRAINING

cdef void trim_segments(Arena* arena) noexcept nogil                            # the free ones give their pages back

cdef inline uint32_t segment_of(const Arena* arena, uint64_t offset) noexcept nogil:
    return <uint32_t>(offset >> arena.shift)
