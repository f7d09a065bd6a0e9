"""Which keys left the small queue lately: 4 bytes each, forgotten in the order they came. S3-FIFO's ghost queue."""
from libc.stdint cimport uint32_t, uint64_t

cdef struct Ghosts:
    uint32_t* slots          # 16 to a 64-byte bucket: 18 bits of hash, 14 bits of time; 0: empty
    uint32_t buckets
    uint32_t length          # insertions that one is remembered for
    uint64_t inserted
    uint64_t taken           # that came back and whose places nobody took yet: the next insertions age no one

cdef bint ghosts_resize(Ghosts* ghosts, uint32_t length) noexcept nogil     # forgets all; False: no memory
cdef void ghosts_close(Ghosts* ghosts) noexcept nogil
cdef void ghosts_add(Ghosts* ghosts, uint64_t key_hash) noexcept nogil
cdef bint ghosts_take(Ghosts* ghosts, uint64_t key_hash) noexcept nogil     # was it there? it is not any more

cdef inline uint64_t ghosts_bytes(const Ghosts* ghosts) noexcept nogil:
    return <uint64_t>ghosts.buckets * 64
