// SPDX-License-Identifier: MIT
// The C library's socket functions as unmodified programs call them: life, bytes, options. Each
// looks its descriptor up and hands the call to the operations of its entry; a descriptor without
// an entry goes to the C library at once. Nothing is decided here. Any thread.
#include <cerrno>
#include <cstdarg>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fork.h"
#include "preload.h"
#include "real.h"
#include "sock.h"
#include "sock_epoll.h"
#include "start.h"

using namespace eta::al;

namespace {

__attribute__((constructor)) void library_start()
{
    start();
}

void count_other(int domain, int type)
{
    const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (domain != AF_INET && domain != AF_INET6) {
        why_count(Reason::not_inet);
    } else if (kind != SOCK_STREAM) {
        why_count(Reason::not_tcp);
    } else {
        why_count(Reason::protocol);
    }
}

// dup2 and dup3 close what was there.
void displaced(int fd)
{
    Entry* e = demux_find(fd);
    if (e == nullptr) {
        demux_clear(fd);
        return;
    }
    if (e->kind == Kind::kSock) {
        sock_closed(e->sock, fd);
    } else if (e->kind == Kind::kEpoll) {
        epoll_closed(e->set, fd);
    }
}

void duplicated(int from, int to)
{
    Entry* e = demux_find(from);
    if (e == nullptr || to < 0) {
        return;
    }
    if (e->kind == Kind::kSock) {
        sock_dup(e->sock, to);
    } else if (e->kind == Kind::kEpoll) {
        epoll_dup(e->set, to);
    }
}

}  // namespace

// -- life --

ETA_EXPORT int socket(int domain, int type, int protocol)
{
    const int fd = real().socket(domain, type, protocol);
    if (fd < 0) {
        return fd;
    }
    const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    const bool inet = domain == AF_INET || domain == AF_INET6;
    if (inet && kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) {
        return sock_created(fd, domain, type);
    }
    count_other(domain, type);
    return fd;
}

ETA_EXPORT int bind(int fd, const sockaddr* addr, socklen_t len) noexcept
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().bind(fd, addr, len) : libc_int(s->ops->bind(s, fd, addr, len));
}

ETA_EXPORT int listen(int fd, int backlog) noexcept
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().listen(fd, backlog) : libc_int(s->ops->listen(s, fd, backlog));
}

ETA_EXPORT int accept4(int fd, sockaddr* addr, socklen_t* len, int flags)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().accept4(fd, addr, len, flags)
                        : libc_int(s->ops->accept(s, fd, addr, len, flags));
}

ETA_EXPORT int accept(int fd, sockaddr* addr, socklen_t* len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().accept(fd, addr, len)
                        : libc_int(s->ops->accept(s, fd, addr, len, 0));
}

ETA_EXPORT int connect(int fd, const sockaddr* addr, socklen_t len)
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().connect(fd, addr, len)
                        : libc_int(s->ops->connect(s, fd, addr, len));
}

ETA_EXPORT int shutdown(int fd, int how) noexcept
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().shutdown(fd, how) : libc_int(s->ops->shutdown(s, fd, how));
}

ETA_EXPORT int close(int fd)
{
    Entry* e = demux_find(fd);
    if (e == nullptr) {
        if (__builtin_expect(demux_has_why(fd), 0) && !fork_is_stranger()) {
            demux_clear(fd);
        }
        return real().close(fd);
    }
    if (fork_is_stranger()) {
        return e->kind == Kind::kInternal ? libc_int(-EBADF) : real().close(fd);
    }
    switch (e->kind) {
    case Kind::kInternal:
        return libc_int(-EBADF);
    case Kind::kSock:
        sock_closed(e->sock, fd);
        break;
    case Kind::kEpoll:
        epoll_closed(e->set, fd);
        break;
    default:
        break;
    }
    return real().close(fd);
}

