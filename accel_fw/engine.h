// SPDX-License-Identifier: MIT
// The engine of one processor: DTI accelerator and TCP/IP accelerator over one set of tables (E3).
// One thread owns it for life. Time, randomness and ports are parameters (law 5): the simulator
// runs the same object. Everything here that is not in the agent pool can be rebuilt (law 2).
#pragma once

#include <cstdint>

#include <eta/ioctl.h>

#include "counters.h"
#include "dti/listeners.h"
#include "dti/notices.h"
#include "ip/mirror.h"
#include "mem/hash.h"
#include "mem/pool.h"
#include "mem/region.h"
#include "mem/timers.h"
#include "mem/touched.h"
#include "port/port.h"
#include "segment.h"
#include "tcp/shared.h"
#include "util/rng.h"

namespace eta::fw {

// Segments between programs of this accelerator, handed to the next turn.
class LocalWire {
public:
    static constexpr uint32_t kDepth = 1024;

    bool full() const { return tail_ - head_ == kDepth; }
    uint32_t ready() const { return tail_ - head_; }
    Segment& push() { return ring_[tail_++ & (kDepth - 1)]; }
    Segment& peek(uint32_t i) { return ring_[(head_ + i) & (kDepth - 1)]; }
    void release(uint32_t n)
    {
        head_ += n;
        if (head_ == tail_) {
            head_ = tail_ = 0;  // an idle wire uses the same slots again: they stay in the cache
        }
    }

private:
    uint32_t head_ = 0;
    uint32_t tail_ = 0;
    Segment ring_[kDepth];
};

struct Engine {
    Engine(void* pool_base, uint32_t proc, Port* port, uint64_t seed);

    Pool pool;            // views of the agent pool
    Counters counters;    // this processor's counters, in the pool
    ContextHash hash;     // E20
    Regions regions;      // mapped application regions
    Timers timers;        // one entry per context, at its earliest deadline
    Touched touched;      // contexts that tcp_output must look at before the turn ends
    Listeners listeners;  // E14
    Notices notices;      // DTIs whose programs get an event at the end of the turn
    Mirror mirror;        // local copy of routes, neighbours, addresses
    LocalWire local;
    TcpShared tcp;        // TIME_WAIT slots, ports shared with the OS stack
    Rng rng;
    Port* port;
    uint32_t proc;
    uint64_t now_us = 0;  // set once per turn; nothing below reads a clock
    uint64_t turn = 0;
    uint64_t isn_key[2];  // RFC 6528 secret, from the seed

    eta_ctx& ctx(uint32_t index) { return pool.ctx[index]; }
    uint32_t index_of(const eta_ctx& c) const { return static_cast<uint32_t>(&c - pool.ctx); }
    RegionView& region_of(const eta_ctx& c) { return regions[c.region]; }
    void touch(eta_ctx& c) { touched.add(index_of(c)); }

    // Takes over what an accelerator that ended left behind: hash, timers, free buffers and child
    // lists are rebuilt from contexts and queues. Call once, after all live regions are mapped and
    // all listeners are known. Returns the connections found.
    uint32_t recover();
};

}  // namespace eta::fw
