/* The requests of each load, every one drawn anew from a seeded generator. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 100, FIELDS_ASKED = 50, KEYS_ASKED = 100, FIXED_LISTS = 8, MAX_REQUEST = 4096 };
typedef enum { GET, MGET, HMGET, HMGET_RANDOM, HGETALL, ZIPF, MIX, CHURN, LOADS } Load;
static const char *const load_names[LOADS] = {"get", "mget", "hmget", "hmget-random", "hgetall", "zipf", "mix", "churn"};

static uint64_t key_count = 1000000, row_count = 20000, next_set, write_percent = 5, random_state[2];
static double zipf_s = 0.99, zipf_zeta, zipf_alpha, zipf_eta;
static int wrote; /* a request drawn since this was last cleared was a write */
static int fixed_lists[FIXED_LISTS][FIELDS_ASKED];

/* xoroshiro128+, by Blackman and Vigna */
static uint64_t draw(void) {
    uint64_t a = random_state[0], b = random_state[1], result = a + b;
    b ^= a;
    random_state[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
    random_state[1] = (b << 37) | (b >> 27);
    return result;
}

static uint64_t below(uint64_t bound) { return (uint64_t)(((__uint128_t)draw() * bound) >> 64); }

/* The zipf draw of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), as in YCSB. */
static void zipf_prepare(uint64_t n) {
    for (uint64_t i = 1; i <= n; i++) zipf_zeta += 1 / pow((double)i, zipf_s);
    zipf_alpha = 1 / (1 - zipf_s);
    zipf_eta = (1 - pow(2.0 / (double)n, 1 - zipf_s)) / (1 - (1 + pow(0.5, zipf_s)) / zipf_zeta);
}

static uint64_t zipf(uint64_t n) {
    double u = (double)(draw() >> 11) * 0x1p-53, scaled = u * zipf_zeta;
    uint64_t rank = 0;
    if (scaled >= 1 + pow(0.5, zipf_s)) rank = (uint64_t)((double)n * pow(zipf_eta * u - zipf_eta + 1, zipf_alpha));
    else if (scaled >= 1) rank = 1;
    if (rank >= n) rank = n - 1;
    return rank * 2654435761u % n; /* a prime: popular keys lie anywhere, and no two ranks share one */
}

static char *put_text(char *to, const char *text) {
    size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

static char *put_number(char *to, const char *prefix, int digits, uint64_t number) {
    to = put_text(to, prefix);
    for (int i = digits - 1; i >= 0; i--, number /= 10) to[i] = (char)('0' + number % 10);
    return put_text(to + digits, "\r\n");
}

static char *put_key(char *to, uint64_t number) { return put_number(to, "$24\r\nkey:", 20, number); }
static char *put_row(char *to, uint64_t number) { return put_number(to, "$24\r\nrow:", 20, number); }

/* FIELDS_ASKED different fields in random order: a shuffle by Fisher and Yates, stopped early. */
static void draw_fields(int *fields) {
    int all[FIELDS];
    for (int i = 0; i < FIELDS; i++) all[i] = i;
    for (int i = 0; i < FIELDS_ASKED; i++) {
        int j = i + (int)below((uint64_t)(FIELDS - i)), swap = all[i];
        all[i] = all[j];
        fields[i] = all[j];
        all[j] = swap;
    }
}

static char *put_set(char *to, uint64_t number) {
    wrote = 1;
    to = put_text(put_key(put_text(to, "*3\r\n$3\r\nSET\r\n"), number), "$64\r\n");
    memset(to, 'a' + (int)below(26), 64);
    return put_text(to + 64, "\r\n");
}

/* One request of a load, at most MAX_REQUEST bytes. Returns where it ends. */
static char *put_request(char *to, Load load) {
    int drawn[FIELDS_ASKED];
    const int *fields = drawn;
    switch (load) {
    case GET:
        return put_key(put_text(to, "*2\r\n$3\r\nGET\r\n"), below(key_count));
    case CHURN: /* hits on few keys beside writes of keys that nobody used before, which push others out */
        if (below(100) < write_percent) return put_set(to, next_set++);
        return put_key(put_text(to, "*2\r\n$3\r\nGET\r\n"), below(key_count));
    case MIX:
        if (below(100) < write_percent) return put_set(to, zipf(key_count));
        /* fall through */
    case ZIPF:
        return put_key(put_text(to, "*2\r\n$3\r\nGET\r\n"), zipf(key_count));
    case MGET:
        to = put_text(to, "*101\r\n$4\r\nMGET\r\n");
        for (int i = 0; i < KEYS_ASKED; i++) to = put_key(to, below(key_count));
        return to;
    case HMGET:
    case HMGET_RANDOM:
        to = put_row(put_text(to, "*52\r\n$5\r\nHMGET\r\n"), below(row_count));
        if (load == HMGET) fields = fixed_lists[below(FIXED_LISTS)];
        else draw_fields(drawn);
        for (int i = 0; i < FIELDS_ASKED; i++) to = put_number(to, "$5\r\nf", 4, (uint64_t)fields[i]);
        return to;
    case HGETALL:
        return put_row(put_text(to, "*2\r\n$7\r\nHGETALL\r\n"), below(row_count));
    default:
        abort();
    }
}

static void requests_prepare(Load load, uint64_t seed) {
    random_state[0] = seed * 0x9E3779B97F4A7C15u + 1;
    random_state[1] = seed ^ 0xD1B54A32D192ED03u;
    for (int i = 0; i < FIXED_LISTS; i++) draw_fields(fixed_lists[i]);
    if (load == ZIPF || load == MIX) zipf_prepare(key_count);
    next_set = seed * 1000000000u;
}