ETA_EXPORT int dup(int fd) noexcept
{
    const int to = real().dup(fd);
    if (to >= 0 && !fork_is_stranger()) {
        duplicated(fd, to);
    }
    return to;
}

ETA_EXPORT int dup3(int from, int to, int flags) noexcept
{
    if (demux_is_internal(to)) {
        return libc_int(-EBADF);
    }
    const bool known = demux_find(from) != nullptr || demux_find(to) != nullptr;
    if (known && from != to && demux_find(to) != nullptr && !fork_is_stranger() &&
        real().fcntl(from, F_GETFD) >= 0) {
        displaced(to);
    }
    const int r = real().dup3(from, to, flags);
    if (r >= 0 && known && !fork_is_stranger()) {
        duplicated(from, to);
    }
    return r;
}

ETA_EXPORT int dup2(int from, int to) noexcept
{
    if (from == to) {
        return real().dup2(from, to);
    }
    return dup3(from, to, 0);
}

static void close_known(unsigned first, unsigned last)
{
    if (!fork_is_stranger()) {
        demux_each(first, last, [](int fd, Entry& e) {
            if (e.kind == Kind::kSock || e.kind == Kind::kEpoll) {
                close(fd);
            }
        });
    }
}

ETA_EXPORT int close_range(unsigned first, unsigned last, int flags) noexcept
{
    if (flags & static_cast<int>(CLOSE_RANGE_CLOEXEC)) {
        return static_cast<int>(syscall(SYS_close_range, first, last, flags));
    }
    close_known(first, last);
    // Around the library's own descriptors, in ascending order.
    unsigned from = first;
    int r = 0;
    demux_each(first, last, [&](int fd, Entry& e) {
        if (e.kind == Kind::kInternal) {
            if (static_cast<unsigned>(fd) > from) {
                r |= static_cast<int>(syscall(SYS_close_range, from, fd - 1, flags));
            }
            from = static_cast<unsigned>(fd) + 1;
        }
    });
    if (from <= last) {
        r |= static_cast<int>(syscall(SYS_close_range, from, last, flags));
    }
    return r;
}

ETA_EXPORT void closefrom(int first) noexcept
{
    close_range(first < 0 ? 0 : static_cast<unsigned>(first), ~0u, 0);
}

// -- bytes --

ETA_EXPORT ssize_t read(int fd, void* buf, size_t n)
{
    Sock* s = demux_sock(fd);
    if (__builtin_expect(s == nullptr, 0)) {
        return real().read(fd, buf, n);
    }
    const iovec v = {buf, n};
    return libc_long(s->ops->recv(s, fd, &v, 1, 0));
}

ETA_EXPORT ssize_t write(int fd, const void* buf, size_t n)
{
    Sock* s = demux_sock(fd);
    if (__builtin_expect(s == nullptr, 0)) {
        return real().write(fd, buf, n);
    }
    const iovec v = {const_cast<void*>(buf), n};
    return libc_long(s->ops->send(s, fd, &v, 1, 0));
}

ETA_EXPORT ssize_t readv(int fd, const iovec* iov, int n)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr) {
        return real().readv(fd, iov, n);
    }
    return n < 0 || n > 1024 ? libc_long(-EINVAL) : libc_long(s->ops->recv(s, fd, iov, n, 0));
}

ETA_EXPORT ssize_t writev(int fd, const iovec* iov, int n)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr) {
        return real().writev(fd, iov, n);
    }
    return n < 0 || n > 1024 ? libc_long(-EINVAL) : libc_long(s->ops->send(s, fd, iov, n, 0));
}

ETA_EXPORT ssize_t recv(int fd, void* buf, size_t n, int flags)
{
    Sock* s = demux_sock(fd);
    if (__builtin_expect(s == nullptr, 0)) {
        return real().recv(fd, buf, n, flags);
    }
    const iovec v = {buf, n};
    return libc_long(s->ops->recv(s, fd, &v, 1, flags));
}

