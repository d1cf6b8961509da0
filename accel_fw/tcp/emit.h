// SPDX-License-Identifier: MIT
// Hands a finished Segment to the local wire or writes it into a frame of the port. Used by
// tcp/output and tcp/reply, by nobody else. One thread; never blocks.
#pragma once

#include "engine.h"

namespace eta::fw::tcp {

struct Destination {
    const uint8_t* dmac;
    bool local;         // same accelerator
    uint16_t gso_size;  // payload bytes per segment; 0: one segment
};

// False: no room now.
[[nodiscard]] bool emit(Engine& e, const Segment& s, const Destination& to);

// A slot of the local wire to build a segment in, or null: full. It is on its way at once.
inline Segment* local_slot(Engine& e)
{
    if (e.local.full()) {
        e.counters.bump(Counter::tcp_local_full);
        return nullptr;
    }
    Segment& s = e.local.push();
    s.opts = 0;
    s.n_sack = 0;
    s.ack = 0;
    s.local = true;
    return &s;
}

}  // namespace eta::fw::tcp
