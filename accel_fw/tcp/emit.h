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

}  // namespace eta::fw::tcp