ETA_EXPORT ssize_t send(int fd, const void* buf, size_t n, int flags)
{
    Sock* s = demux_sock(fd);
    if (__builtin_expect(s == nullptr, 0)) {
        return real().send(fd, buf, n, flags);
    }
    const iovec v = {const_cast<void*>(buf), n};
    return libc_long(s->ops->send(s, fd, &v, 1, flags));
}

ETA_EXPORT ssize_t recvfrom(int fd, void* buf, size_t n, int flags, sockaddr* addr, socklen_t* len)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr) {
        return real().recvfrom(fd, buf, n, flags, addr, len);
    }
    if (len != nullptr) {
        *len = 0;  // a stream socket names nobody
    }
    const iovec v = {buf, n};
    return libc_long(s->ops->recv(s, fd, &v, 1, flags));
}

ETA_EXPORT ssize_t sendto(int fd, const void* buf, size_t n, int flags, const sockaddr* addr,
                          socklen_t len)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr || s->state == SockState::kNew) {
        if (s != nullptr && (flags & MSG_FASTOPEN)) {
            Guard g(nullptr);
            sock_to_os(s, Reason::fastopen, 0);
        }
        return real().sendto(fd, buf, n, flags, addr, len);
    }
    const iovec v = {const_cast<void*>(buf), n};
    return libc_long(s->ops->send(s, fd, &v, 1, flags));
}

ETA_EXPORT ssize_t recvmsg(int fd, msghdr* m, int flags)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr || s->state == SockState::kNew) {
        return real().recvmsg(fd, m, flags);
    }
    m->msg_namelen = 0;
    m->msg_controllen = 0;
    m->msg_flags = 0;
    return libc_long(s->ops->recv(s, fd, m->msg_iov, static_cast<int>(m->msg_iovlen), flags));
}

ETA_EXPORT ssize_t sendmsg(int fd, const msghdr* m, int flags)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr || s->state == SockState::kNew) {
        return real().sendmsg(fd, m, flags);
    }
    return libc_long(s->ops->send(s, fd, m->msg_iov, static_cast<int>(m->msg_iovlen), flags));
}

ETA_EXPORT int sendmmsg(int fd, mmsghdr* v, unsigned n, int flags)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr || s->state == SockState::kNew) {
        return real().sendmmsg(fd, v, n, flags);
    }
    unsigned done = 0;
    for (; done < n; done++) {
        const ssize_t r = sendmsg(fd, &v[done].msg_hdr, flags);
        if (r < 0) {
            return done != 0 ? static_cast<int>(done) : -1;
        }
        v[done].msg_len = static_cast<unsigned>(r);
    }
    return static_cast<int>(done);
}

ETA_EXPORT int recvmmsg(int fd, mmsghdr* v, unsigned n, int flags, timespec* timeout)
{
    Sock* s = demux_sock(fd);
    if (s == nullptr || s->state == SockState::kNew) {
        return real().recvmmsg(fd, v, n, flags, timeout);
    }
    unsigned done = 0;
    for (; done < n; done++) {
        const int f = (flags & ~MSG_WAITFORONE) |
                      (done != 0 && (flags & MSG_WAITFORONE) ? MSG_DONTWAIT : 0);
        const ssize_t r = recvmsg(fd, &v[done].msg_hdr, f);
        if (r < 0) {
            return done != 0 ? static_cast<int>(done) : -1;
        }
        v[done].msg_len = static_cast<unsigned>(r);
        if (r == 0) {
            return static_cast<int>(done + 1);
        }
    }
    return static_cast<int>(done);
}

ETA_EXPORT ssize_t sendfile(int out, int in, off_t* off, size_t n) noexcept
{
    Sock* s = demux_sock(out);
    if (s == nullptr) {
        Sock* from = demux_sock(in);
        if (from != nullptr && from->state != SockState::kNew) {
            return libc_long(-EINVAL);  // as Linux: the source must be a file
        }
        return real().sendfile(out, in, off, n);
    }
    return libc_long(s->ops->sendfile(s, out, in, off, n));
}

