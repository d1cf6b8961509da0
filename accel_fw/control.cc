// SPDX-License-Identifier: MIT
// Kernel-space queues: consumption of the agent's notes and answers to it. See control.h.
#include "control.h"

#include <cstring>

#include <eta/ring_ops.h>

#include "dti/internal.h"

namespace eta::fw {

bool kq_to_agent(Engine& e, uint32_t op, uint32_t a, const uint8_t* addr)
{
    eta_proc* p = e.pool.proc;
    const uint32_t prod = p->to_agent_prod;
    if (eta_ring_room(prod, &p->to_agent_cons, ETA_KQ_DEPTH) == 0) return false;
    eta_kq& q = e.pool.to_agent[prod & (ETA_KQ_DEPTH - 1)];
    q = {};
    q.op = op;
    q.a = a;
    if (addr) std::memcpy(q.addr, addr, sizeof q.addr);
    eta_ring_publish(&p->to_agent_prod, prod + 1);
    return true;
}

Control::Control(Engine& e, AgentOps& agent)
    : e_(e),
      agent_(agent),
      told_prod_(e.pool.proc->to_agent_prod),
      told_raw_(e.pool.proc->raw_rx_prod)
{
}

uint32_t Control::start()
{
    const eta_pool_hdr& hdr = *e_.pool.hdr;
    for (uint32_t i = 1; i < hdr.n_regions; i++) {
        const uint32_t state = eta_load_acquire(&e_.pool.regions[i].state);
        if (state == ETA_REGION_LIVE) region_add(i);
        if (state == ETA_REGION_DYING) region_dying(i);
    }
    for (uint32_t i = 1; i < hdr.n_listeners; i++)
        if (eta_load_acquire(&e_.pool.listeners[i].region) != ETA_NONE) e_.listeners.add(e_, i);
    e_.mirror.refresh();
    return e_.recover();
}

uint32_t Control::poll()
{
    eta_proc* p = e_.pool.proc;
    const uint32_t cons = p->to_fw_cons;
    uint32_t ready = eta_ring_ready(&p->to_fw_prod, cons);
    if (ready > kBudget) ready = kBudget;
    for (uint32_t i = 0; i < ready; i++) {
        const eta_kq note = e_.pool.to_fw[(cons + i) & (ETA_KQ_DEPTH - 1)];
        handle(note);
    }
    if (ready != 0) eta_ring_release(&p->to_fw_cons, cons + ready);
    const bool changed = e_.mirror.refresh();
    const uint32_t draining = dying_ != 0 ? finish_regions() : 0;
    if (owed_count_ != 0) pay_owed();
    wake_agent();
    return ready + changed + draining + owed_count_;
}

// An unknown note is one of a newer agent: nothing that concerns us.
void Control::handle(const eta_kq& note)
{
    switch (note.op) {
    case ETA_KQ_REGION_ADD: region_add(note.a); break;
    case ETA_KQ_REGION_DYING: region_dying(note.a); break;
    case ETA_KQ_LISTEN_ADD: e_.listeners.add(e_, note.a); break;
    case ETA_KQ_LISTEN_DEL: listener_del(note.a); break;
    default: break;
    }
}

// May come a second time after start().
void Control::region_add(uint32_t region)
{
    void* ro = nullptr;
    void* rw = nullptr;
    if (region == ETA_NONE || region >= e_.pool.hdr->n_regions || e_.regions.mapped(region)) return;
    if (!agent_.map_region(region, &ro, &rw)) return;  // REGION_DYING follows
    if (!e_.regions.map(region, ro, rw)) {
        agent_.unmap_region(region);
        return;
    }
    eta_store_once(&e_.regions[region].ro->fw_asleep, 0u);
    e_.counters.bump(Counter::regions_mapped);
}

void Control::region_dying(uint32_t region)
{
    if (region == ETA_NONE || region >= e_.pool.hdr->n_regions) return;
    region_add(region);  // an accelerator that starts anew has its connections to finish
    if (!e_.regions.mapped(region)) {
        answer(ETA_KQ_REGION_GONE, region);
        return;
    }
    RegionView& r = e_.regions[region];
    if (r.dying) return;
    r.dying = true;
    r.dying_cursor = 0;
    r.gone_turn = 0;
    dying_++;
}

void Control::listener_del(uint32_t listener)
{
    e_.listeners.remove(e_, listener);
    answer(ETA_KQ_LISTEN_GONE, listener);
}

// A region is finished when no connection uses it and no segment in flight on the local wire can
// still point into its send pool. Returns the regions that wait for the latter.
uint32_t Control::finish_regions()
{
    uint32_t draining = 0;
    for (uint32_t i = e_.regions.live_count(); i-- != 0;) {
        RegionView& r = e_.regions[e_.regions.live(i)];
        if (!r.dying || r.n_conn != 0 || r.dying_cursor < r.n_dti()) continue;
        if (r.gone_turn == 0) r.gone_turn = e_.turn;
        draining++;
        if (e_.turn - r.gone_turn >= kDrainTurns) forget_region(r.id);
    }
    return draining;
}

void Control::forget_region(uint32_t region)
{
    for (uint32_t i = 1; i < e_.pool.hdr->n_listeners; i++)
        if (e_.listeners.used(i) && e_.listeners[i].region == region) e_.listeners.remove(e_, i);
    dti::forget(e_, e_.regions[region]);
    e_.regions.unmap(region);
    agent_.unmap_region(region);
    dying_--;
    e_.counters.bump(Counter::regions_gone);
    answer(ETA_KQ_REGION_GONE, region);
}

// An answer must not get lost: the agent would never use the slot again. There are at most as many
// outstanding as the agent has sent notes, which fit into its own queue.
void Control::answer(uint32_t op, uint32_t a)
{
    if (owed_count_ == 0 && kq_to_agent(e_, op, a)) return;
    if (owed_count_ < kOwedMax) owed_[owed_count_++] = {op, a};
}

void Control::pay_owed()
{
    uint32_t paid = 0;
    while (paid < owed_count_ && kq_to_agent(e_, owed_[paid].op, owed_[paid].a)) paid++;
    owed_count_ -= paid;
    std::memmove(owed_, owed_ + paid, owed_count_ * sizeof owed_[0]);
}

// For what the turn before this one put into the queues: one wake-up covers all of it.
void Control::wake_agent()
{
    const eta_proc* p = e_.pool.proc;
    const bool notes = p->to_agent_prod != told_prod_;
    const bool raw = p->raw_rx_prod != told_raw_;
    if (!notes && !raw) return;
    told_prod_ = p->to_agent_prod;
    told_raw_ = p->raw_rx_prod;
    eta_full_barrier();  // F: frames are published; E is in the agent that goes to sleep
    if (notes || eta_load_once(&p->raw_rx_armed) != 0) agent_.interrupt_agent();
}

}  // namespace eta::fw
