"""Redis's glob on bytes."""
from libc.stdint cimport uint8_t

cdef bint glob_matches(const uint8_t* pattern, size_t pattern_size, const uint8_t* text, size_t text_size) noexcept nogil