ETA_EXPORT ssize_t sendfile64(int out, int in, off64_t* off, size_t n) noexcept
{
    return sendfile(out, in, off, n);
}

// EINVAL is what programs with a fallback (nginx, haproxy, ...) expect from splice.
ETA_EXPORT ssize_t splice(int in, off64_t* off_in, int out, off64_t* off_out, size_t n,
                          unsigned flags)
{
    const Sock* a = demux_sock(in);
    const Sock* b = demux_sock(out);
    if ((a != nullptr && a->state != SockState::kNew) ||
        (b != nullptr && b->state != SockState::kNew)) {
        why_count(Reason::splice);
        return libc_long(-EINVAL);
    }
    return real().splice(in, off_in, out, off_out, n, flags);
}

// -- names and options --

ETA_EXPORT int getsockname(int fd, sockaddr* addr, socklen_t* len) noexcept
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().getsockname(fd, addr, len)
                        : libc_int(s->ops->name_of(s, fd, false, addr, len));
}

ETA_EXPORT int getpeername(int fd, sockaddr* addr, socklen_t* len) noexcept
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().getpeername(fd, addr, len)
                        : libc_int(s->ops->name_of(s, fd, true, addr, len));
}

ETA_EXPORT int getsockopt(int fd, int level, int opt, void* val, socklen_t* len) noexcept
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().getsockopt(fd, level, opt, val, len)
                        : libc_int(s->ops->getsockopt(s, fd, level, opt, val, len));
}

ETA_EXPORT int setsockopt(int fd, int level, int opt, const void* val, socklen_t len) noexcept
{
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().setsockopt(fd, level, opt, val, len)
                        : libc_int(s->ops->setsockopt(s, fd, level, opt, val, len));
}

ETA_EXPORT int fcntl(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    const long arg = va_arg(ap, long);
    va_end(ap);
    Entry* e = demux_find(fd);
    if (e == nullptr) {
        return real().fcntl(fd, cmd, arg);
    }
    if (e->kind == Kind::kInternal) {
        return libc_int(-EBADF);
    }
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
        const int to = real().fcntl(fd, cmd, arg);
        if (to >= 0 && !fork_is_stranger()) {
            duplicated(fd, to);
        }
        return to;
    }
    return e->kind == Kind::kSock ? libc_int(e->sock->ops->fcntl(e->sock, fd, cmd, arg))
                                  : real().fcntl(fd, cmd, arg);
}

ETA_EXPORT int fcntl64(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    const long arg = va_arg(ap, long);
    va_end(ap);
    return fcntl(fd, cmd, arg);
}

ETA_EXPORT int ioctl(int fd, unsigned long cmd, ...) noexcept
{
    va_list ap;
    va_start(ap, cmd);
    void* arg = va_arg(ap, void*);
    va_end(ap);
    Sock* s = demux_sock(fd);
    return s == nullptr ? real().ioctl(fd, cmd, arg) : libc_int(s->ops->ioctl(s, fd, cmd, arg));
}

// -- the checked forms that _FORTIFY_SOURCE makes of them --

extern "C" [[noreturn]] void __chk_fail(void);

ETA_EXPORT ssize_t __read_chk(int fd, void* buf, size_t n, size_t size)
{
    if (n > size) {
        __chk_fail();
    }
    return read(fd, buf, n);
}

ETA_EXPORT ssize_t __recv_chk(int fd, void* buf, size_t n, size_t size, int flags)
{
    if (n > size) {
        __chk_fail();
    }
    return recv(fd, buf, n, flags);
}

ETA_EXPORT ssize_t __recvfrom_chk(int fd, void* buf, size_t n, size_t size, int flags,
                                  sockaddr* addr, socklen_t* len)
{
    if (n > size) {
        __chk_fail();
    }
    return recvfrom(fd, buf, n, flags, addr, len);
}
