// SPDX-License-Identifier: MIT
// The table of contents of the accelerator.
#include "loop.h"

#include <eta/ring_ops.h>

#include "dti/internal.h"
#include "raw_path.h"
#include "tcp/tcp.h"

namespace eta::fw {

namespace {

constexpr uint32_t kTimerBudget = 256;   // connections whose deadlines are looked at in one turn
constexpr uint32_t kOutputBudget = 1024; // connections that may emit in one turn
constexpr uint32_t kRawBudget = 32;      // frames of the OS stack put on the wire in one turn

}  // namespace

uint32_t Loop::turn(uint64_t now_us)
{
    e_.now_us = now_us;
    e_.turn++;
    uint32_t work = 0;

    dti::look(e_);                               // how far are the doorbell rings filled
    work += control_.poll();                     // regions, listeners: before their doorbells
    work += demux_.from_port(e_);                // rx, demux, tcp_input, dti_deliver
    work += demux_.from_local(e_);               // the same for peers on this accelerator
    work += dti::fetch(e_);                      // dti_fetch: bytes, room, connect, close
    work += expire_timers();
    work += dti::finish_dying(e_);               // connections of programs that are gone
    output();                                    // tcp_output(touched)
    work += raw_path_from_os(e_, kRawBudget);    // default path
    e_.port->flush();
    dti::publish_events(e_);
    interrupts();
    return work + e_.local.ready() + e_.touched.count();
}

uint32_t Loop::expire_timers()
{
    return e_.timers.expire(e_.now_us, kTimerBudget,
                            [this](uint32_t index) { tcp_expire(e_, e_.ctx(index)); });
}

void Loop::output()
{
    e_.touched.drain(kOutputBudget,
                     [this](uint32_t index) { return tcp_output(e_, e_.ctx(index)); });
}

// One interrupt for each program that waits and got an event this turn (E12).
void Loop::interrupts()
{
    bool any = false;
    for (uint32_t i = 0; i < e_.regions.live_count(); i++) {
        any |= e_.regions[e_.regions.live(i)].irq;
    }
    if (!any) {
        return;
    }
    eta_full_barrier();  // F: event_prod is stored; E is in the application that arms
    for (uint32_t i = 0; i < e_.regions.live_count(); i++) {
        RegionView& r = e_.regions[e_.regions.live(i)];
        const uint32_t armed = r.irq ? eta_load_once(&r.rw->armed_seq) : r.fired_seq;
        r.irq = false;
        if (armed != r.fired_seq) {
            r.fired_seq = armed;
            eta_store_once(&r.ro->fired_seq, armed);
            e_.counters.bump(Counter::interrupts);
            agent_.interrupt(r.id);
        }
    }
    agent_.flush_interrupts();
}

}  // namespace eta::fw
