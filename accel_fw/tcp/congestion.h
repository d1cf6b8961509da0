// SPDX-License-Identifier: MIT
// Congestion control as a table of functions, so that another algorithm is another row. Recovery
// from loss (recovery.h) is common to all; a row decides how the window grows and how far it falls.
#pragma once

#include <cstdint>

#include <eta/ctx.h>

namespace eta::fw::tcp {

struct Congestion {
    const char* name;
    // The handshake is complete; `syn_lost`: not at the first attempt (RFC 5681 3.1).
    void (*open)(eta_ctx& c, bool syn_lost);
    // `bytes` were acknowledged outside recovery while `flight` bytes were outstanding.
    void (*acked)(eta_ctx& c, uint32_t bytes, uint32_t flight);
    // Loss found with `flight` bytes outstanding: the new ssthresh.
    uint32_t (*lost)(const eta_ctx& c, uint32_t flight);
    // The retransmission timer has fired; ssthresh is set.
    void (*timeout)(eta_ctx& c);
    // Nothing was sent for longer than a timeout (RFC 5681 4.1).
    void (*idle)(eta_ctx& c);
};

const Congestion& congestion_of(const eta_ctx& c);

}  // namespace eta::fw::tcp
