// SPDX-License-Identifier: MIT
// recv and send on accelerated sockets: the fast path of every program that was not written for
// ETA. Nothing but the lock (none with one thread) and the DTI; waiting is out of line.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "real.h"
#include "sock.h"

namespace eta::al {

namespace {

constexpr size_t kFilePiece = 128 * 1024;
constexpr int kMaxIov = 1024;  // IOV_MAX

uint64_t total_of(const iovec* iov, int n_iov)
{
    uint64_t total = 0;
    for (int i = 0; i < n_iov; i++) {
        total += iov[i].iov_len;
    }
    return total;
}

// Drops the first `n` bytes of an iovec array into `out`; returns the entries left.
int advance(const iovec* iov, int n_iov, uint64_t n, iovec* out)
{
    int k = 0;
    for (int i = 0; i < n_iov; i++) {
        if (n >= iov[i].iov_len) {
            n -= iov[i].iov_len;
            continue;
        }
        out[k].iov_base = iov[i].iov_base == nullptr
                              ? nullptr
                              : static_cast<uint8_t*>(iov[i].iov_base) + n;
        out[k].iov_len = iov[i].iov_len - n;
        n = 0;
        k++;
    }
    return k;
}

int64_t gone(Sock* s)
{
    const int err = s->err;
    s->err = 0;
    return err != 0 ? -err : 0;
}

int64_t recv_once(Sock* s, const iovec* iov, int n_iov, bool peek)
{
    Guard g(s->region);
    if (__builtin_expect(s->state != SockState::kConn, 0)) {
        if (s->state != SockState::kConnecting) {
            return s->state == SockState::kListening ? -ENOTCONN : -EBADF;
        }
        sock_finish_connect(s);
        if (s->state != SockState::kConn) {
            return s->state == SockState::kConnecting ? -EAGAIN : -ESTALE;
        }
    }
    if (__builtin_expect(s->flags & kDead, 0)) {
        return gone(s);
    }
    return s->region->app->recv(s->dti, iov, n_iov, peek);
}

// Everything that is not "bytes were there": waiting, WAITALL.
int64_t recv_slow(Sock* s, const iovec* iov, int n_iov, int flags, int64_t got)
{
    const uint64_t want = (flags & MSG_WAITALL) ? total_of(iov, n_iov) : 1;
    const uint64_t deadline =
        s->rcv_timeo_ms != 0 ? deadline_after_ms(s->rcv_timeo_ms) : kForever;
    iovec rest[kMaxIov];
    uint64_t done = got > 0 ? static_cast<uint64_t>(got) : 0;
    for (;;) {
        if (got == 0 || (got < 0 && got != -EAGAIN) || done >= want) {
            return done != 0 ? static_cast<int64_t>(done) : got;
        }
        const int err = sock_wait(s, kReadIn, deadline);
        if (err != 0) {
            return done != 0 ? static_cast<int64_t>(done) : err;
        }
        const int n = advance(iov, n_iov, done, rest);
        got = recv_once(s, rest, n, (flags & MSG_PEEK) != 0);
        done += got > 0 ? static_cast<uint64_t>(got) : 0;
        if ((flags & MSG_PEEK) && got > 0) {
            return got;
        }
    }
}

int64_t send_once(Sock* s, const iovec* iov, int n_iov)
{
    Guard g(s->region);
    if (__builtin_expect(s->state != SockState::kConn, 0)) {
        if (s->state != SockState::kConnecting) {
            return s->state == SockState::kListening ? -EPIPE : -EBADF;
        }
        sock_finish_connect(s);
        if (s->state != SockState::kConn) {
            return s->state == SockState::kConnecting ? -EAGAIN : -ESTALE;
        }
    }
    if (__builtin_expect(s->flags & kDead, 0)) {
        const int64_t e = gone(s);
        return e != 0 ? e : -EPIPE;
    }
    return s->region->app->send(s->dti, iov, n_iov);
}

int64_t broken(int64_t err, int flags)
{
    if (err == -EPIPE && !(flags & MSG_NOSIGNAL)) {
        raise(SIGPIPE);
    }
    return err;
}

int64_t send_slow(Sock* s, const iovec* iov, int n_iov, int flags, int64_t got)
{
    const uint64_t want = total_of(iov, n_iov);
    const uint64_t deadline =
        s->snd_timeo_ms != 0 ? deadline_after_ms(s->snd_timeo_ms) : kForever;
    iovec rest[kMaxIov];
    uint64_t done = got > 0 ? static_cast<uint64_t>(got) : 0;
    for (;;) {
        if ((got < 0 && got != -EAGAIN) || done >= want) {
            return done != 0 ? static_cast<int64_t>(done) : broken(got, flags);
        }
        const int err = sock_wait(s, kReadOut, deadline);
        if (err != 0) {
            return done != 0 ? static_cast<int64_t>(done) : err;
        }
        const int n = advance(iov, n_iov, done, rest);
        got = send_once(s, rest, n);
        done += got > 0 ? static_cast<uint64_t>(got) : 0;
    }
}

}  // namespace

int64_t eta_recv(Sock* s, int fd, const iovec* iov, int n_iov, int flags)
{
    (void)fd;
    iovec sink;
    if (__builtin_expect((flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) != 0, 0)) {
        if (flags & (MSG_OOB | MSG_ERRQUEUE)) {
            return (flags & MSG_OOB) ? -EINVAL : -EAGAIN;
        }
        if (flags & MSG_TRUNC) {  // tcp(7): discard
            sink = {nullptr, static_cast<size_t>(total_of(iov, n_iov))};
            iov = &sink;
            n_iov = 1;
        }
    }
    const int64_t got = recv_once(s, iov, n_iov, (flags & MSG_PEEK) != 0);
    if (__builtin_expect(got > 0 && !(flags & MSG_WAITALL), 1)) {
        return got;
    }
    if (got == -EAGAIN && !sock_blocks(s, flags)) {
        return got;
    }
    if (got > 0 && ((flags & MSG_PEEK) || !sock_blocks(s, flags))) {
        return got;
    }
    if (total_of(iov, n_iov) == 0) {
        return 0;
    }
    return recv_slow(s, iov, n_iov, flags, got);
}

int64_t eta_send(Sock* s, int fd, const iovec* iov, int n_iov, int flags)
{
    (void)fd;
    if (__builtin_expect((flags & MSG_OOB) != 0, 0)) {
        return -EOPNOTSUPP;
    }
    const int64_t got = send_once(s, iov, n_iov);
    if (__builtin_expect(got < 0, 0)) {
        if (got == -EAGAIN && sock_blocks(s, flags)) {
            return send_slow(s, iov, n_iov, flags, got);
        }
        return broken(got, flags);
    }
    if (sock_blocks(s, flags) && static_cast<uint64_t>(got) < total_of(iov, n_iov)) {
        return send_slow(s, iov, n_iov, flags, got);
    }
    return got;
}

// One piece of a file straight into the send buffer. Bytes, 0 at end of file, -EAGAIN, -errno.
static int64_t file_piece(Sock* s, int in_fd, off_t* off, size_t count)
{
    Guard g(s->region);
    if (s->state != SockState::kConn || (s->flags & kDead)) {
        return -EPIPE;
    }
    AppRegion* app = s->region->app;
    uint8_t* to = nullptr;
    const uint64_t room = app->send_reserve(s->dti, count < kFilePiece ? count : kFilePiece, &to);
    if (room == 0) {
        const iovec none = {&to, 1};
        if (app->state(s->dti) != ETA_DTI_ESTABLISHED ||
            (app->flags(s->dti) & AppRegion::kWrShut)) {
            return app->send(s->dti, &none, 1);
        }
        app->set_ctl(s->dti, ETA_CTL_WANT_TX, 0);
        return -EAGAIN;
    }
    const ssize_t n = off != nullptr ? pread(in_fd, to, room, *off) : real().read(in_fd, to, room);
    if (n <= 0) {
        return n < 0 ? -errno : 0;
    }
    app->send_commit(s->dti, static_cast<uint64_t>(n));
    if (off != nullptr) {
        *off += n;
    }
    return n;
}

int64_t eta_sendfile(Sock* s, int fd, int in_fd, off_t* off, size_t count)
{
    (void)fd;
    int64_t done = 0;
    off_t at = off != nullptr ? *off : 0;
    while (static_cast<size_t>(done) < count) {
        const int64_t n = file_piece(s, in_fd, off != nullptr ? &at : nullptr,
                                     count - static_cast<size_t>(done));
        if (n > 0) {
            done += n;
            continue;
        }
        if (n == -EAGAIN && !(s->flags & kNonblock)) {
            const int err = sock_wait(s, kReadOut, kForever);
            if (err == 0) {
                continue;
            }
            done = done != 0 ? done : err;
            break;
        }
        if (n < 0 && done == 0) {
            done = broken(n, 0);
        }
        break;
    }
    if (off != nullptr && done > 0) {
        *off = at;
    }
    return done;
}

int eta_shutdown(Sock* s, int fd, int how)
{
    (void)fd;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return -EINVAL;
    }
    Guard g(s->region);
    if (s->state == SockState::kConnecting) {
        sock_finish_connect(s);
    }
    if (s->state != SockState::kConn || (s->flags & kDead)) {
        return -ENOTCONN;
    }
    AppRegion* app = s->region->app;
    if (app->state(s->dti) != ETA_DTI_ESTABLISHED) {
        return -ENOTCONN;
    }
    if (how != SHUT_WR) {
        app->shutdown_rd(s->dti);
    }
    if (how != SHUT_RD) {
        app->shutdown_wr(s->dti);
    }
    for (EpollItem* it = s->items; it != nullptr; it = it->obj_next) {
        epoll_item_event(it);
    }
    return 0;
}

