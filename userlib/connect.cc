// SPDX-License-Identifier: MIT
// socket -> connect: the decision between accelerator and OS stack, and the handshake seen from
// the program.
#include <arpa/inet.h>
#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "sock_epoll.h"
#include "real.h"
#include "sock.h"

namespace eta::al {

namespace {

constexpr uint64_t kImmediateNs = 5000000;  // the accelerator's first answer takes microseconds

void record(Sock* s, Reason why, uint32_t detail, const sockaddr_in* peer)
{
    uint8_t laddr[ETA_ADDR_LEN];
    uint8_t raddr[ETA_ADDR_LEN];
    WhyAddr a = {nullptr, nullptr, s->local.sin_port, 0};
    if (s->local.sin_family == AF_INET) {
        map_v4(laddr, s->local.sin_addr.s_addr);
        a.laddr = laddr;
    }
    if (peer != nullptr) {
        map_v4(raddr, peer->sin_addr.s_addr);
        a.raddr = raddr;
        a.rport = peer->sin_port;
    }
    why_record(s->fd, why, detail, &a);
}

// All descriptors of the socket become the operating system's.
void hand_over(Sock* s)
{
    if (s->refs == 1) {
        demux_clear(s->fd);
    } else {
        demux_each(0, UINT32_MAX, [s](int fd, Entry& e) {
            if (e.kind == Kind::kSock && e.sock == s) {
                demux_clear(fd);
            }
        });
    }
    epoll_to_os(s);
    sock_free(s);
}

Reason unsuitable(const Sock* s, const sockaddr_in& peer)
{
    const uint32_t a = ntohl(peer.sin_addr.s_addr);
    if (a == INADDR_BROADCAST || IN_MULTICAST(a)) {
        return Reason::broadcast;
    }
    return (s->flags & kBoundPort) ? Reason::bound_port : Reason::none;
}

int os_connect(Sock* s, int fd, Reason why, uint32_t detail, const sockaddr* addr, socklen_t len)
{
    {
        Guard g(nullptr);
        sockaddr_in peer = {};
        const bool four = to_v4(addr, len, &peer);
        const int at = s->fd;
        Sock copy = *s;
        hand_over(s);
        copy.fd = at;
        record(&copy, why, detail, four ? &peer : nullptr);
    }
    return static_cast<int>(os_result(real().connect(fd, addr, len)));
}

// The peer as the OS socket wants to hear it.
socklen_t os_peer(const Sock* s, sockaddr_in6* out)
{
    if (!(s->flags & kV6)) {
        std::memcpy(out, &s->peer, sizeof s->peer);
        return sizeof s->peer;
    }
    *out = {};
    out->sin6_family = AF_INET6;
    out->sin6_port = s->peer.sin_port;
    map_v4(out->sin6_addr.s6_addr, s->peer.sin_addr.s_addr);
    return sizeof *out;
}

int post_connect(Sock* s, Region* r, const sockaddr_in& peer)
{
    const uint32_t dti = region_dti(r);
    if (dti == kNoDti) {
        return -ENOSPC;
    }
    eta_connect args = {};
    const uint32_t dst = peer.sin_addr.s_addr;
    map_v4(args.daddr, dst == INADDR_ANY ? htonl(INADDR_LOOPBACK) : dst);
    args.dport = peer.sin_port;
    if ((s->flags & kBoundAddr) && s->local.sin_addr.s_addr != INADDR_ANY) {
        map_v4(args.saddr, s->local.sin_addr.s_addr);
    }
    const uint32_t ctl = ((s->flags & kNodelay) ? ETA_CTL_NODELAY : 0) |
                         ((s->flags & kKeepalive) ? ETA_CTL_KEEPALIVE : 0) |
                         ((s->flags & kCork) ? ETA_CTL_CORK : 0);
    r->app->set_ctl(dti, ctl, 0);
    if (s->sndbuf != 0) {
        r->app->set_snd_limit(dti, static_cast<uint32_t>(s->sndbuf) * 2);
    }
    const int err = r->app->connect(dti, args);
    if (err != 0) {
        r->app->dti_free(dti);
        return err;
    }
    sock_attach(s, r, dti);
    s->peer = peer;
    s->err = 0;
    s->flags &= ~kTold;
    s->state = SockState::kConnecting;
    s->ops = &kEtaOps;
    epoll_to_eta(s);
    return 0;
}

// Undoes post_connect after the accelerator said "use the OS stack".
void back_to_new(Sock* s)
{
    AppRegion* app = s->region->app;
    const uint32_t dti = s->dti;
    sock_detach(s);
    app->close(dti);
    s->state = SockState::kNew;
    s->ops = &kNewOps;
}

Reason refusal_of(const Sock* s)
{
    const uint32_t a = ntohl(s->peer.sin_addr.s_addr);
    const bool loopback = (a >> 24) == 127 || a == INADDR_ANY;
    return loopback ? Reason::no_listener : Reason::declined;
}

enum class Answer { kPending, kDone, kFailed, kUseOs };

Answer answer_of(Sock* s)
{
    Guard g(s->region);
    if (s->state == SockState::kConn) {
        return s->region->app->state(s->dti) == ETA_DTI_ESTABLISHED && !(s->flags & kDead)
                   ? Answer::kDone
                   : Answer::kFailed;
    }
    const uint32_t st = s->region->app->state(s->dti);
    if (st == ETA_DTI_CONNECTING) {
        return Answer::kPending;
    }
    if (st == ETA_DTI_CLOSED && s->region->app->peek_error(s->dti) == ETA_ERR_USE_OS) {
        return Answer::kUseOs;
    }
    sock_finish_connect(s);
    return st == ETA_DTI_ESTABLISHED ? Answer::kDone : Answer::kFailed;
}

int failure(Sock* s)
{
    Guard g(s->region);
    if (s->flags & kDead) {
        return -ENETDOWN;
    }
    const int err = s->region->app->take_error(s->dti);
    return err != 0 ? -err : -ECONNREFUSED;
}

int wait_connected(Sock* s, int fd)
{
    // The first answer of the accelerator: refused here, no route, use the OS, or under way.
    const AppRegion* app = s->region->app;
    const uint32_t dti = s->dti;
    const uint64_t limit = now_ns() + kImmediateNs;
    while (app->fw(dti).gen != app->app(dti).gen && now_ns() < limit) {
        spin_relax();
    }
    const uint64_t deadline =
        s->snd_timeo_ms != 0 ? deadline_after_ms(s->snd_timeo_ms) : kForever;
    for (;;) {
        sockaddr_in6 peer;
        const socklen_t peer_len = os_peer(s, &peer);
        switch (answer_of(s)) {
        case Answer::kDone:
            s->flags |= kTold;
            return 0;
        case Answer::kFailed:
            return failure(s);
        case Answer::kUseOs: {
            const Reason why = refusal_of(s);
            {
                Guard g(s->region);
                back_to_new(s);
            }
            return os_connect(s, fd, why, 0, reinterpret_cast<const sockaddr*>(&peer), peer_len);
        }
        case Answer::kPending:
            break;
        }
        if (s->flags & kNonblock) {
            return -EINPROGRESS;
        }
        const int err = sock_wait(s, kReadOut, deadline);
        if (err == -EAGAIN) {
            return -EINPROGRESS;
        }
        if (err == -EINTR) {
            return err;
        }
        if (err == -ESTALE) {
            return -EBADF;  // closed by another thread
        }
    }
}

}  // namespace

int new_connect(Sock* s, int fd, const sockaddr* addr, socklen_t len)
{
    sockaddr_in peer;
    const bool own_family = addr != nullptr && len >= sizeof(sa_family_t) &&
                            addr->sa_family == ((s->flags & kV6) ? AF_INET6 : AF_INET);
    if (!own_family) {
        return static_cast<int>(os_result(real().connect(fd, addr, len)));
    }
    if (!to_v4(addr, len, &peer) || ((s->flags & kV6) && peer.sin_addr.s_addr == INADDR_ANY)) {
        return os_connect(s, fd, Reason::ipv6, 0, addr, len);
    }
    Reason why = unsuitable(s, peer);
    Region* r = why == Reason::none ? region_get(&why) : nullptr;
    if (r == nullptr) {
        return os_connect(s, fd, why, 0, addr, len);
    }
    int err;
    {
        Guard g(r);
        err = post_connect(s, r, peer);
    }
    if (err != 0) {
        why = err == -ENOBUFS ? Reason::no_buffer : Reason::no_dti;
        return os_connect(s, fd, why, static_cast<uint32_t>(-err), addr, len);
    }
    return wait_connected(s, fd);
}

void sock_finish_connect(Sock* s)
{
    AppRegion* app = s->region->app;
    const uint32_t st = app->state(s->dti);
    if (s->state != SockState::kConnecting || st == ETA_DTI_CONNECTING) {
        return;
    }
    if (st == ETA_DTI_CLOSED && app->peek_error(s->dti) == ETA_ERR_USE_OS) {
        if (!(s->flags & kNonblock)) {
            return;  // connect itself waits and sees to it
        }
        sockaddr_in6 peer;
        const socklen_t peer_len = os_peer(s, &peer);
        const Reason why = refusal_of(s);
        const int fd = s->fd;
        back_to_new(s);
        sock_to_os(s, why, 0);
        (void)real().connect(fd, reinterpret_cast<const sockaddr*>(&peer), peer_len);
        return;
    }
    s->state = SockState::kConn;
    if (st == ETA_DTI_ESTABLISHED) {
        placeholder_under(s);
        why_accelerated(false);
    }
}

int sock_to_os(Sock* s, Reason why, uint32_t detail)
{
    const Sock copy = *s;
    hand_over(s);
    record(const_cast<Sock*>(&copy), why, detail,
           copy.peer.sin_family == AF_INET ? &copy.peer : nullptr);
    return copy.fd;
}

int eta_connect_again(Sock* s, int fd, const sockaddr* addr, socklen_t len)
{
    if (s->state == SockState::kListening) {
        return -EISCONN;
    }
    switch (answer_of(s)) {
    case Answer::kPending:
        return -EALREADY;
    case Answer::kDone: {
        const bool told = (s->flags & kTold) != 0;
        s->flags |= kTold;
        return told ? -EISCONN : 0;
    }
    case Answer::kUseOs: {
        const Reason why = refusal_of(s);
        {
            Guard g(s->region);
            back_to_new(s);
        }
        return os_connect(s, fd, why, 0, addr, len);
    }
    case Answer::kFailed:
        break;
    }
    if ((s->flags & kTold) || !(s->flags & kReal)) {
        return -EISCONN;
    }
    {
        Guard g(s->region);
        const int err = s->region->app->take_error(s->dti);
        if (err != 0) {
            return -err;
        }
        back_to_new(s);
    }
    return new_connect(s, fd, addr, len);
}

}  // namespace eta::al
