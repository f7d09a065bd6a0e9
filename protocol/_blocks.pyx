"""Storage for buffers, see the .pxd.

Reply storage is taken when a turn writes and given back when its bytes are sent: at depth 1 that is every turn. Spare
blocks make this a push and a pop. At most 64 * 16 KiB + 8 * 64 KiB + 4 * 256 KiB = 2.5 MiB lie spare in the process.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

cdef size_t SIZES[3]
SIZES[:] = [16 * 1024, 64 * 1024, 256 * 1024]
cdef int KEEP[3]
KEEP[:] = [64, 8, 4]
cdef uint8_t* spare[3][64]
cdef int spares[3]
spares[:] = [0, 0, 0]
cdef Py_ssize_t in_use = 0


cdef uint8_t* take_block(size_t minimum, size_t* capacity) noexcept:
    global in_use
    cdef int sort
    in_use += 1
    for sort in range(3):
        if minimum <= SIZES[sort]:
            capacity[0] = SIZES[sort]
            if spares[sort] > 0:
                spares[sort] -= 1
                return spare[sort][spares[sort]]
            return <uint8_t*>malloc(SIZES[sort])
    capacity[0] = minimum
    return <uint8_t*>malloc(minimum)


cdef void give_block(uint8_t* block, size_t capacity) noexcept:
    global in_use
    cdef int sort
    if block == NULL:
        return
    in_use -= 1
    for sort in range(3):
        if capacity == SIZES[sort] and spares[sort] < KEEP[sort]:
            spare[sort][spares[sort]] = block
            spares[sort] += 1
            return
    free(block)


def blocks_in_use():
    return in_use
