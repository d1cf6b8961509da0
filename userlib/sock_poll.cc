// SPDX-License-Identifier: MIT
// poll over any mix: accelerated descriptors are asked directly, the others by one ppoll. A sleeper
// arms the event ring and blocks in that same ppoll together with its own wait descriptor.
#include "sock_poll.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sock_epoll.h"
#include "real.h"
#include "sock.h"

namespace eta::al {

namespace {

constexpr uint32_t kOnStack = 64;

// The OS's part of the program's array, with room for the sleeper's descriptor.
struct OsPart {
    pollfd local[kOnStack + 1];
    uint32_t local_of[kOnStack + 1];
    pollfd* fds = local;
    uint32_t* of = local_of;  // index in the program's array
    uint32_t n = 0;

    bool reserve(uint32_t count)
    {
        if (count <= kOnStack) {
            return true;
        }
        fds = static_cast<pollfd*>(std::malloc((count + 1) * (sizeof(pollfd) + sizeof(uint32_t))));
        of = reinterpret_cast<uint32_t*>(fds + count + 1);
        return fds != nullptr;
    }

    ~OsPart()
    {
        if (fds != local) {
            std::free(fds);
        }
    }
};

bool accelerated(const Entry* e)
{
    return e != nullptr && ((e->kind == Kind::kSock && e->sock->state != SockState::kNew) ||
                            (e->kind == Kind::kEpoll && e->set->n_active != 0));
}

uint32_t poll_bits(uint32_t mask)
{
    mask |= (mask & POLLIN) ? POLLRDNORM : 0;
    mask |= (mask & POLLOUT) ? POLLWRNORM : 0;
    return mask;
}

// Which entries the kernel must look at; accelerated listeners and epoll sets are in both parts.
void split(const pollfd* fds, uint32_t n, OsPart* os)
{
    os->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const Entry* e = fds[i].fd < 0 ? nullptr : demux_find(fds[i].fd);
        const bool both = accelerated(e) &&
                          (e->kind == Kind::kEpoll || e->sock->state == SockState::kListening);
        if (accelerated(e) && !both) {
            continue;
        }
        os->fds[os->n] = {fds[i].fd, fds[i].events, 0};
        if (e != nullptr && e->kind == Kind::kInternal) {
            os->fds[os->n].fd = INT32_MAX;  // EBADF to the program: POLLNVAL
        }
        os->of[os->n++] = i;
    }
}

// Readiness of one accelerated descriptor. False in *ok: it moved to the OS.
uint32_t ask(const Entry* e, uint32_t events, bool* ok)
{
    if (e->kind == Kind::kEpoll) {
        return epoll_has_ready(e->set) ? events & (POLLIN | POLLRDNORM) : 0;
    }
    Sock* s = e->sock;
    Guard g(s->region);
    if (s->state == SockState::kListening) {  // its OS half is in the kernel's part
        return s->region != nullptr ? poll_bits(s->region->app->poll_mask(s->dti)) & events : 0;
    }
    bool moved = false;
    uint32_t mask = sock_mask(s, &moved);
    if (moved) {
        *ok = false;
        return 0;
    }
    if ((events & POLLOUT & ~mask) && s->state == SockState::kConn &&
        s->region->app->want_tx(s->dti)) {
        mask |= POLLOUT;
    }
    return poll_bits(mask) & (events | POLLERR | POLLHUP);
}

// Fills revents of the accelerated entries; how many are ready. *ok as ask().
int look_eta(pollfd* fds, uint32_t n, bool* ok)
{
    int ready = 0;
    for (uint32_t i = 0; i < n; i++) {
        fds[i].revents = 0;
        const Entry* e = fds[i].fd < 0 ? nullptr : demux_find(fds[i].fd);
        if (accelerated(e)) {
            fds[i].revents = static_cast<short>(
                ask(e, static_cast<uint32_t>(static_cast<unsigned short>(fds[i].events)), ok));
            ready += fds[i].revents != 0;
        }
    }
    return ready;
}

// Adds what the kernel said. Returns how many entries became ready that were not before.
int merge(pollfd* fds, const OsPart& os)
{
    int fresh = 0;
    for (uint32_t i = 0; i < os.n; i++) {
        if (os.fds[i].revents != 0) {
            pollfd& p = fds[os.of[i]];
            fresh += p.revents == 0;
            p.revents |= os.fds[i].revents;
        }
    }
    return fresh;
}

int look_os(pollfd* fds, OsPart* os)
{
    if (os->n == 0) {
        return 0;
    }
    const timespec zero = {};
    const long r = syscall(SYS_ppoll, os->fds, os->n, &zero, nullptr, sizeof(uint64_t));
    return r > 0 ? merge(fds, *os) : 0;
}

bool any_hint(const pollfd* fds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const Sock* s = fds[i].fd < 0 ? nullptr : demux_sock(fds[i].fd);
        if (s != nullptr && s->state != SockState::kNew && sock_hint(s, fds[i].events & kReadIn)) {
            return true;
        }
    }
    return region_events_ready();
}

void announce(const pollfd* fds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        Sock* s = fds[i].fd < 0 ? nullptr : demux_sock(fds[i].fd);
        if (s != nullptr && s->state == SockState::kListening) {
            sock_listener_polled(s);
        }
    }
}

// One sleep. Ready descriptors, 0, -EINTR, or -ESTALE: the split is out of date.
int sleep_once(pollfd* fds, uint32_t n, OsPart* os, uint64_t deadline_ns, const sigset_t* mask)
{
    bool ok = true;
    wait_prepare(true);
    {
        Guard g(g_own);
        if (!wait_arm()) {
            return 0;
        }
    }
    const int ready = look_eta(fds, n, &ok);
    if (ready != 0 || !ok) {
        return ok ? ready + look_os(fds, os) : -ESTALE;
    }
    const int r = wait_kernel(os->fds, os->n, deadline_ns, mask);
    if (r < 0) {
        return r;
    }
    const int again = look_eta(fds, n, &ok);
    return ok ? again + (r > 0 ? merge(fds, *os) : 0) : -ESTALE;
}

}  // namespace

bool poll_has_eta(const pollfd* fds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (fds[i].fd >= 0) {
            const Entry* e = demux_find(fds[i].fd);
            if (accelerated(e) || (e != nullptr && e->kind == Kind::kInternal)) {
                return true;
            }
        }
    }
    return false;
}

int poll_on(pollfd* fds, uint32_t n, uint64_t deadline_ns, const sigset_t* mask)
{
    OsPart os;
    if (!os.reserve(n)) {
        return -ENOMEM;
    }
    announce(fds, n);
    for (;;) {
        split(fds, n, &os);
        wait_prepare(false);
        bool ok = true;
        int ready = look_eta(fds, n, &ok);
        if (!ok) {
            continue;
        }
        ready += look_os(fds, &os);
        if (ready != 0 || deadline_ns == 0) {
            return ready;
        }
        if (spin_until(deadline_ns, [fds, n] { return any_hint(fds, n); })) {
            wait_prepare(false);
            ready = look_eta(fds, n, &ok);
            if (!ok) {
                continue;
            }
            if (ready != 0) {
                return ready + look_os(fds, &os);
            }
        }
        ready = sleep_once(fds, n, &os, deadline_ns, mask);
        if (ready == -ESTALE) {
            continue;
        }
        if (ready != 0) {
            return ready;
        }
        if (deadline_ns != kForever && now_ns() >= deadline_ns) {
            return 0;
        }
    }
}

}  // namespace eta::al
