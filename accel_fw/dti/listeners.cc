// SPDX-License-Identifier: MIT
// Listening addresses: who gets the next client. The application's word is taken for two things
// only, both harmless to others: that it pauses, and how many connections it has accepted.
#include "dti/listeners.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include <eta/ring_ops.h>

#include "engine.h"
#include "tcp/tcp.h"

namespace eta::fw {

namespace {

constexpr uint8_t kAny[ETA_ADDR_LEN] = {};

}  // namespace

Listeners::Listeners(uint32_t n_listeners, uint32_t n_ctx)
    : n_(n_listeners),
      table_(new (std::nothrow) Listener[n_listeners]),
      by_port_(static_cast<uint32_t*>(std::calloc(65536, sizeof(uint32_t)))),
      next_child_(static_cast<uint32_t*>(std::calloc(n_ctx, sizeof(uint32_t))))
{
}

Listeners::~Listeners()
{
    delete[] table_;
    std::free(by_port_);
    std::free(next_child_);
}

bool Listeners::add(Engine& e, uint32_t index)
{
    if (index == ETA_NONE || index >= n_ || table_[index].used) {
        return false;
    }
    const eta_listener& from = e.pool.listeners[index];
    if (!e.regions.mapped(from.region) || from.ctx == 0) {
        return false;
    }
    Listener& l = table_[index];
    l = Listener();
    l.used = true;
    l.port = from.port;
    l.region = from.region;
    l.local = from.local;
    l.ctx = from.ctx;
    l.backlog = from.backlog != 0 ? from.backlog : 1;
    std::memcpy(l.addr, from.addr, sizeof l.addr);
    l.next = by_port_[l.port];
    by_port_[l.port] = index;

    eta_ctx& master = e.ctx(l.ctx);
    eta_dti_fw& f = e.regions[l.region].fw[l.local];
    l.ready = eta_load_once(&e.regions[l.region].app[l.local].accepted);
    master.state = ETA_TCP_LISTEN;
    master.region = l.region;
    master.local = l.local;
    master.listener = index;
    f.lport = l.port;
    std::memcpy(f.laddr, l.addr, sizeof f.laddr);
    eta_store_release(&f.state, ETA_DTI_LISTENING);
    return true;
}

void Listeners::remove(Engine& e, uint32_t index)
{
    if (!used(index)) {
        return;
    }
    Listener& l = table_[index];
    while (eta_ctx* child = take(e, index)) {
        child->listener = 0;
        child->flags &= ~ETA_CTX_F_POSTED;
    }
    uint32_t* link = &by_port_[l.port];
    while (*link != index) {
        link = &table_[*link].next;
    }
    *link = l.next;
    l.used = false;
    if (e.regions.mapped(l.region)) {
        e.ctx(l.ctx).state = ETA_TCP_FREE;
        eta_store_release(&e.regions[l.region].fw[l.local].state, ETA_DTI_FREE);
    }
}

bool Listeners::eligible(Engine& e, const Listener& l) const
{
    if (l.child_head == 0) {
        return false;
    }
    const eta_dti_app& master = e.regions[l.region].app[l.local];
    if ((eta_load_once(&master.ctl) & ETA_CTL_PAUSED) != 0) {
        return false;
    }
    return l.ready - eta_load_once(&master.accepted) < l.backlog;
}

uint32_t Listeners::find(Engine& e, const uint8_t* addr, uint16_t port_be, bool* have_port)
{
    bool exact = false;
    uint32_t candidates = 0;
    *have_port = false;
    for (uint32_t i = by_port_[port_be]; i != 0; i = table_[i].next) {
        const Listener& l = table_[i];
        const bool same = std::memcmp(l.addr, addr, ETA_ADDR_LEN) == 0;
        if (!same && (exact || std::memcmp(l.addr, kAny, ETA_ADDR_LEN) != 0)) {
            continue;
        }
        if (same && !exact) {
            exact = true;  // an exact address beats any number of wildcards
            candidates = 0;
        }
        *have_port = true;
        candidates += eligible(e, l);
    }
    if (candidates == 0) {
        return 0;
    }
    uint32_t pick = candidates == 1 ? 0 : turn_++ % candidates;
    const uint8_t* want = exact ? addr : kAny;
    for (uint32_t i = by_port_[port_be]; i != 0; i = table_[i].next) {
        const Listener& l = table_[i];
        if (std::memcmp(l.addr, want, ETA_ADDR_LEN) == 0 && eligible(e, l) && pick-- == 0) {
            return i;
        }
    }
    return 0;
}

uint32_t Listeners::of_master(Engine& e, uint32_t region, uint32_t local) const
{
    if (!e.regions.mapped(region) || local >= e.regions[region].n_dti()) {
        return 0;
    }
    const uint32_t index = e.regions[region].ctx_of[local];
    const eta_ctx& c = e.ctx(index);
    return index != 0 && c.state == ETA_TCP_LISTEN && used(c.listener) ? c.listener : 0;
}

void Listeners::post(Engine& e, uint32_t index, eta_ctx& child)
{
    Listener& l = table_[index];
    const uint32_t ctx = e.index_of(child);
    child.flags = ETA_CTX_F_POSTED;
    child.listener = index;
    child.master = l.local + 1;
    next_child_[ctx] = 0;
    if (l.child_head == 0) {
        l.child_head = ctx;
    } else {
        next_child_[l.child_tail] = ctx;
    }
    l.child_tail = ctx;
}

eta_ctx* Listeners::take(Engine& e, uint32_t index)
{
    Listener& l = table_[index];
    if (l.child_head == 0) {
        return nullptr;
    }
    eta_ctx& c = e.ctx(l.child_head);
    l.child_head = next_child_[l.child_head];
    return &c;  // POSTED until it carries a connection: a crash before that loses no child
}

}  // namespace eta::fw