// -- the operations tables --

namespace {

// A new socket: the kernel's own answers (not connected, and so on).
int64_t new_recv(Sock*, int fd, const iovec* iov, int n_iov, int flags)
{
    msghdr m = {};
    m.msg_iov = const_cast<iovec*>(iov);
    m.msg_iovlen = static_cast<size_t>(n_iov);
    return os_result(real().recvmsg(fd, &m, flags));
}

int64_t new_send(Sock*, int fd, const iovec* iov, int n_iov, int flags)
{
    msghdr m = {};
    m.msg_iov = const_cast<iovec*>(iov);
    m.msg_iovlen = static_cast<size_t>(n_iov);
    return os_result(real().sendmsg(fd, &m, flags));
}

int64_t new_sendfile(Sock*, int fd, int in_fd, off_t* off, size_t count)
{
    return os_result(real().sendfile(fd, in_fd, off, count));
}

int new_accept(Sock*, int fd, sockaddr* addr, socklen_t* len, int flags)
{
    return static_cast<int>(os_result(real().accept4(fd, addr, len, flags)));
}

int new_shutdown(Sock*, int fd, int how)
{
    return static_cast<int>(os_result(real().shutdown(fd, how)));
}

int new_name_of(Sock*, int fd, bool peer, sockaddr* addr, socklen_t* len)
{
    const auto fn = peer ? real().getpeername : real().getsockname;
    return static_cast<int>(os_result(fn(fd, addr, len)));
}

int new_getsockopt(Sock*, int fd, int level, int opt, void* val, socklen_t* len)
{
    return static_cast<int>(os_result(real().getsockopt(fd, level, opt, val, len)));
}

int eta_bind(Sock*, int, const sockaddr*, socklen_t)
{
    return -EINVAL;
}

int eta_listen(Sock*, int, int)
{
    return -EINVAL;
}

int eta_accept(Sock*, int, sockaddr*, socklen_t*, int)
{
    return -EINVAL;
}

}  // namespace

const Ops kNewOps = {
    "os", new_recv, new_send, new_sendfile, new_bind, new_listen, new_accept, new_connect,
    new_shutdown, new_name_of, new_getsockopt, new_setsockopt, new_fcntl, new_ioctl,
};

const Ops kEtaOps = {
    "eta", eta_recv, eta_send, eta_sendfile, eta_bind, eta_listen, eta_accept, eta_connect_again,
    eta_shutdown, eta_name_of, eta_getsockopt, eta_setsockopt, eta_fcntl, eta_ioctl,
};

const Ops kListenOps = {
    "eta listener", new_recv, new_send, new_sendfile, new_bind, listen_again, listen_accept,
    eta_connect_again, listen_shutdown, new_name_of, new_getsockopt, new_setsockopt, new_fcntl,
    new_ioctl,
};

}  // namespace eta::al
