// SPDX-License-Identifier: MIT
// Sequence number arithmetic (RFC 9293 3.4): comparisons modulo 2^32. Leaf; no state.
#pragma once

#include <cstdint>

namespace eta::fw::tcp {

inline int32_t seq_diff(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }
inline bool seq_lt(uint32_t a, uint32_t b) { return seq_diff(a, b) < 0; }
inline bool seq_leq(uint32_t a, uint32_t b) { return seq_diff(a, b) <= 0; }
inline bool seq_gt(uint32_t a, uint32_t b) { return seq_diff(a, b) > 0; }
inline bool seq_geq(uint32_t a, uint32_t b) { return seq_diff(a, b) >= 0; }
inline uint32_t seq_max(uint32_t a, uint32_t b) { return seq_lt(a, b) ? b : a; }
inline uint32_t seq_min(uint32_t a, uint32_t b) { return seq_lt(a, b) ? a : b; }

// Bytes from `from` up to `to`; 0 if `to` lies before.
inline uint32_t seq_room(uint32_t from, uint32_t to)
{
    return seq_lt(from, to) ? to - from : 0;
}

}  // namespace eta::fw::tcp
