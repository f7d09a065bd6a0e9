"""Keyed hashes: SipHash-1-3 for keys, which are hostile, and a cheaper seeded mix for field names inside one schema."""
from libc.stdint cimport uint8_t, uint64_t

cdef extern from *:
    """
    #ifndef SIDECAR_HASH
    #define SIDECAR_HASH
    #include <stdint.h>
    #include <string.h>
    #define SIDECAR_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
    #define SIDECAR_ROUND(v0, v1, v2, v3) do { \\
        v0 += v1; v1 = SIDECAR_ROTL(v1, 13); v1 ^= v0; v0 = SIDECAR_ROTL(v0, 32); \\
        v2 += v3; v3 = SIDECAR_ROTL(v3, 16); v3 ^= v2; \\
        v0 += v3; v3 = SIDECAR_ROTL(v3, 21); v3 ^= v0; \\
        v2 += v1; v1 = SIDECAR_ROTL(v1, 17); v1 ^= v2; v2 = SIDECAR_ROTL(v2, 32); } while (0)

    static inline uint64_t sidecar_word(const uint8_t* at) {
        uint64_t word;
        memcpy(&word, at, 8);
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }
    /* The last 0 to 7 bytes, little-endian, read without a byte loop and never past the end. */
    static inline uint64_t sidecar_tail(const uint8_t* at, size_t left) {
        uint64_t word = 0;
        size_t i = 0;
        if (left & 4) { uint32_t v; memcpy(&v, at, 4); word = v; i = 4; }
        if (left & 2) { uint16_t v; memcpy(&v, at + i, 2); word |= (uint64_t)v << (8 * i); i += 2; }
        if (left & 1) word |= (uint64_t)at[i] << (8 * i);
        return word;
    }

    /* Aumasson and Bernstein, SipHash (2012), with 1 compression and 3 finalisation rounds. */
    static inline uint64_t sidecar_siphash13(uint64_t k0, uint64_t k1, const uint8_t* data, size_t size) {
        uint64_t v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL;
        uint64_t v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL;
        uint64_t last = (uint64_t)size << 56;
        for (; size >= 8; size -= 8, data += 8) {
            uint64_t word = sidecar_word(data);
            v3 ^= word;
            SIDECAR_ROUND(v0, v1, v2, v3);
            v0 ^= word;
        }
        last |= sidecar_tail(data, size);
        v3 ^= last;
        SIDECAR_ROUND(v0, v1, v2, v3);
        v0 ^= last;
        v2 ^= 0xff;
        SIDECAR_ROUND(v0, v1, v2, v3);
        SIDECAR_ROUND(v0, v1, v2, v3);
        SIDECAR_ROUND(v0, v1, v2, v3);
        return v0 ^ v1 ^ v2 ^ v3;
    }

    static inline uint64_t sidecar_fold(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    /* Multiply and fold, as wyhash does (Wang Yi, 2019): 2 ns for a name of 8 bytes. Seeded; only the bounded
       probe runs of one schema's table depend on it. */
    static inline uint64_t sidecar_name_hash(uint64_t seed, const uint8_t* data, size_t size) {
        uint64_t state = seed ^ ((uint64_t)size * 0x9e3779b97f4a7c15ULL);
        for (; size >= 8; size -= 8, data += 8)
            state = sidecar_fold(state ^ sidecar_word(data), seed ^ 0xa0761d6478bd642fULL);
        state ^= sidecar_tail(data, size);
        return sidecar_fold(state ^ 0xe7037ed1a0b428dbULL, seed ^ 0x8ebc6af09c88c6e3ULL);
    }
    #endif
    """
    uint64_t siphash13 "sidecar_siphash13"(uint64_t k0, uint64_t k1, const uint8_t* data, size_t size) noexcept nogil
    uint64_t name_hash "sidecar_name_hash"(uint64_t seed, const uint8_t* data, size_t size) noexcept nogil
    uint64_t fold "sidecar_fold"(uint64_t a, uint64_t b) noexcept nogil
