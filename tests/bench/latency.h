/* Latencies in a histogram of 32 steps per power of two: 3% exact. */
#include <stdint.h>

enum { BUCKETS = 64 * 32 };
static uint64_t histogram[BUCKETS];

static int bucket_of(uint64_t ns) {
    int bits = ns ? 63 - __builtin_clzll(ns) : 0;
    return bits < 5 ? (int)ns : (bits - 4) * 32 + (int)(ns >> (bits - 5) & 31);
}

static double percentile_us(double share) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) total += histogram[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen && (double)seen >= share * (double)total)
            return (i < 32 ? (double)i : (double)((32ull + (uint64_t)i % 32) << (i / 32 - 1))) / 1000;
    }
    return 0;
}
