// SPDX-License-Identifier: MIT
// End of a turn: event rings (E2) and the wish for interrupts (E12). The only stage that writes
// event rings. No application word is needed but ev_ack and armed_seq, compared and never used.
#include <eta/ring_ops.h>

#include "dti/internal.h"

namespace eta::fw::dti {

namespace {

void queue_event(Engine& e, const Notice& n)
{
    RegionView& r = e.regions[n.region];
    eta_dti_fw& f = r.fw[n.local];
    if (eta_load_once(&r.app[n.local].ev_ack) != f.ev_seq) {
        e.counters.bump(Counter::events_coalesced);
        return;
    }
    eta_store_once(&f.ev_seq, f.ev_seq + 1);
    eta_store_once(&r.event[r.event_prod & (r.max_dti - 1)], n.local);
    r.event_prod++;
    r.irq = true;
    e.counters.bump(Counter::events);
}

}  // namespace

void publish_events(Engine& e)
{
    const uint32_t n = e.notices.count();
    if (n == 0) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const Notice& notice = e.notices.at(i);
        if (e.regions.mapped(notice.region)) {
            __builtin_prefetch(&e.regions[notice.region].app[notice.local]);
        }
    }
    eta_full_barrier();  // F: states are stored; E is in the application's ev_ack
    for (uint32_t i = 0; i < n; i++) {
        if (e.regions.mapped(e.notices.at(i).region)) {
            queue_event(e, e.notices.at(i));
        }
    }
    e.notices.clear();
    for (uint32_t i = 0; i < e.regions.live_count(); i++) {
        RegionView& r = e.regions[e.regions.live(i)];
        if (r.irq) {
            eta_ring_publish(&r.ro->event_prod, r.event_prod);
        }
    }
}

// An event may have been lost between a status block and the ring: every DTI that was ever used
// gets one, pending or not. Entries of the last max_dti places cover them all, so overwriting
// older ones that nobody has read yet loses nothing.
void announce_all(Engine& e, RegionView& r)
{
    const uint32_t n_dti = r.n_dti();
    for (uint32_t local = 0; local < n_dti; local++) {
        const uint32_t index = r.ctx_of[local];
        if (index == 0 || e.ctx(index).region != r.id || e.ctx(index).local != local) {
            continue;
        }
        eta_dti_fw& f = r.fw[local];
        if (eta_load_once(&r.app[local].ev_ack) == f.ev_seq) {
            eta_store_once(&f.ev_seq, f.ev_seq + 1);
        }
        eta_store_once(&r.event[r.event_prod & (r.max_dti - 1)], local);
        r.event_prod++;
    }
    r.irq = true;
    eta_ring_publish(&r.ro->event_prod, r.event_prod);
}

}  // namespace eta::fw::dti
