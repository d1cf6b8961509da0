// SPDX-License-Identifier: MIT
// Life, readiness and waiting of sockets. See sock.h.
#include "sock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fork.h"
#include "sock_epoll.h"
#include "real.h"

namespace eta::al {

namespace {

constexpr uint32_t kSlab = 512;

Sock* g_free_socks;
int g_placeholder = -1;

bool grow_slab()
{
    void* p = mmap(nullptr, kSlab * sizeof(Sock), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    Sock* socks = static_cast<Sock*>(p);
    for (uint32_t i = kSlab; i-- > 0;) {
        socks[i].next = g_free_socks;
        g_free_socks = &socks[i];
    }
    return true;
}

uint32_t dead_mask(const Sock* s)
{
    return (s->flags & kDead) ? kReadIn | kReadOut | kReadErr | kReadHup | kReadRdHup : 0;
}

}  // namespace

Sock* sock_alloc()
{
    if (g_free_socks == nullptr && !grow_slab()) {
        return nullptr;
    }
    Sock* s = g_free_socks;
    g_free_socks = s->next;
    std::memset(s, 0, sizeof *s);
    s->ops = &kNewOps;
    s->state = SockState::kNew;
    s->dti = kNoDti;
    s->refs = 1;
    s->fd = -1;
    return s;
}

void sock_free(Sock* s)
{
    s->state = SockState::kFree;
    s->next = g_free_socks;
    g_free_socks = s;
}

void sock_attach(Sock* s, Region* r, uint32_t dti)
{
    s->region = r;
    s->dti = dti;
    r->app->set_user(dti, reinterpret_cast<uint64_t>(s));
    r->n_socks++;
    s->prev = nullptr;
    s->next = r->socks;
    if (r->socks != nullptr) {
        r->socks->prev = s;
    }
    r->socks = s;
}

void sock_detach(Sock* s)
{
    Region* r = s->region;
    if (r == nullptr) {
        return;
    }
    (s->prev == nullptr ? r->socks : s->prev->next) = s->next;
    if (s->next != nullptr) {
        s->next->prev = s->prev;
    }
    r->n_socks--;
    s->next = s->prev = nullptr;
    s->region = nullptr;
    s->dti = kNoDti;
}

int sock_created(int fd, int domain, int type)
{
    Guard g(nullptr);
    Sock* s = sock_alloc();
    if (s == nullptr) {
        return fd;
    }
    s->fd = fd;
    s->flags = kReal | ((type & SOCK_NONBLOCK) ? kNonblock : 0) | (domain == AF_INET6 ? kV6 : 0);
    if (!demux_set_sock(fd, s)) {
        sock_free(s);
        why_record(fd, Reason::fd_range);
    }
    return fd;
}

void sock_dup(Sock* s, int new_fd)
{
    Guard g(s->region);
    if (demux_set_sock(new_fd, s)) {
        s->refs++;
    }
}

static void close_linger(Sock* s)
{
    AppRegion* app = s->region->app;
    if (!fork_leave(s)) {
        return;  // another process goes on with it
    }
    if ((s->flags & kLingerOn) && s->linger_s == 0) {
        app->abort(s->dti);
    } else {
        app->close(s->dti);
    }
}

void sock_closed(Sock* s, int fd)
{
    unsigned listener = 0;
    Region* r = s->region;
    {
        Guard g(r);
        epoll_forget(s, fd);
        demux_clear(fd);
        if (--s->refs != 0) {
            return;
        }
        if (s->state == SockState::kListening && r != nullptr) {
            listener = s->listener;
        } else if (r != nullptr) {
            close_linger(s);
            sock_detach(s);
            sock_free(s);
            fork_release(r);
            return;
        }
    }
    if (listener != 0) {
        r->agent.unlisten(listener);
    }
    Guard g(r);
    if (s->region != nullptr) {
        const uint32_t dti = s->dti;
        sock_detach(s);
        r->app->unlisten(dti);
    }
    sock_free(s);
}

uint32_t sock_mask(Sock* s, bool* moved)
{
    *moved = false;
    switch (s->state) {
    case SockState::kConnecting:
        if (!(s->flags & kDead)) {
            sock_finish_connect(s);
            if (s->state == SockState::kFree || s->state == SockState::kNew) {
                *moved = true;
                return 0;
            }
            if (s->state == SockState::kConnecting) {
                const bool pending = s->region->app->state(s->dti) == ETA_DTI_CONNECTING;
                return pending ? 0 : kReadOut | kReadErr;
            }
        }
        [[fallthrough]];
    case SockState::kConn: {
        uint32_t mask = s->region->app->poll_mask(s->dti) | dead_mask(s);
        return mask;
    }
    case SockState::kListening:
        if (s->region == nullptr) {
            return (s->flags & kOsReady) ? kReadIn : 0;
        }
        return s->region->app->poll_mask(s->dti) | ((s->flags & kOsReady) ? kReadIn : 0);
    default:
        return 0;
    }
}

bool sock_hint(const Sock* s, uint32_t want)
{
    const Region* r = s->region;
    if (r == nullptr) {
        return false;
    }
    const uint32_t dti = s->dti;
    switch (s->state) {
    case SockState::kConn: {
        if (dti == kNoDti) {
            return true;
        }
        const eta_dti_fw& f = r->app->fw(dti);
        const eta_dti_app& a = r->app->app(dti);
        if ((want & kReadIn) && eta_load_once(&f.rx_tail) != eta_load_once(&a.rx_head)) {
            return true;
        }
        return (want & kReadOut) != 0 || eta_load_once(&f.state) != ETA_DTI_ESTABLISHED ||
               (eta_load_once(&f.flags) & (ETA_DTI_F_RX_FIN | ETA_DTI_F_RESET)) != 0 ||
               (s->flags & kDead) != 0;
    }
    case SockState::kConnecting:
        return dti == kNoDti || r->app->state(dti) != ETA_DTI_CONNECTING;
    case SockState::kListening:
        return r->app->events_ready();
    default:
        return true;
    }
}

// One look at the state under the lock: 1 ready, 0 not, -ESTALE.
static int look(Sock* s, uint32_t want, bool arm)
{
    Guard g(s->region);
    bool moved = false;
    for (;;) {
        uint32_t mask = sock_mask(s, &moved);
        if (moved || s->state == SockState::kFree) {
            return -ESTALE;
        }
        if ((mask & (want | kReadErr | kReadHup)) != 0) {
            return 1;
        }
        if ((want & kReadOut) && s->state == SockState::kConn && s->region->app->want_tx(s->dti)) {
            return 1;
        }
        if (!arm || wait_arm()) {
            break;
        }
        region_drain(g_own);
    }
    // Between the look above and arming something may have happened that raised no event for us.
    const uint32_t mask = arm ? sock_mask(s, &moved) : 0;
    return moved ? -ESTALE : (mask & (want | kReadErr | kReadHup)) != 0 ? 1 : 0;
}

int sock_wait(Sock* s, uint32_t want, uint64_t deadline_ns)
{
    wait_prepare(false);
    int r = look(s, want, false);
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    const bool listener = s->state == SockState::kListening;
    pollfd os[2];
    while (spin_until(deadline_ns, [s, want] { return sock_hint(s, want); })) {
        wait_prepare(false);
        r = look(s, want, false);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
        if ((want & kReadOut) || listener) {
            break;  // the hint says little about room: sleep until told
        }
    }
    for (;;) {
        wait_prepare(true);
        r = look(s, want, true);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
        if (deadline_ns != kForever && now_ns() >= deadline_ns) {
            return -EAGAIN;
        }
        os[0] = {s->fd, POLLIN, 0};
        r = wait_kernel(os, listener ? 1 : 0, deadline_ns, nullptr);
        if (r == -EINTR && (deadline_ns != kForever || !wait_restarts())) {
            return -EINTR;
        }
        if (r > 0) {
            s->flags |= kOsReady;
            return 0;
        }
    }
}

void sock_event(Region* r, uint32_t dti)
{
    Sock* s = reinterpret_cast<Sock*>(r->app->user(dti));
    if (s == nullptr || s->dti != dti || s->region != r) {
        return;
    }
    for (EpollItem* it = s->items; it != nullptr; it = it->obj_next) {
        epoll_item_event(it);
    }
}

void sock_region_down(Region* r)
{
    for (Sock* s = r->socks; s != nullptr; s = s->next) {
        if (s->state == SockState::kConn || s->state == SockState::kConnecting) {
            s->flags |= kDead;
            s->err = s->state == SockState::kConn ? ECONNRESET : ENETDOWN;
            s->state = SockState::kConn;
            for (EpollItem* it = s->items; it != nullptr; it = it->obj_next) {
                epoll_item_event(it);
            }
        }
    }
}

static bool have_placeholder()
{
    if (g_placeholder < 0) {
        g_placeholder = keep_fd(static_cast<int>(
            syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    }
    return g_placeholder >= 0;
}

void placeholder_under(Sock* s)
{
    if (!(s->flags & kReal) || s->refs != 1 || !have_placeholder()) {
        return;
    }
    const long fd_flags = syscall(SYS_fcntl, s->fd, F_GETFD);
    const int flags = fd_flags > 0 && (fd_flags & FD_CLOEXEC) ? O_CLOEXEC : 0;
    if (syscall(SYS_dup3, g_placeholder, s->fd, flags) >= 0) {
        s->flags &= ~kReal;
    }
}

// A number for a connection: a duplicate of a TCP socket that is never used, so that whatever
// reaches the kernel (fstat, options) meets a socket and does no harm.
int placeholder_fd(int flags)
{
    if (!have_placeholder()) {
        return -errno;
    }
    const int cmd = (flags & SOCK_CLOEXEC) ? F_DUPFD_CLOEXEC : F_DUPFD;
    const long fd = syscall(SYS_fcntl, g_placeholder, cmd, 0);
    return fd < 0 ? -errno : static_cast<int>(fd);
}

void map_v4(uint8_t out[ETA_ADDR_LEN], uint32_t addr_be)
{
    std::memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    std::memcpy(out + 12, &addr_be, 4);
}

bool to_v4(const sockaddr* addr, socklen_t len, sockaddr_in* out)
{
    if (addr->sa_family == AF_INET && len >= sizeof *out) {
        std::memcpy(out, addr, sizeof *out);
        return true;
    }
    sockaddr_in6 six;
    if (addr->sa_family != AF_INET6 || len < sizeof six) {
        return false;
    }
    std::memcpy(&six, addr, sizeof six);
    const bool any = IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr);
    if (!any && !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
        return false;
    }
    *out = {};
    out->sin_family = AF_INET;
    out->sin_port = six.sin6_port;
    out->sin_addr.s_addr = any ? INADDR_ANY : unmap_v4(six.sin6_addr.s6_addr);
    return true;
}

uint32_t unmap_v4(const uint8_t in[ETA_ADDR_LEN])
{
    uint32_t a;
    std::memcpy(&a, in + 12, 4);
    return a;
}

}  // namespace eta::al
