// SPDX-License-Identifier: MIT
// bind, listen, accept: an OS socket that proves the right to the port and serves what the
// accelerator does not, and a master DTI beside it (E14).
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sock_epoll.h"
#include "real.h"
#include "sock.h"

namespace eta::al {

namespace {

constexpr uint32_t kMaxPosted = 1024;
constexpr uint32_t kMinPosted = 16;
constexpr uint64_t kActivateNs = 100000000;  // the accelerator takes a listener on in microseconds

void os_nonblocking(int fd)
{
    const int fl = real().fcntl(fd, F_GETFL);
    if (fl >= 0) {
        real().fcntl(fd, F_SETFL, fl | O_NONBLOCK);
    }
}

// The OS alone serves this listener.
int decline(Sock* s, Reason why, uint32_t detail)
{
    Guard g(nullptr);
    uint8_t laddr[ETA_ADDR_LEN];
    map_v4(laddr, s->local.sin_addr.s_addr);
    const WhyAddr a = {laddr, nullptr, s->local.sin_port, 0};
    const int fd = s->fd;
    if (s->state == SockState::kNew && s->refs == 1) {
        epoll_to_os(s);
        demux_clear(fd);
        sock_free(s);
    }
    why_record(fd, why, detail, &a, true);
    return 0;
}

bool only_v6(const Sock* s, int fd)
{
    int only = 0;
    socklen_t len = sizeof only;
    return (s->flags & kV6) &&
           (real().getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) != 0 || only != 0);
}

void wait_listening(const Region* r, uint32_t dti)
{
    const uint64_t limit = now_ns() + kActivateNs;
    while (r->app->state(dti) != ETA_DTI_LISTENING && !r->app->fw_down() && now_ns() < limit) {
        spin_relax();
    }
}

// Gives the listener a master DTI in the region of this process. None: *why.
Reason activate(Sock* s, int fd, uint32_t* detail)
{
    Reason why = Reason::none;
    Region* r = region_get(&why);
    if (r == nullptr) {
        return why;
    }
    uint32_t dti;
    {
        Guard g(r);
        dti = region_dti(r);
        if (dti == kNoDti) {
            return Reason::no_dti;
        }
        r->app->listen(dti);
        r->app->set_ctl(dti, (s->flags & kNodelay) ? ETA_CTL_NODELAY : 0, 0);
        if (s->sndbuf != 0) {
            r->app->set_snd_limit(dti, static_cast<uint32_t>(s->sndbuf) * 2);
        }
    }
    unsigned listener = 0;
    const int err = r->agent.listen(fd, dti, s->backlog, &listener);
    if (err != 0) {
        Guard g(r);
        r->app->dti_free(dti);
        *detail = static_cast<uint32_t>(-err);
        return Reason::listen_refused;
    }
    os_nonblocking(fd);
    wait_listening(r, dti);
    Guard g(r);
    s->listener = listener;
    sock_attach(s, r, dti);
    s->flags &= ~kNeedReplica;
    sock_refill_children(s);
    return Reason::none;
}

int accept_os(Sock* s, int fd, sockaddr* addr, socklen_t* len, int flags)
{
    const int child = real().accept4(fd, addr, len, flags);
    if (child < 0) {
        if (errno == EAGAIN) {
            s->flags &= ~kOsReady;
        }
        return -errno;
    }
    // Another one? A stale "yes" would make a program block in accept.
    pollfd more = {fd, POLLIN, 0};
    if ((s->flags & kOsReady) && real().poll(&more, 1, 0) == 0) {
        s->flags &= ~kOsReady;
    }
    uint8_t laddr[ETA_ADDR_LEN];
    map_v4(laddr, s->local.sin_addr.s_addr);
    WhyAddr a = {laddr, nullptr, s->local.sin_port, 0};
    Reason why = Reason::no_child;
    if (s->region == nullptr) {
        why = Reason::no_agent;
        region_get(&why);
    }
    Guard g(nullptr);
    why_record(child, why, 0, &a);
    return child;
}

// A connection from the accept ring: -EAGAIN if there is none.
int accept_eta(Sock* s, sockaddr* addr, socklen_t* len, int flags)
{
    Region* r = s->region;
    if (r == nullptr) {
        return -EAGAIN;
    }
    Guard g(r);
    if (r->app->accept_ready(s->dti) == 0) {
        return -EAGAIN;
    }
    const int fd = placeholder_fd(flags);
    if (fd < 0) {
        return fd;
    }
    Sock* c = sock_alloc();
    const uint32_t dti = c == nullptr ? kNoDti : r->app->accept(s->dti);
    if (dti == kNoDti || !demux_set_sock(fd, c)) {
        if (c != nullptr) {
            sock_free(c);
        }
        if (dti != kNoDti) {
            r->app->abort(dti);
        }
        syscall(SYS_close, fd);
        return -ENOMEM;
    }
    c->fd = fd;
    c->ops = &kEtaOps;
    c->state = SockState::kConn;
    c->flags = kTold | (s->flags & (kNodelay | kKeepalive | kLingerOn | kV6 | kReuse)) |
               ((flags & SOCK_NONBLOCK) ? kNonblock : 0);
    c->rcv_timeo_ms = s->rcv_timeo_ms;
    c->snd_timeo_ms = s->snd_timeo_ms;
    c->linger_s = s->linger_s;
    c->rcvbuf = s->rcvbuf;
    c->sndbuf = s->sndbuf;
    sock_attach(c, r, dti);
    if (addr != nullptr && len != nullptr) {
        eta_name_of(c, fd, true, addr, len);
    }
    why_accelerated(false);
    sock_refill_children(s);
    return fd;
}

}  // namespace

