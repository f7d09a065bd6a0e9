"""Where what is prefetched finds room."""
from libc.stdint cimport uint32_t
from sidecar.memory._tier cimport Tier

cdef bint make_speculative_room(Tier* tier, uint32_t size) noexcept nogil      # False: not to be admitted
