// SPDX-License-Identifier: MIT
// The C library's own versions of the functions that the preload library stands in for: the `os`
// operations. Resolved once; any thread, any time, also before constructors have run.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

namespace eta::al {

#define ETA_REAL_FUNCTIONS(X)                                                                   \
    X(int, socket, (int, int, int))                                                             \
    X(int, bind, (int, const sockaddr*, socklen_t))                                             \
    X(int, listen, (int, int))                                                                  \
    X(int, accept, (int, sockaddr*, socklen_t*))                                                \
    X(int, accept4, (int, sockaddr*, socklen_t*, int))                                          \
    X(int, connect, (int, const sockaddr*, socklen_t))                                          \
    X(ssize_t, read, (int, void*, size_t))                                                      \
    X(ssize_t, write, (int, const void*, size_t))                                               \
    X(ssize_t, readv, (int, const iovec*, int))                                                 \
    X(ssize_t, writev, (int, const iovec*, int))                                                \
    X(ssize_t, send, (int, const void*, size_t, int))                                           \
    X(ssize_t, recv, (int, void*, size_t, int))                                                 \
    X(ssize_t, sendto, (int, const void*, size_t, int, const sockaddr*, socklen_t))             \
    X(ssize_t, recvfrom, (int, void*, size_t, int, sockaddr*, socklen_t*))                      \
    X(ssize_t, sendmsg, (int, const msghdr*, int))                                              \
    X(ssize_t, recvmsg, (int, msghdr*, int))                                                    \
    X(int, sendmmsg, (int, mmsghdr*, unsigned, int))                                            \
    X(int, recvmmsg, (int, mmsghdr*, unsigned, int, timespec*))                                 \
    X(ssize_t, sendfile, (int, int, off_t*, size_t))                                            \
    X(ssize_t, splice, (int, off_t*, int, off_t*, size_t, unsigned))                            \
    X(int, shutdown, (int, int))                                                                \
    X(int, close, (int))                                                                        \
    X(int, dup, (int))                                                                          \
    X(int, dup2, (int, int))                                                                    \
    X(int, dup3, (int, int, int))                                                               \
    X(int, getsockname, (int, sockaddr*, socklen_t*))                                           \
    X(int, getpeername, (int, sockaddr*, socklen_t*))                                           \
    X(int, getsockopt, (int, int, int, void*, socklen_t*))                                      \
    X(int, setsockopt, (int, int, int, const void*, socklen_t))                                 \
    X(int, fcntl, (int, int, ...))                                                              \
    X(int, ioctl, (int, unsigned long, ...))                                                    \
    X(int, select, (int, fd_set*, fd_set*, fd_set*, timeval*))                                  \
    X(int, pselect, (int, fd_set*, fd_set*, fd_set*, const timespec*, const sigset_t*))         \
    X(int, poll, (pollfd*, nfds_t, int))                                                        \
    X(int, ppoll, (pollfd*, nfds_t, const timespec*, const sigset_t*))                          \
    X(int, epoll_create, (int))                                                                 \
    X(int, epoll_create1, (int))                                                                \
    X(int, epoll_ctl, (int, int, int, epoll_event*))                                            \
    X(int, epoll_wait, (int, epoll_event*, int, int))                                           \
    X(int, epoll_pwait, (int, epoll_event*, int, int, const sigset_t*))                         \
    X(int, epoll_pwait2, (int, epoll_event*, int, const timespec*, const sigset_t*))            \
    X(int, close_range, (unsigned, unsigned, int))                                              \
    X(void, closefrom, (int))

struct Real {
#define ETA_REAL_FIELD(ret, name, args) ret(*name) args;
    ETA_REAL_FUNCTIONS(ETA_REAL_FIELD)
#undef ETA_REAL_FIELD
};

extern Real g_real;
extern bool g_real_ready;
void real_init();

inline const Real& real()
{
    if (__builtin_expect(!g_real_ready, 0)) {
        real_init();
    }
    return g_real;
}

// Moves a descriptor of the library out of the way of the program and marks it as ours, so that a
// program that closes everything does not close it. Returns the new number (or the old one).
int keep_fd(int fd);

uint64_t now_ns();

}  // namespace eta::al
