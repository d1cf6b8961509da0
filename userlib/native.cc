// SPDX-License-Identifier: MIT
// The native interface (include/eta/eta.h): the same operations as the preload library's, under
// names of their own. Any thread.
#include <cerrno>

#include <netinet/in.h>

#include "preload.h"
#include "real.h"
#include "sock.h"
#include "sock_epoll.h"
#include "sock_poll.h"
#include "start.h"
// Last: its functions hide structs of the binary interface that have the same names.
#include <eta/eta.h>

using namespace eta::al;

ETA_EXPORT int eta_socket(int domain, int type, int protocol)
{
    start();
    const int fd = real().socket(domain, type, protocol);
    const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    const bool tcp = (domain == AF_INET || domain == AF_INET6) && kind == SOCK_STREAM &&
                     (protocol == 0 || protocol == IPPROTO_TCP);
    return fd >= 0 && tcp ? sock_created(fd, domain, type) : fd;
}

ETA_EXPORT int eta_bind(int fd, const sockaddr* addr, socklen_t len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().bind(fd, addr, len) : libc_int(s->ops->bind(s, fd, addr, len));
}

ETA_EXPORT int eta_listen(int fd, int backlog)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().listen(fd, backlog) : libc_int(s->ops->listen(s, fd, backlog));
}

ETA_EXPORT int eta_accept4(int fd, sockaddr* addr, socklen_t* len, int flags)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().accept4(fd, addr, len, flags)
                        : libc_int(s->ops->accept(s, fd, addr, len, flags));
}

ETA_EXPORT int eta_connect(int fd, const sockaddr* addr, socklen_t len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().connect(fd, addr, len)
                        : libc_int(s->ops->connect(s, fd, addr, len));
}

ETA_EXPORT ssize_t eta_recv(int fd, void* buf, size_t n, int flags)
{
    Sock* s = demux_sock(fd);
    const iovec v = {buf, n};
    return s == nullptr ? real().recv(fd, buf, n, flags)
                        : libc_long(s->ops->recv(s, fd, &v, 1, flags));
}

ETA_EXPORT ssize_t eta_send(int fd, const void* buf, size_t n, int flags)
{
    Sock* s = demux_sock(fd);
    const iovec v = {const_cast<void*>(buf), n};
    return s == nullptr ? real().send(fd, buf, n, flags)
                        : libc_long(s->ops->send(s, fd, &v, 1, flags));
}

ETA_EXPORT ssize_t eta_readv(int fd, const iovec* iov, int n)
{
    Sock* s = demux_sock(fd);
    if (s != nullptr && (n < 0 || n > 1024)) {
        return libc_long(-EINVAL);
    }
    return s == nullptr ? real().readv(fd, iov, n) : libc_long(s->ops->recv(s, fd, iov, n, 0));
}

ETA_EXPORT ssize_t eta_writev(int fd, const iovec* iov, int n)
{
    Sock* s = demux_sock(fd);
    if (s != nullptr && (n < 0 || n > 1024)) {
        return libc_long(-EINVAL);
    }
    return s == nullptr ? real().writev(fd, iov, n) : libc_long(s->ops->send(s, fd, iov, n, 0));
}

ETA_EXPORT int eta_shutdown(int fd, int how)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().shutdown(fd, how) : libc_int(s->ops->shutdown(s, fd, how));
}

ETA_EXPORT int eta_close(int fd)
{
    Entry* e = demux_find(fd);
    if (e != nullptr && e->kind == Kind::kInternal) {
        return libc_int(-EBADF);
    }
    if (e != nullptr && e->kind == Kind::kSock) {
        sock_closed(e->sock, fd);
    } else if (e != nullptr) {
        epoll_closed(e->set, fd);
    } else if (demux_has_why(fd)) {
        demux_clear(fd);
    }
    return real().close(fd);
}

ETA_EXPORT int eta_getsockname(int fd, sockaddr* addr, socklen_t* len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().getsockname(fd, addr, len)
                        : libc_int(s->ops->name_of(s, fd, false, addr, len));
}

ETA_EXPORT int eta_getpeername(int fd, sockaddr* addr, socklen_t* len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().getpeername(fd, addr, len)
                        : libc_int(s->ops->name_of(s, fd, true, addr, len));
}

ETA_EXPORT int eta_getsockopt(int fd, int level, int opt, void* val, socklen_t* len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().getsockopt(fd, level, opt, val, len)
                        : libc_int(s->ops->getsockopt(s, fd, level, opt, val, len));
}

ETA_EXPORT int eta_setsockopt(int fd, int level, int opt, const void* val, socklen_t len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().setsockopt(fd, level, opt, val, len)
                        : libc_int(s->ops->setsockopt(s, fd, level, opt, val, len));
}

ETA_EXPORT int eta_fcntl(int fd, int cmd, long arg)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().fcntl(fd, cmd, arg) : libc_int(s->ops->fcntl(s, fd, cmd, arg));
}

ETA_EXPORT int eta_poll(pollfd* fds, nfds_t n, int timeout_ms)
{
    if (!poll_has_eta(fds, static_cast<uint32_t>(n))) {
        return real().poll(fds, n, timeout_ms);
    }
    return libc_int(poll_on(fds, static_cast<uint32_t>(n), deadline_after_ms(timeout_ms), nullptr));
}

ETA_EXPORT int eta_epoll_create1(int flags)
{
    start();
    const int fd = real().epoll_create1(flags);
    return fd < 0 ? fd : epoll_made(fd);
}

ETA_EXPORT int eta_epoll_ctl(int epfd, int op, int fd, epoll_event* ev)
{
    Entry* e = demux_find(epfd);
    return e == nullptr || e->kind != Kind::kEpoll ? real().epoll_ctl(epfd, op, fd, ev)
                                                   : libc_int(epoll_control(e->set, op, fd, ev));
}

ETA_EXPORT int eta_epoll_wait(int epfd, epoll_event* events, int max, int timeout_ms)
{
    Entry* e = demux_find(epfd);
    if (e == nullptr || e->kind != Kind::kEpoll) {
        return real().epoll_wait(epfd, events, max, timeout_ms);
    }
    return libc_int(epoll_wait_on(e->set, events, max, deadline_after_ms(timeout_ms), nullptr));
}

ETA_EXPORT int eta_is_accelerated(int fd)
{
    const Sock* s = demux_sock(fd);
    if (s == nullptr) {
        return demux_has_why(fd) ? 0 : -1;
    }
    return s->state == SockState::kConn || s->state == SockState::kListening;
}
