"""The whole state of the memory tier, and how an item gets its place and leaves it. The Store wraps it for Python."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from policies._freshness cimport Limits
from sidecar.memory._arena cimport Arena
from sidecar.memory._ghosts cimport Ghosts
from sidecar.memory._index cimport Index, Slot
from sidecar.memory._machine cimport NOWHERE, OLDEST_AGE, SENT_LATER
from sidecar.memory._schemas cimport Schema, Schemas

cdef enum:
    VERDICTS = 4096              # on prefetched items, kept until they are taken: at least once a turn and 20 times a second

cdef struct Drain:               # a segment that is being emptied, item by item
    uint32_t segment             # NO_SEGMENT: none
    uint32_t at                  # next item's place in it
    bint keep                    # compaction: every live item moves on; else eviction decides

cdef struct Tier:
    Arena arena
    Index index
    Schemas schemas
    Ghosts ghosts
    uint64_t max_memory
    uint64_t other_bytes         # of the budget: what the Store holds besides (column lists)
    # what items are judged by, set before each use
    const Limits* limits
    uint32_t rules
    uint32_t generation
    uint32_t now
    uint64_t wall_ms
    # work under way
    Drain evicting
    Drain compacting
    Drain recycling              # a segment of what was prefetched
    uint64_t seen_bytes          # of schemas and other_bytes, when room was last made
    int64_t freed_ahead          # bytes freed beyond what writes needed; negative: owed
    uint32_t compact_hand        # next segment looked at for being mostly dead
    uint32_t sweep_segment, sweep_serial, sweep_at   # where the expiry sweep goes on
    # counts
    uint64_t strings, rows, negatives
    uint64_t fields              # columns of all rows
    uint64_t evicted             # by S3-FIFO
    uint64_t crowded_out         # by a full neighbourhood of the index
    uint64_t too_large           # never admitted: larger than a segment
    uint64_t no_room             # not admitted: the capped work freed nothing
    uint64_t expired
    # speculation
    uint32_t prefetch_segments   # kept for what is prefetched, out of what is demanded; 0: nothing was prefetched yet
    uint64_t verdicts[4096]      # hashes of keys whose prefetched item was used (lowest bit 1) or was not (0)
    uint32_t verdict_count
    uint64_t verdicts_lost       # there was no room for them

cdef int64_t spare_segments(const Tier* tier) noexcept nogil          # that the budget still allows; negative: over it
cdef uint64_t small_bytes(const Tier* tier) noexcept nogil             # schemas and what else grows by little
cdef uint64_t memory_used(const Tier* tier) noexcept nogil
cdef int tier_open(Tier* tier, uint64_t max_memory, uint32_t segment_bytes, uint64_t k0, uint64_t k1) except -1
cdef void tier_close(Tier* tier) noexcept nogil
cdef void tier_clear(Tier* tier) noexcept nogil
cdef uint64_t take_place(Tier* tier, uint32_t queue, uint32_t size, uint32_t alignment, bint moving) noexcept nogil
cdef void enter(Tier* tier, uint64_t offset, uint64_t key_hash, uint32_t frequency) noexcept nogil
cdef void count_item(Tier* tier, const uint8_t* item, int64_t sign) noexcept nogil
cdef void add_live(Tier* tier, uint64_t offset, int64_t size) noexcept nogil
cdef void kill(Tier* tier, uint64_t offset) noexcept nogil            # the item is dead; its slot is the caller's affair
cdef void drop_item(Tier* tier, const Slot* slot) noexcept nogil      # out of the index, and dead
cdef bint move_item(Tier* tier, const Slot* slot, uint32_t queue, uint32_t frequency) noexcept nogil
cdef uint32_t queue_of(const Tier* tier, uint64_t offset) noexcept nogil
cdef bint is_expired(const Tier* tier, const uint8_t* item) noexcept nogil


cdef inline void note_verdict(Tier* tier, uint64_t key_hash, bint used) noexcept nogil:
    """A prefetched item was asked for, or is gone unasked."""
    if tier.verdict_count == VERDICTS:
        tier.verdicts_lost += 1
        return
    tier.verdicts[tier.verdict_count] = (key_hash & ~<uint64_t>1) | used
    tier.verdict_count += 1


cdef inline Schema* schema_of(const Tier* tier, uint32_t number) noexcept nogil:
    """NULL: the row carries its names itself."""
    return tier.schemas.entries[number] if number else NULL


cdef inline uint32_t age_of(uint32_t now, uint32_t filled_at) noexcept nogil:
    """Ticks since it was filled, unsigned: right across the wrap.

    What was sent after this turn's clock was read looks up to 40 s younger than now: its age is 0.
    """
    cdef uint32_t age = now - filled_at
    return 0 if age >= SENT_LATER else age
