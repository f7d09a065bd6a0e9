"""S3-FIFO over segments, compaction and the expiry sweep: all in steps whose work is capped."""
from libc.stdint cimport uint32_t, uint64_t
from sidecar.memory._tier cimport Drain, Tier

cdef enum:
    SPARE = 3                # segments kept spare: one to fill, one to move into, one in hand

cdef uint64_t empty_segment(Tier* tier, Drain* drain, uint32_t* items, uint64_t* bytes_, uint64_t want) noexcept nogil   # -> bytes freed
cdef void make_room(Tier* tier, uint32_t size) noexcept nogil                          # before an item of this size is placed
cdef uint32_t queue_for_new(Tier* tier, uint64_t key_hash) noexcept nogil              # small, or main for a ghost
cdef void maintain_index(Tier* tier) noexcept nogil                                    # after a key was entered
cdef uint64_t compact(Tier* tier, uint64_t max_bytes) noexcept nogil                   # -> bytes walked over
cdef uint32_t sweep_expired(Tier* tier, uint32_t max_items) noexcept nogil             # -> dropped
