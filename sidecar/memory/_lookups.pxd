"""Finding items, and strings: the Store's first layer."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from policies._freshness cimport Limits
from policies._table cimport RuleTable
from sidecar.memory._early cimport EarlyRefresh
from sidecar.memory._index cimport Slot
from sidecar.memory._tier cimport Tier
from sidecar.memory._views cimport Probe, StringView
from sidecar.metrics._counters cimport Counters

cdef class Lookups:
    """Nothing here counts: after a USABLE answer of find_string the caller calls count_served."""
    cdef RuleTable table
    cdef readonly Counters counters
    # `now` in ticks (rounded up), `wall_ms` for expiries: set once a turn
    cdef public uint32_t now
    cdef public uint64_t wall_ms
    cdef Tier tier
    cdef EarlyRefresh early[1024]    # by view, of the row rule: what fills cost (MAX_VIEWS)
    cdef uint64_t random             # of draws_refresh
    cdef readonly uint64_t early_refreshes   # hits that asked for the next fill while they were fresh
    cdef uint64_t elsewhere[64]      # hashes of prefetch_item whose first bucket has no such tag: their second is on its way
    cdef uint32_t elsewhere_count
    cdef bint left_behind            # some items may have their rule by an older pattern epoch, or none

    cdef uint64_t hash_key(self, const uint8_t* key, size_t size) noexcept nogil
    cdef void prefetch_bucket(self, uint64_t key_hash) noexcept nogil
    cdef void prefetch_item(self, uint64_t key_hash) noexcept nogil            # every line of it, up to 1008 bytes
    cdef Probe find_string(self, uint64_t key_hash, const uint8_t* key, uint32_t size, StringView* out) noexcept
    # the layers above use these
    cdef void asked_for(self, uint8_t* item, uint64_t key_hash) noexcept nogil
    cdef void chase(self) noexcept nogil
    cdef uint8_t* find_live(self, uint64_t key_hash, const uint8_t* key, uint32_t size, Slot* slot) noexcept
    cdef bint resolve_again(self, uint8_t* item) noexcept
    cdef bint draws_early(self, uint8_t* item, uint32_t view, uint32_t shortened, const Limits* rule) noexcept
