// SPDX-License-Identifier: MIT
// fork. Listeners: the child makes a replica of its own at its first accept or poll; a parent that
// never used its own pauses it (nginx's master). Connections: parent and child share the DTIs, the
// memory, the library's state of the region (it lies in shared memory) and its lock; the parent,
// owner of the region, goes on draining events, the child looks at its connections every
// millisecond when it has nothing else to do. Whoever holds a connection last closes it; that a
// child ended or called exec is seen by the end of a pipe. Not carried on: connections over exec,
// and over a second fork.
#include "fork.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "fallback.h"
#include "real.h"
#include "region.h"
#include "sock.h"

namespace eta::al {

// The connections that one child holds. In memory shared by owner and child.
struct ForkSlot {
    ForkSlot* next;  // owner's list
    int read_fd;     // owner's: hangs up when the child is gone
    uint32_t bytes;
    uint32_t n;
    uint32_t dti[];  // kNoDti: given back
};

namespace {

constexpr uint64_t kReapEveryNs = 200000000;

pid_t g_pid;
ForkSlot* g_slots;      // children of this process that hold connections of its region
ForkSlot* g_new_slot;   // between prepare and parent or child
int g_new_write_fd = -1;
uint64_t g_reap_at_ns;

bool is_live(const Sock* s)
{
    return (s->state == SockState::kConn || s->state == SockState::kConnecting) &&
           !(s->flags & kDead);
}

uint32_t count_live(const Region* r)
{
    uint32_t n = 0;
    for (const Sock* s = r->socks; s != nullptr; s = s->next) {
        n += is_live(s);
    }
    return n;
}

void close_internal(int fd)
{
    demux_clear(fd);
    syscall(SYS_close, fd);
}

// Shares all connections of the own region with the child to come. Null: there is none, or no
// memory, or no descriptor; then the child does without.
ForkSlot* share_all(Region* r)
{
    const uint32_t n = count_live(r);
    int fds[2];
    if (n == 0 || syscall(SYS_pipe2, fds, O_CLOEXEC) != 0) {
        return nullptr;
    }
    const size_t bytes = sizeof(ForkSlot) + n * sizeof(uint32_t);
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        syscall(SYS_close, fds[0]);
        syscall(SYS_close, fds[1]);
        return nullptr;
    }
    ForkSlot* slot = static_cast<ForkSlot*>(p);
    slot->bytes = static_cast<uint32_t>(bytes);
    slot->read_fd = keep_fd(fds[0]);
    g_new_write_fd = keep_fd(fds[1]);
    r->sh->shared = 1;
    r->sh->lock.lock();
    for (Sock* s = r->socks; s != nullptr; s = s->next) {
        if (is_live(s)) {
            r->app->share_add(s->dti);
            slot->dti[slot->n++] = s->dti;
        }
    }
    return slot;  // the region stays locked until parent()
}

void prepare()
{
    g_lock.lock();
    g_new_slot = g_own != nullptr ? share_all(g_own) : nullptr;
}

void parent()
{
    if (g_new_slot != nullptr) {
        g_own->sh->lock.unlock();
        close_internal(g_new_write_fd);
        g_new_slot->next = g_slots;
        g_slots = g_new_slot;
        g_new_slot = nullptr;
    }
    for (Sock* s = g_own != nullptr ? g_own->socks : nullptr; s != nullptr; s = s->next) {
        if (s->state == SockState::kListening && !(s->flags & kPolled)) {
            g_own->app->set_ctl(s->dti, ETA_CTL_PAUSED, 0);
        }
    }
    g_lock.unlock();
}

void leave_region(Sock* s)
{
    s->region = nullptr;
    s->dti = kNoDti;
    s->next = s->prev = nullptr;
    if (s->state == SockState::kListening) {
        s->flags = static_cast<uint16_t>((s->flags & ~kPolled) | kNeedReplica);
        s->listener = 0;
        return;
    }
    s->flags |= kDead;
    s->err = ECONNRESET;
}

void forget_region(Region* r)
{
    demux_clear(r->agent.control_fd());
    demux_clear(r->agent.wait_fd());
    demux_clear(r->agent.kick_fd());
    r->agent.abandon_in_child();
}

// Inherited by the child: connections stay if they are shared, listeners want a replica.
void inherit(Region* r, bool keep)
{
    Sock* socks = r->socks;
    r->socks = nullptr;
    r->n_socks = 0;
    for (Sock *s = socks, *next; s != nullptr; s = next) {
        next = s->next;
        if (keep && is_live(s)) {
            s->prev = nullptr;
            s->next = r->socks;
            if (r->socks != nullptr) {
                r->socks->prev = s;
            }
            r->socks = s;
            r->n_socks++;
        } else {
            leave_region(s);
        }
    }
    if (!keep) {
        forget_region(r);
    }
}

// Regions that were already foreign, and slots of the parent, mean nothing to a grandchild.
void drop_inherited()
{
    for (Region* r = g_foreign; r != nullptr; r = r->next) {
        inherit(r, false);
        close_internal(r->slot_fd);
    }
    g_foreign = nullptr;
    for (ForkSlot* s = g_slots; s != nullptr; s = s->next) {
        close_internal(s->read_fd);
    }
    g_slots = nullptr;
}

void child()
{
    g_lock.reset();
    g_pid = getpid();
    Region* r = g_own;
    region_after_fork();
    drop_inherited();
    if (r != nullptr) {
        inherit(r, g_new_slot != nullptr);
        if (g_new_slot != nullptr) {
            close_internal(g_new_slot->read_fd);
            r->foreign = true;
            r->slot = g_new_slot;
            r->slot_fd = g_new_write_fd;
            r->next = nullptr;
            g_foreign = r;
        }
    }
    g_new_slot = nullptr;
    why_init();
}

// The child behind the slot is gone: what it did not close is closed for it, if nobody else holds
// it.
void bury(Region* r, ForkSlot* slot)
{
    for (uint32_t i = 0; i < slot->n; i++) {
        if (slot->dti[i] != kNoDti && r->app->share_drop(slot->dti[i], true)) {
            r->app->close(slot->dti[i]);
        }
    }
}

}  // namespace

