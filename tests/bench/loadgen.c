/* A closed-loop RESP load generator: one thread, epoll, every request drawn anew from a seeded generator.
 *
 * redis-benchmark draws no new random field list per request, no zipf keys and no mixes; this does, and it reads what
 * comes back: errors and nils are counted, so a server that answers nothing is seen. Latency is that of a connection's
 * whole pipeline, in a histogram of 32 steps per power of two.
 *
 * Build: cc -O2 -o loadgen loadgen.c -lm
 * Prints `start` when the measured window begins (the driver then reads the servers' CPU time), then one JSON line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIELDS = 100, FIELDS_ASKED = 50, KEYS_ASKED = 100, FIXED_LISTS = 8, BUCKETS = 64 * 32, MAX_EVENTS = 512 };
typedef enum { GET, MGET, HMGET, HMGET_RANDOM, HGETALL, ZIPF, MIX, LOADS } Load;
static const char *const load_names[LOADS] = {"get", "mget", "hmget", "hmget-random", "hgetall", "zipf", "mix"};

typedef struct {
    int fd, awaited;             /* replies of this round trip still to come */
    char *in, *out;
    size_t in_size, in_capacity, out_size, out_done;
    uint64_t sent_ns;
} Connection;

static const char *host = "127.0.0.1", *unix_path;
static int port = 6379, depth = 1, connection_count = 50;
static Load load = GET;
static uint64_t key_count = 1000000, row_count = 20000, seed = 1;
static double seconds = 2, warm_up = 0.3;
static uint64_t random_state[2], operations, errors, nils, histogram[BUCKETS];
static double zipf_s = 0.99, zipf_zeta, zipf_alpha, zipf_eta;
static int fixed_lists[FIXED_LISTS][FIELDS_ASKED];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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
    return (uint64_t)((__uint128_t)rank * 0x9E3779B97F4A7C15u % n); /* popular keys lie anywhere */
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

