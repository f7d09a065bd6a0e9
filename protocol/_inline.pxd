"""The words of an inline command."""
from libc.stdint cimport uint8_t

cdef const uint8_t* unquote_word(const uint8_t* at, const uint8_t* end, uint8_t** to) noexcept nogil     # NULL: unbalanced quotes
