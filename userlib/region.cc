// SPDX-License-Identifier: MIT
// See region.h. Attaching is lazy: the first socket that could be accelerated does it.
#include "region.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

#include "real.h"
#include "sock.h"

namespace eta::al {

Mutex g_lock;
Region* g_own;
Region* g_foreign;
uint32_t g_epoch = 1;
uint32_t g_spin_us = 50;
uint32_t g_grace_ms = 5000;
char g_agent_path[kAgentPathMax];

namespace {

constexpr uint64_t kRetryNs = 1000000000u;  // no agent: look again after this time
constexpr uint32_t kFirstBatch = 64;
constexpr uint32_t kMaxBatch = 4096;

Mutex g_attach_lock;
uint64_t g_retry_at_ns;
Reason g_refusal = Reason::no_agent;

void kick(void* region)
{
    static_cast<Region*>(region)->agent.kick();
}

Reason reason_of(int err)
{
    switch (err) {
    case -EXDEV:
        return Reason::agent_netns;
    case -ENOENT:
    case -ECONNREFUSED:
    case -ENXIO:
        return Reason::no_agent;
    default:
        return Reason::agent_refused;
    }
}

void* shared_zeroes(size_t bytes)
{
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : p;
}

Region* attach()
{
    Region* r = static_cast<Region*>(std::calloc(1, sizeof(Region)));
    if (r == nullptr) {
        return nullptr;
    }
    new (&r->agent) Agent();
    int err = g_agent_path[0] != '\0' ? r->agent.open_at(g_agent_path, ETA_ROLE_APP)
                                      : r->agent.open(ETA_ROLE_APP);
    if (err == 0) {
        const size_t head = (sizeof(RegionShared) + 63) & ~size_t{63};
        uint8_t* mem = static_cast<uint8_t*>(
            shared_zeroes(head + AppRegion::state_bytes(r->agent.ro()->map)));
        err = mem == nullptr ? -ENOMEM : 0;
        if (err == 0) {
            r->sh = new (mem) RegionShared();
            r->app = &r->sh->app;
            err = r->app->init(r->agent.ro(), r->agent.rw(), mem + head);
        }
    }
    if (WhyTable* t = why_table()) {
        t->agent_errno = -err;
        t->attached = err == 0;
    }
    if (err != 0) {
        g_refusal = reason_of(err);
        r->agent.close();
        std::free(r);
        return nullptr;
    }
    demux_set_internal(r->agent.control_fd());
    demux_set_internal(r->agent.wait_fd());
    demux_set_internal(r->agent.kick_fd());
    r->app->set_kick(kick, r);
    r->batch = kFirstBatch;
    r->owner = getpid();
    r->slot_fd = -1;
    return r;
}

}  // namespace

// -- Guard (lock.h) --

Guard::Guard(Region* r) : process_(nullptr), region_(nullptr)
{
    if (!__libc_single_threaded) {
        process_ = &g_lock;
        process_->lock();
    }
    if (__builtin_expect(r != nullptr && r->sh != nullptr && r->sh->shared != 0, 0)) {
        region_ = &r->sh->lock;
        region_->lock();
    }
}

Guard::~Guard()
{
    if (__builtin_expect(region_ != nullptr, 0)) {
        region_->unlock();
    }
    if (process_ != nullptr) {
        process_->unlock();
    }
}

Region* region_get(Reason* why)
{
    Region* r = __atomic_load_n(&g_own, __ATOMIC_ACQUIRE);
    if (r == nullptr) {
        g_attach_lock.lock();
        if (g_own == nullptr && now_ns() >= g_retry_at_ns) {
            r = attach();
            g_retry_at_ns = r == nullptr ? now_ns() + kRetryNs : 0;
            if (r != nullptr) {
                g_epoch++;
                __atomic_store_n(&g_own, r, __ATOMIC_RELEASE);
            }
        }
        r = g_own;
        g_attach_lock.unlock();
    }
    if (r == nullptr) {
        *why = g_refusal;
        return nullptr;
    }
    if (r->app->fw_down()) {
        *why = Reason::fw_down;
        return nullptr;
    }
    return r;
}

void region_after_fork()
{
    g_own = nullptr;
    g_retry_at_ns = 0;
    g_attach_lock.reset();
    g_epoch++;
}

uint32_t region_dti(Region* r)
{
    const uint32_t d = r->app->dti_alloc();
    if (d != kNoDti) {
        return d;
    }
    unsigned created = 0;
    unsigned first = 0;
    if (r->agent.dti_create(r->batch, &created, &first) != 0 || created == 0) {
        return kNoDti;
    }
    r->app->add_dtis(first, created);
    r->batch = r->batch * 2 < kMaxBatch ? r->batch * 2 : kMaxBatch;
    return r->app->dti_alloc();
}

bool region_events_ready()
{
    const Region* r = g_own;
    return r != nullptr && r->app->events_ready();
}

bool region_drain(Region* r)
{
    if (!r->app->events_ready()) {
        return false;
    }
    return r->app->poll_events([r](uint32_t d) { sock_event(r, d); }) != 0;
}

bool region_check_down(Region* r)
{
    if (__builtin_expect(!r->app->fw_down(), 1)) {
        r->down_ns = 0;
        r->down_told = false;
        return false;
    }
    const uint64_t now = now_ns();
    if (r->down_ns == 0) {
        r->down_ns = now;
    }
    if (r->down_told) {
        return true;
    }
    if (now - r->down_ns < uint64_t{g_grace_ms} * 1000000u) {
        return false;
    }
    r->down_told = true;
    sock_region_down(r);
    return true;
}

void region_update_stats()
{
    WhyTable* t = why_table();
    if (t != nullptr && g_own != nullptr) {
        t->tx_bytes = g_own->app->stats().tx_bytes;
        t->rx_bytes = g_own->app->stats().rx_bytes;
    }
}

}  // namespace eta::al