void sock_refill_children(Sock* s)
{
    Region* r = s->region;
    uint32_t target = s->backlog < kMinPosted ? kMinPosted : s->backlog;
    target = target > kMaxPosted ? kMaxPosted : target;
    const uint32_t posted = r->app->posted(s->dti);
    if (posted > target - target / 8 || r->app->state(s->dti) != ETA_DTI_LISTENING) {
        return;
    }
    bool any = false;
    for (uint32_t n = target - posted; n != 0; n--) {
        const uint32_t child = region_dti(r);
        if (child == kNoDti) {
            break;
        }
        r->app->post_child(s->dti, child);
        any = true;
    }
    if (any) {
        r->app->ring(s->dti);
    }
}

int new_bind(Sock* s, int fd, const sockaddr* addr, socklen_t len)
{
    const int r = real().bind(fd, addr, len);
    if (r != 0) {
        return -errno;
    }
    sockaddr_in local;
    if (to_v4(addr, len, &local)) {
        s->local = local;
        s->flags |= local.sin_port != 0 ? kBoundPort : kBoundAddr;
    } else {
        s->flags |= kBoundPort;
    }
    return 0;
}

int new_listen(Sock* s, int fd, int backlog)
{
    if (real().listen(fd, backlog) != 0) {
        return -errno;
    }
    sockaddr_in6 name = {};
    socklen_t len = sizeof name;
    real().getsockname(fd, reinterpret_cast<sockaddr*>(&name), &len);
    const bool four = to_v4(reinterpret_cast<sockaddr*>(&name), len, &s->local);
    s->backlog = backlog <= 0 ? 1 : backlog > 4096 ? 4096 : static_cast<uint32_t>(backlog);
    uint32_t detail = 0;
    const Reason why = !four || only_v6(s, fd) ? Reason::ipv6 : activate(s, fd, &detail);
    if (why != Reason::none) {
        return decline(s, why, detail);
    }
    Guard g(s->region);
    s->state = SockState::kListening;
    s->ops = &kListenOps;
    epoll_to_listener(s);
    why_accelerated(true);
    return 0;
}

int listen_again(Sock* s, int fd, int backlog)
{
    if (real().listen(fd, backlog) != 0) {
        return -errno;
    }
    s->flags &= ~kStopped;
    return 0;
}

void sock_adopt_listener(Sock* s)
{
    if (!(s->flags & kNeedReplica)) {
        return;
    }
    uint32_t detail = 0;
    const Reason why = activate(s, s->fd, &detail);
    if (why == Reason::none) {
        why_accelerated(true);
        return;
    }
    Guard g(nullptr);
    s->flags &= ~kNeedReplica;  // the OS socket alone serves it
    why_record(s->fd, why, detail, nullptr, true);
}

void sock_listener_polled(Sock* s)
{
    if (__builtin_expect((s->flags & (kPolled | kNeedReplica)) == kPolled, 1)) {
        return;
    }
    sock_adopt_listener(s);
    s->flags |= kPolled;
    if (s->region != nullptr) {
        Guard g(s->region);
        s->region->app->set_ctl(s->dti, 0, ETA_CTL_PAUSED);
        sock_refill_children(s);
    }
}

int listen_accept(Sock* s, int fd, sockaddr* addr, socklen_t* len, int flags)
{
    sock_listener_polled(s);
    const uint64_t deadline =
        s->rcv_timeo_ms != 0 ? deadline_after_ms(s->rcv_timeo_ms) : kForever;
    for (;;) {
        if (s->flags & kStopped) {
            return -EINVAL;
        }
        int r = accept_eta(s, addr, len, flags);
        if (r != -EAGAIN) {
            return r;
        }
        r = accept_os(s, fd, addr, len, flags);
        if (r != -EAGAIN || (s->flags & kNonblock)) {
            return r;
        }
        r = sock_wait(s, kReadIn, deadline);
        if (r != 0) {
            return r;
        }
    }
}

int listen_shutdown(Sock* s, int fd, int how)
{
    const int r = real().shutdown(fd, how);
    if (r != 0) {
        return -errno;
    }
    if (how == SHUT_WR) {
        return 0;
    }
    Guard g(s->region);
    s->flags |= kStopped;
    if (s->region != nullptr) {
        s->region->app->set_ctl(s->dti, ETA_CTL_PAUSED, 0);
    }
    return 0;
}

}  // namespace eta::al
