"""What the C compiler offers and Cython has no word for: prefetch, unaligned loads, the compare of eight tags at once."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef SIDECAR_MACHINE
    #define SIDECAR_MACHINE
    #include <stdint.h>
    #include <stdlib.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/mman.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif
    #ifndef MAP_NORESERVE
    #define MAP_NORESERVE 0
    #endif
    #ifndef MAP_ANONYMOUS
    #define MAP_ANONYMOUS MAP_ANON
    #endif

    #if SIDECAR_DEBUG
    #define sidecar_check(condition) do { if (!(condition)) { \\
        fprintf(stderr, "sidecar: check failed at %s:%d\\n", __FILE__, __LINE__); abort(); } } while (0)
    #else
    #define sidecar_check(condition) ((void)0)
    #endif

    #define SIDECAR_OFFSET_MASK 0xFFFFFFFFFFULL
    #define SIDECAR_NOWHERE UINT64_MAX
    #define SIDECAR_NO_SEGMENT UINT32_MAX
    #define SIDECAR_OLDEST_AGE 0x80000000u
    #define SIDECAR_SENT_LATER 0xFFFFF000u
    #define SIDECAR_ANY_AMOUNT UINT32_MAX
    #define SIDECAR_HUGE_FROM ((size_t)64 << 20)    /* then 2 MiB are at most 3% */

    static inline void sidecar_prefetch(const void* address) { __builtin_prefetch(address, 0, 3); }
    static inline uint32_t sidecar_load32(const uint8_t* at) { uint32_t v; memcpy(&v, at, 4); return v; }
    static inline uint64_t sidecar_load64(const uint8_t* at) { uint64_t v; memcpy(&v, at, 8); return v; }
    /* Reads 8 bytes: assembling 6 stalls on store forwarding, 15 ns a look-up. Arena and index end in spare bytes. */
    static inline uint64_t sidecar_load48(const uint8_t* at) {
        uint64_t v;
        memcpy(&v, at, 8);
        return v & 0xFFFFFFFFFFFFULL;
    }
    static inline void sidecar_store48(uint8_t* at, uint64_t v) { memcpy(at, &v, 6); }
    static inline void sidecar_store32(uint8_t* at, uint32_t v) { memcpy(at, &v, 4); }
    static inline void sidecar_store64(uint8_t* at, uint64_t v) { memcpy(at, &v, 8); }
    static inline unsigned sidecar_lowest_bit(uint32_t mask) { return (unsigned)__builtin_ctz(mask); }

    /* One bit per tag that is equal; tags: 16-byte aligned. */
    static inline uint32_t sidecar_match_tags(const uint16_t* tags, uint16_t tag) {
    #if defined(__SSE2__)
        __m128i equal = _mm_cmpeq_epi16(_mm_load_si128((const __m128i*)tags), _mm_set1_epi16((short)tag));
        return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
    #else
        uint32_t mask = 0;
        for (int i = 0; i < 8; i++) mask |= (uint32_t)(tags[i] == tag) << i;
        return mask;
    #endif
    }

    /* Short byte strings compared without a call: whole words, the last one overlapping. */
    static inline int sidecar_same_bytes(const uint8_t* a, const uint8_t* b, size_t size) {
        if (size >= 8) {
            size_t at = 0;
            for (; at + 8 <= size; at += 8)
                if (sidecar_load64(a + at) != sidecar_load64(b + at)) return 0;
            return sidecar_load64(a + size - 8) == sidecar_load64(b + size - 8);
        }
        if (size >= 4)
            return sidecar_load32(a) == sidecar_load32(b) && sidecar_load32(a + size - 4) == sidecar_load32(b + size - 4);
        for (size_t at = 0; at < size; at++)
            if (a[at] != b[at]) return 0;
        return 1;
    }

    /* Address space whose pages cost nothing until they are touched; NULL: refused. Huge pages are asked for: look-ups
       of random keys wait for page walks, most of all in a virtual machine (per MGET of 100 of 1 M keys 28 -> 17.6 us,
       GET 64 deep 0.55 -> 0.33 us, Xeon under KVM). They round what is resident up by at most 2 MiB a mapping, for
       all mappings fill from their start: too much where the budget is small, so only large mappings ask. */
    static inline void* sidecar_reserve(size_t size) {
        void* base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base == MAP_FAILED) return NULL;
    #ifdef MADV_HUGEPAGE
        madvise(base, size, size >= SIDECAR_HUGE_FROM ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    #endif
        return base;
    }
    static inline void sidecar_unreserve(void* base, size_t size) { if (base) munmap(base, size); }
    static inline void sidecar_give_back(void* base, size_t size) { madvise(base, size, MADV_DONTNEED); }
    #endif
    """
    # Constants wider than an int, which Cython would make Python objects
    const uint64_t OFFSET_MASK "SIDECAR_OFFSET_MASK"     # an item's place: 40 bits
    const uint64_t NOWHERE "SIDECAR_NOWHERE"             # no place
    const uint32_t NO_SEGMENT "SIDECAR_NO_SEGMENT"
    const uint32_t OLDEST_AGE "SIDECAR_OLDEST_AGE"       # ticks (248 days): older items are dropped long before ages could wrap
    const uint32_t SENT_LATER "SIDECAR_SENT_LATER"       # ages from here on (40 s below the wrap) mean: sent after the clock was read
    const uint32_t ANY_AMOUNT "SIDECAR_ANY_AMOUNT"
    void check "sidecar_check"(bint condition) noexcept nogil      # aborts under SIDECAR_DEBUG, nothing otherwise
    void prefetch "sidecar_prefetch"(const void* address) noexcept nogil
    uint32_t load32 "sidecar_load32"(const uint8_t* at) noexcept nogil
    uint64_t load64 "sidecar_load64"(const uint8_t* at) noexcept nogil
    uint64_t load48 "sidecar_load48"(const uint8_t* at) noexcept nogil
    void store32 "sidecar_store32"(uint8_t* at, uint32_t value) noexcept nogil
    void store48 "sidecar_store48"(uint8_t* at, uint64_t value) noexcept nogil
    void store64 "sidecar_store64"(uint8_t* at, uint64_t value) noexcept nogil
    uint32_t lowest_bit "sidecar_lowest_bit"(uint32_t mask) noexcept nogil
    uint32_t match_tags "sidecar_match_tags"(const uint16_t* tags, uint16_t tag) noexcept nogil
    bint same_bytes "sidecar_same_bytes"(const uint8_t* a, const uint8_t* b, size_t size) noexcept nogil
    void* reserve "sidecar_reserve"(size_t size) noexcept nogil
    void unreserve "sidecar_unreserve"(void* base, size_t size) noexcept nogil
    void give_back "sidecar_give_back"(void* base, size_t size) noexcept nogil
