"""Records of the memory tier as a snapshot file holds them, and the walk that writes them, hottest first.

A frame is a run of records that is read on its own. Numbers are LEB128 unless their width is given; those are
little-endian. tests/unit/test_memory_snapshot.py pins the bytes: another layout is another format version.

KEY       1, flags, key size, key
STRING    2, flags, filled_at u32, [expiry u64], key size, value size, key, value
NEGATIVE  3, flags, filled_at u32, key size, key
NAMES     4, names, the size of each, their bytes: field names, which ROWs of the same frame name by number, from 0
ROW       5, flags, filled_at u32, [expiry u64], key size, key, number of its names, the size of each value, their
          bytes, side entries, then of each: field, absent u8, filled_at u32
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sidecar.memory._items cimport RowParts
from sidecar.memory._store cimport Store

cdef enum Record:
    KEY_RECORD = 1
    STRING_RECORD = 2
    NEGATIVE_RECORD = 3
    NAMES_RECORD = 4
    ROW_RECORD = 5

cdef enum RecordFlag:
    FREQUENCY_BITS = 3       # how often it was asked for of late, 0 to 3
    IN_MAIN = 4              # it was in S3-FIFO's main queue
    HAS_EXPIRY = 8           # epoch milliseconds follow filled_at
    WHOLE_ROW = 16


cdef class SnapshotWalk:
    cdef Store store
    cdef bint values             # else only keys
    cdef readonly uint64_t keys  # written so far, remembered absences not counted
    cdef uint32_t heat           # which pass is under way, the hottest first
    cdef uint64_t bucket         # of the index: where it goes on
    cdef dict numbers            # serial of a schema -> its number in this frame
    cdef uint32_t lists          # NAMES records in this frame
    cdef uint8_t* buffer
    cdef size_t used, capacity

    cdef int reserve(self, size_t more) except -1
    cdef void put_size(self, uint32_t size) noexcept
    cdef void put_bytes(self, const uint8_t* data, size_t size) noexcept
    cdef int put_head(self, const uint8_t* item, uint32_t kind, uint32_t flags) except -1
    cdef int put_item(self, uint64_t value) except -1
    cdef int put_key(self, const uint8_t* item, uint32_t flags) except -1
    cdef int put_string(self, const uint8_t* item, uint32_t flags) except -1
    cdef int put_row(self, const uint8_t* item, uint32_t flags) except -1
    cdef uint32_t put_names(self, const RowParts* parts) except? 0xFFFFFFFF