void fork_init()
{
    g_pid = getpid();
    pthread_atfork(prepare, parent, child);
}

bool fork_is_stranger()
{
    return static_cast<pid_t>(syscall(SYS_getpid)) != g_pid;
}

bool fork_leave(Sock* s)
{
    Region* r = s->region;
    if (!r->foreign) {
        return r->app->share_leave(s->dti);
    }
    for (uint32_t i = 0; i < r->slot->n; i++) {
        if (r->slot->dti[i] == s->dti) {
            r->slot->dti[i] = kNoDti;
            return r->app->share_drop(s->dti, getppid() == r->owner);
        }
    }
    return false;
}

void fork_release(Region* r)
{
    if (!r->foreign || r->n_socks != 0) {
        return;
    }
    Region** link = &g_foreign;
    while (*link != nullptr && *link != r) {
        link = &(*link)->next;
    }
    if (*link == r) {
        *link = r->next;
        close_internal(r->slot_fd);
        forget_region(r);
        g_epoch++;
    }
}

void fork_reap()
{
    if (__builtin_expect(g_slots == nullptr, 1) || g_own == nullptr) {
        return;
    }
    const uint64_t now = now_ns();
    if (now < g_reap_at_ns) {
        return;
    }
    Guard g(g_own);
    g_reap_at_ns = now + kReapEveryNs;
    for (ForkSlot** link = &g_slots; *link != nullptr;) {
        ForkSlot* slot = *link;
        pollfd p = {slot->read_fd, POLLIN, 0};
        const timespec zero = {};
        syscall(SYS_ppoll, &p, 1, &zero, nullptr, 0);
        if (!(p.revents & POLLHUP)) {
            link = &slot->next;
            continue;
        }
        *link = slot->next;
        bury(g_own, slot);
        close_internal(slot->read_fd);
        munmap(slot, slot->bytes);
    }
    g_own->sh->shared = g_slots != nullptr;
}

uint64_t fork_sleep_limit()
{
    return g_slots != nullptr ? kReapEveryNs : UINT64_MAX;
}

}  // namespace eta::al