static char *put_request(char *to) {
    int drawn[FIELDS_ASKED];
    const int *fields = drawn;
    switch (load) {
    case GET:
        return put_key(put_text(to, "*2\r\n$3\r\nGET\r\n"), below(key_count));
    case MIX:
        if (below(100) < 5) {
            to = put_text(put_key(put_text(to, "*3\r\n$3\r\nSET\r\n"), zipf(key_count)), "$64\r\n");
            memset(to, 'a' + (int)below(26), 64);
            return put_text(to + 64, "\r\n");
        } /* fall through */
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

/* The size of the RESP2 reply at `at`, 0 while it is not whole. */
static size_t reply_size(const char *at, size_t size) {
    const char *newline = memchr(at, '\n', size);
    if (!newline) return 0;
    size_t used = (size_t)(newline - at) + 1;
    long number = at[0] == '$' || at[0] == '*' ? strtol(at + 1, NULL, 10) : 0;
    if (at[0] == '-') errors++;
    if (at[0] == '$') {
        if (number < 0) nils++;
        else used += (size_t)number + 2;
        return used <= size ? used : 0;
    }
    for (long i = 0; i < number; i++) {
        size_t element = used < size ? reply_size(at + used, size - used) : 0;
        if (!element) return 0;
        used += element;
    }
    return used;
}

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

static int dial(void) {
    int fd, on = 1;
    if (unix_path) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        strncpy(to.sun_path, unix_path, sizeof to.sun_path - 1);
        if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
    } else {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        inet_pton(AF_INET, host, &to.sin_addr);
        if ((fd = socket(AF_INET, SOCK_STREAM, 0)) < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void watch(int epoll, Connection *c, int operation, uint32_t wanted) {
    struct epoll_event event = {.events = wanted, .data.ptr = c};
    if (epoll_ctl(epoll, operation, c->fd, &event)) die("epoll_ctl");
}

static void send_round(int epoll, Connection *c) {
    if (c->out_done == c->out_size) {
        char *to = c->out;
        for (int i = 0; i < depth; i++) to = put_request(to);
        c->out_size = (size_t)(to - c->out);
        c->out_done = 0;
        c->awaited = depth;
        c->sent_ns = now_ns();
    }
    while (c->out_done < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_done, c->out_size - c->out_done, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) die("send");
        if (n < 0) {
            watch(epoll, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        c->out_done += (size_t)n;
    }
}

static void receive(int epoll, Connection *c, int counting) {
    if (c->in_capacity - c->in_size < 65536) {
        c->in_capacity = c->in_capacity * 2 + 65536;
        if (!(c->in = realloc(c->in, c->in_capacity))) die("realloc");
    }
    ssize_t n = recv(c->fd, c->in + c->in_size, c->in_capacity - c->in_size, 0);
    if (n == 0) errno = ECONNRESET;
    if (n <= 0 && errno != EAGAIN) die("recv");
    if (n <= 0) return;
    c->in_size += (size_t)n;
    size_t used = 0;
    while (c->awaited && used < c->in_size) {
        uint64_t errors_before = errors, nils_before = nils;
        size_t one = reply_size(c->in + used, c->in_size - used);
        if (!one) {
            errors = errors_before;
            nils = nils_before;
            break;
        }
        used += one;
        c->awaited--;
        operations += (uint64_t)counting;
    }
    memmove(c->in, c->in + used, c->in_size - used);
    c->in_size -= used;
    if (c->awaited) return;
    if (counting) histogram[bucket_of(now_ns() - c->sent_ns)]++;
    send_round(epoll, c);
}

static void read_options(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--host")) host = value;
        else if (!strcmp(name, "--port")) port = atoi(value);
        else if (!strcmp(name, "--unix")) unix_path = value;
        else if (!strcmp(name, "--depth")) depth = atoi(value);
        else if (!strcmp(name, "--connections")) connection_count = atoi(value);
        else if (!strcmp(name, "--seconds")) seconds = atof(value);
        else if (!strcmp(name, "--warm-up")) warm_up = atof(value);
        else if (!strcmp(name, "--keys")) key_count = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--rows")) row_count = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--seed")) seed = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--load")) {
            for (load = 0; load < LOADS && strcmp(value, load_names[load]); load++) {}
            if (load == LOADS) fprintf(stderr, "unknown load %s\n", value), exit(2);
        } else fprintf(stderr, "unknown option %s\n", name), exit(2);
    }
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    random_state[0] = seed * 0x9E3779B97F4A7C15u + 1;
    random_state[1] = seed ^ 0xD1B54A32D192ED03u;
    for (int i = 0; i < FIXED_LISTS; i++) draw_fields(fixed_lists[i]);
    if (load == ZIPF || load == MIX) zipf_prepare(key_count);

    int epoll = epoll_create1(0);
    Connection *connections = calloc((size_t)connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++) {
        connections[i].fd = dial();
        connections[i].out = malloc((size_t)depth * 4096);
        watch(epoll, &connections[i], EPOLL_CTL_ADD, EPOLLIN);
    }
    for (int i = 0; i < connection_count; i++) send_round(epoll, &connections[i]);

    uint64_t from = now_ns() + (uint64_t)(warm_up * 1e9), until = from + (uint64_t)(seconds * 1e9), now;
    int counting = 0;
    double cpu_before = 0;
    struct epoll_event events[MAX_EVENTS];
    while ((now = now_ns()) < until) {
        if (!counting && now >= from) {
            counting = 1;
            errors = nils = 0;
            cpu_before = cpu_s();
            puts("start");
            fflush(stdout);
        }
        int ready = epoll_wait(epoll, events, MAX_EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                watch(epoll, c, EPOLL_CTL_MOD, EPOLLIN);
                send_round(epoll, c);
            }
            if (events[i].events & EPOLLIN) receive(epoll, c, counting);
        }
    }
    double wall = (double)(now_ns() - from) / 1e9;
    printf("{\"operations\": %llu, \"seconds\": %.6f, \"errors\": %llu, \"nils\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"generator_cpu_share\": %.3f}\n",
           (unsigned long long)operations, wall, (unsigned long long)errors, (unsigned long long)nils,
           percentile_us(0.5), percentile_us(0.99), percentile_us(0.999), (cpu_s() - cpu_before) / wall);
    return 0;
}
