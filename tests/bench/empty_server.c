/* The floor: a server that does nothing. It counts the commands in what it receives and answers each with bytes made
 * beforehand, of the size that the data set would give; no look-up, no check, no limit. What a real server costs above
 * it is its own work; what this costs is the kernel's.
 *
 * Build: cc -O2 -o empty_server empty_server.c
 * Use: empty_server PORT UNIX_PATH
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { VALUE = 64, ELEMENT = 8, MAX_EVENTS = 512, INPUT = 1 << 18, MAX_FDS = 65536, MAX_REPLY = 1 << 16 };

typedef struct { char *data; size_t size; } Input;   /* the incomplete request at the end of what came */
static Input inputs[MAX_FDS];
static char *output;
static size_t output_size, output_capacity = 1 << 22;

static char *put_bulk(char *to, int size) {
    to += sprintf(to, "$%d\r\n", size);
    memset(to, 'v', (size_t)size);
    memcpy(to + size, "\r\n", 2);
    return to + size + 2;
}

/* The reply to a command of `words` words. Made once for each name and length. */
static void reply(const char *name, long words) {
    static struct { char data[MAX_REPLY]; size_t size; } made[2][256];
    int is_hash = name[0] == 'H', all = is_hash && name[1] == 'G';
    if (name[0] == 'S' || name[0] == 'P') {
        const char *text = name[0] == 'S' ? "+OK\r\n" : "+PONG\r\n";
        memcpy(output + output_size, text, strlen(text));
        output_size += strlen(text);
        return;
    }
    long elements = all ? 200 : is_hash ? words - 2 : words - 1;
    char *to = made[is_hash][words].data;
    if (!made[is_hash][words].size) {
        if (name[0] != 'G') to += sprintf(to, "*%ld\r\n", elements);
        for (long i = 0; i < elements; i++) to = put_bulk(to, is_hash ? (all && i % 2 == 0 ? 5 : ELEMENT) : VALUE);
        made[is_hash][words].size = (size_t)(to - made[is_hash][words].data);
    }
    memcpy(output + output_size, made[is_hash][words].data, made[is_hash][words].size);
    output_size += made[is_hash][words].size;
}

static long number(const char **at) {
    long value = 0;
    for ((*at)++; **at != '\r'; (*at)++) value = value * 10 + **at - '0';
    *at += 2;
    return value;
}

/* Answers one command. Returns its size, 0 while it is not whole. */
static size_t take_command(const char *from, const char *end) {
    const char *at = from, *name = NULL;
    if (!memchr(at, '\n', (size_t)(end - at))) return 0;
    long words = number(&at);
    for (long i = 0; i < words; i++) {
        if (end - at < 6 && !memchr(at, '\n', (size_t)(end - at))) return 0;
        long size = number(&at);
        if (!name) name = at;
        at += size + 2;
        if (at > end) return 0;
    }
    reply(name, words);
    return (size_t)(at - from);
}

static void serve(int fd) {
    Input *input = &inputs[fd];
    if (!input->data) input->data = malloc(INPUT);
    ssize_t n = recv(fd, input->data + input->size, INPUT - input->size, MSG_DONTWAIT);
    if (n < 0) return;
    if (n == 0) {
        close(fd);
        input->size = 0;
        return;
    }
    const char *at = input->data, *end = at + input->size + n;
    output_size = 0;
    for (size_t one; at < end && (one = take_command(at, end)); at += one)
        if (output_size + MAX_REPLY > output_capacity && !(output = realloc(output, output_capacity *= 2))) exit(1);
    input->size = (size_t)(end - at);
    memmove(input->data, at, input->size);
    for (size_t done = 0; done < output_size;) {      /* it blocks: the generator always reads */
        ssize_t sent = send(fd, output + done, output_size - done, MSG_NOSIGNAL);
        if (sent <= 0) break;
        done += (size_t)sent;
    }
}

static int listener(struct sockaddr *address, socklen_t size) {
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, address, size) || listen(fd, 1024)) perror("listen"), exit(1);
    return fd;
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    strncpy(local.sun_path, argv[2], sizeof local.sun_path - 1);
    int listeners[2] = {listener((struct sockaddr *)&tcp, sizeof tcp), listener((struct sockaddr *)&local, sizeof local)};
    int epoll = epoll_create1(0), fd, on = 1;
    watch(epoll, listeners[0]);
    watch(epoll, listeners[1]);
    if (!(output = malloc(output_capacity))) return 1;
    struct epoll_event events[MAX_EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int from = events[i].data.fd;
            if (from != listeners[0] && from != listeners[1]) {
                serve(from);
                continue;
            }
            while ((fd = accept(from, NULL, NULL)) >= 0) {
                if (from == listeners[0]) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                watch(epoll, fd);
            }
        }
    }
}
