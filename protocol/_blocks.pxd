"""Storage for buffers: blocks of three sizes, a few spare ones kept, so that a busy connection does not malloc and an idle one holds nothing."""
from libc.stdint cimport uint8_t

cdef uint8_t* take_block(size_t minimum, size_t* capacity) noexcept        # at least `minimum` bytes, rounded up; NULL: no memory
cdef void give_block(uint8_t* block, size_t capacity) noexcept             # `capacity` as take_block told
