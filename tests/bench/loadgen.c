/* A RESP load generator: one thread, epoll, every request drawn anew.
 *
 * redis-benchmark draws no new random field list per request, no zipf keys and no mixes; this does, and it reads what
 * comes back: errors and nils are counted, so a server that answers nothing is seen.
 *
 * Without --rate each connection sends its next pipeline when the last is answered (a closed loop), and latency is that
 * of the whole pipeline. With --rate pipelines are due at fixed times, whatever the server does, and latency counts from
 * when a request was due, not from when it could be sent: a pause of the server is felt by all that were due in it. It
 * then spins, for which it needs a core of its own. Of the load `churn` only reads are timed.
 *
 * Build: cc -O2 -o loadgen loadgen.c -lm
 * Prints `start` when the measured window begins (the driver then reads the servers' CPU time), then one JSON line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "latency.h"
#include "requests.h"

enum { MAX_EVENTS = 512 };

typedef struct {
    int fd, awaited;             /* replies of this round trip still to come */
    int writes;                  /* a write is among what is awaited */
    int late;                    /* pipelines that are due and could not be sent yet */
    char *in, *out;
    size_t in_size, in_capacity, out_size, out_done;
    uint64_t due_ns;             /* when what is awaited, or is to be sent next, was due */
} Connection;

static const char *host = "127.0.0.1", *unix_path;
static int port = 6379, depth = 1, connection_count = 50, epoll;
static Load load = GET;
static uint64_t seed = 1, operations, errors, nils, interval_ns; /* interval: between a connection's pipelines */
static double seconds = 2, warm_up = 0.3, rate;
static int counting;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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

static void watch(Connection *c, int operation, uint32_t wanted) {
    struct epoll_event event = {.events = wanted, .data.ptr = c};
    if (epoll_ctl(epoll, operation, c->fd, &event)) die("epoll_ctl");
}

static void send_rest(Connection *c) {
    while (c->out_done < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_done, c->out_size - c->out_done, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) die("send");
        if (n < 0) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        c->out_done += (size_t)n;
    }
}

static void send_pipeline(Connection *c, uint64_t due_ns) {
    char *to = c->out;
    wrote = 0;
    for (int i = 0; i < depth; i++) to = put_request(to, load);
    c->writes = wrote;
    c->out_size = (size_t)(to - c->out);
    c->out_done = 0;
    c->awaited = depth;
    c->due_ns = due_ns;
    send_rest(c);
}

/* Take the replies out of what was received. */
static void take_replies(Connection *c) {
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
}

static void receive(Connection *c) {
    if (c->in_capacity - c->in_size < 65536) {
        c->in_capacity = c->in_capacity * 2 + 65536;
        if (!(c->in = realloc(c->in, c->in_capacity))) die("realloc");
    }
    ssize_t n = recv(c->fd, c->in + c->in_size, c->in_capacity - c->in_size, 0);
    if (n == 0) errno = ECONNRESET;
    if (n <= 0 && errno != EAGAIN) die("recv");
    if (n <= 0) return;
    c->in_size += (size_t)n;
    take_replies(c);
    if (c->awaited) return;
    if (counting && !(c->writes && load == CHURN)) histogram[bucket_of(now_ns() - c->due_ns)]++;
    if (!interval_ns) {
        send_pipeline(c, now_ns());
    } else if (c->late) {
        c->late--;
        send_pipeline(c, c->due_ns + interval_ns);
    }
}

/* Send the pipelines that are due at `now`, connection after connection. */
static void send_due(Connection *connections, uint64_t from, uint64_t now) {
    static uint64_t sent;
    for (uint64_t due; (due = from + sent * interval_ns / (uint64_t)connection_count) <= now; sent++) {
        Connection *c = &connections[sent % (uint64_t)connection_count];
        if (c->awaited) c->late++;
        else send_pipeline(c, due);
    }
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
        else if (!strcmp(name, "--rate")) rate = atof(value); /* commands a second */
        else if (!strcmp(name, "--keys")) key_count = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--writes")) write_percent = strtoull(value, NULL, 10); /* of a mix */
        else if (!strcmp(name, "--rows")) row_count = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--seed")) seed = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--load")) {
            for (load = 0; load < LOADS && strcmp(value, load_names[load]); load++) {}
            if (load == LOADS) fprintf(stderr, "unknown load %s\n", value), exit(2);
        } else fprintf(stderr, "unknown option %s\n", name), exit(2);
    }
    if (rate > 0) interval_ns = (uint64_t)(1e9 * depth * connection_count / rate);
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    requests_prepare(load, seed);
    epoll = epoll_create1(0);
    Connection *connections = calloc((size_t)connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++) {
        connections[i].fd = dial();
        connections[i].out = malloc((size_t)depth * MAX_REQUEST);
        watch(&connections[i], EPOLL_CTL_ADD, EPOLLIN);
    }
    uint64_t begin = now_ns(), from = begin + (uint64_t)(warm_up * 1e9), until = from + (uint64_t)(seconds * 1e9), now;
    for (int i = 0; i < connection_count && !interval_ns; i++) send_pipeline(&connections[i], begin);

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
        if (interval_ns) send_due(connections, begin, now);
        int ready = epoll_wait(epoll, events, MAX_EVENTS, interval_ns ? 0 : 100);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                watch(c, EPOLL_CTL_MOD, EPOLLIN);
                send_rest(c);
            }
            if (events[i].events & EPOLLIN) receive(c);
        }
    }
    double wall = (double)(now_ns() - from) / 1e9;
    printf("{\"operations\": %llu, \"seconds\": %.6f, \"errors\": %llu, \"nils\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"generator_cpu_share\": %.3f}\n",
           (unsigned long long)operations, wall, (unsigned long long)errors, (unsigned long long)nils,
           percentile_us(0.5), percentile_us(0.99), percentile_us(0.999), (cpu_s() - cpu_before) / wall);
    return 0;
}
