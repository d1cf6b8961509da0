// SPDX-License-Identifier: MIT
// What tcp_output may send next: windows, Nagle, silly window avoidance (RFC 9293 3.8.6.2.1).
// Decides only; changes nothing but what planned_sent() is told. No division.
#pragma once

#include "engine.h"

namespace eta::fw::tcp {

struct Plan {
    uint32_t seq = 0;
    uint32_t len = 0;   // payload bytes
    bool fin = false;   // our FIN behind them
    bool probe = false; // beyond the peer's window
};

// The next segment at snd_nxt. False: nothing may be sent now.
bool plan_next(const Engine& e, const eta_ctx& c, Plan* p);

// The segment at snd_una, as far as it was sent before.
Plan plan_first(const eta_ctx& c);

// The plan was carried out up to `end`.
void planned_sent(eta_ctx& c, const Plan& p, uint32_t end);

}  // namespace eta::fw::tcp
