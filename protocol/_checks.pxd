"""Assertions of the native code, compiled in under SIDECAR_DEBUG only: what a bound's proof says, the fuzzer tries."""

cdef extern from *:
    """
    #include <stdio.h>
    #include <stdlib.h>
    #ifndef SIDECAR_DEBUG
    #define SIDECAR_DEBUG 0
    #endif
    #if SIDECAR_DEBUG
    #define protocol_check(condition) \
        ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s\\n", __FILE__, __LINE__, #condition), abort()))
    #else
    #define protocol_check(condition) ((void)0)
    #endif
    """
    void check "protocol_check"(bint condition) noexcept nogil      # aborts where the condition does not hold
