// SPDX-License-Identifier: MIT
// Round-trip time and retransmission timeout (RFC 6298). Leaf arithmetic on a context; no
// division by anything but powers of two.
#pragma once

#include <eta/ctx.h>

#include "tcp/params.h"

namespace eta::fw::tcp {

inline uint32_t clamp_rto(uint64_t us)
{
    return us > kRtoMaxUs ? kRtoMaxUs : us < kRtoMinUs ? kRtoMinUs : static_cast<uint32_t>(us);
}

// One measurement (RFC 6298 2.2, 2.3). The variance term never falls below the minimum RTO, so
// that a peer's delayed ACK is not taken for a loss.
inline void rtt_sample(eta_ctx& c, uint64_t sample_us)
{
    const uint64_t capped = sample_us < kRtoMaxUs ? sample_us : kRtoMaxUs;
    const uint32_t r = capped == 0 ? 1 : static_cast<uint32_t>(capped);
    if (c.srtt_us == 0) {
        c.srtt_us = r;
        c.rttvar_us = r / 2;
    } else {
        const uint32_t error = c.srtt_us > r ? c.srtt_us - r : r - c.srtt_us;
        c.rttvar_us += error / 4 - c.rttvar_us / 4;
        c.srtt_us += r / 8 - c.srtt_us / 8;
    }
    const uint64_t spread = uint64_t{4} * c.rttvar_us;
    c.rto_us = clamp_rto(c.srtt_us + (spread < kRtoMinUs ? kRtoMinUs : spread));
}

// The timeout with its exponential backoff (RFC 6298 5.5).
inline uint64_t rto_backed_off(const eta_ctx& c)
{
    const uint64_t us = uint64_t{c.rto_us} << (c.backoff < 16 ? c.backoff : 16);
    return us > kRtoMaxUs ? kRtoMaxUs : us;
}

}  // namespace eta::fw::tcp
