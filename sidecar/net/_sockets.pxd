"""The system calls of the client side, with what a platform lacks answered as ENOSYS."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <sys/socket.h>
    #include <time.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <sys/epoll.h>
    #define sidecar_accept(fd) accept4((fd), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
    #define SIDECAR_BOOTTIME CLOCK_BOOTTIME
    #else
    #define EPOLLIN 1u
    #define EPOLLOUT 4u
    #define EPOLLERR 8u
    #define EPOLLHUP 16u
    #define SIDECAR_BOOTTIME CLOCK_MONOTONIC
    struct epoll_event { uint32_t events; union { int fd; uint64_t u64; } data; };
    #define EPOLL_CTL_ADD 1
    #define EPOLL_CTL_DEL 2
    #define EPOLL_CTL_MOD 3
    static int epoll_create1(int flags) { (void)flags; errno = ENOSYS; return -1; }
    static int epoll_ctl(int e, int op, int fd, struct epoll_event *ev) { (void)e; (void)op; (void)fd; (void)ev; errno = ENOSYS; return -1; }
    static int epoll_wait(int e, struct epoll_event *ev, int n, int t) { (void)e; (void)ev; (void)n; (void)t; errno = ENOSYS; return -1; }
    static int sidecar_accept(int fd) {
        int client = accept(fd, NULL, NULL);
        if (client >= 0) { fcntl(client, F_SETFL, O_NONBLOCK); fcntl(client, F_SETFD, FD_CLOEXEC); }
        return client;
    }
    #endif
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    static int sidecar_reset_on_close(int fd) {
        struct linger hard = {1, 0};
        return setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    #ifdef __linux__
    #include <linux/sockios.h>
    #include <sys/ioctl.h>
    static int64_t sidecar_kernel_holds(int fd) {        /* bytes sent that the peer's side has not taken */
        int bytes;
        return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -1 : bytes;
    }
    #else
    static int64_t sidecar_kernel_holds(int fd) { (void)fd; return -1; }
    #endif
    static int sidecar_is_unix(int fd) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        return getsockname(fd, (struct sockaddr*)&address, &size) == 0 && address.ss_family == AF_UNIX;
    }
    static uint64_t sidecar_boottime_ns(void) {
        struct timespec t;
        clock_gettime(SIDECAR_BOOTTIME, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    static uint64_t sidecar_wall_ms(void) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
    }
    static uint64_t sidecar_monotonic_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    """
    cdef union epoll_data:
        int fd
    cdef struct epoll_event:
        uint32_t events
        epoll_data data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int operation, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maximum, int timeout_ms)
    int EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_CLOEXEC
    uint32_t EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP
    ssize_t recv(int fd, void* buffer, size_t size, int flags)
    ssize_t send(int fd, const void* buffer, size_t size, int flags)
    int close(int fd)
    int MSG_NOSIGNAL, MSG_DONTWAIT
    int errno
    int EAGAIN, EWOULDBLOCK, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM
    int sidecar_accept(int fd)
    int sidecar_reset_on_close(int fd)
    int64_t sidecar_kernel_holds(int fd)
    bint sidecar_is_unix(int fd)
    int shutdown(int fd, int how)
    int SHUT_WR
    uint64_t sidecar_boottime_ns()
    uint64_t sidecar_wall_ms()
    uint64_t sidecar_monotonic_ns()
