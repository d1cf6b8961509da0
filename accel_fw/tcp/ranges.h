// SPDX-License-Identifier: MIT
// Sorted, disjoint ranges of sequence space in a fixed array: data received above a hole, and
// what the peer reports by SACK (RFC 2018). Leaf; no state of its own.
#pragma once

#include <cstring>

#include <eta/ctx.h>

#include "tcp/seq.h"

namespace eta::fw::tcp {

// Adds [start, end), merging what it touches. False: no room, nothing changed.
[[nodiscard]] inline bool ranges_insert(eta_ooo* r, uint32_t* count, uint32_t max, uint32_t start,
                                        uint32_t end)
{
    uint32_t first = 0;
    while (first < *count && seq_lt(r[first].end, start)) {
        first++;
    }
    uint32_t last = first;  // one past the ranges it touches
    while (last < *count && seq_leq(r[last].start, end)) {
        last++;
    }
    if (first == last && *count == max) {
        return false;
    }
    if (first != last) {
        start = seq_min(start, r[first].start);
        end = seq_max(end, r[last - 1].end);
    }
    std::memmove(&r[first + 1], &r[last], (*count - last) * sizeof *r);
    *count = *count - (last - first) + 1;
    r[first] = {start, end};
    return true;
}

// Forgets everything below `seq`.
inline void ranges_drop_below(eta_ooo* r, uint32_t* count, uint32_t seq)
{
    uint32_t gone = 0;
    while (gone < *count && seq_leq(r[gone].end, seq)) {
        gone++;
    }
    *count -= gone;
    std::memmove(r, r + gone, *count * sizeof *r);
    if (*count != 0 && seq_lt(r[0].start, seq)) {
        r[0].start = seq;
    }
}

// Bytes the ranges cover.
inline uint32_t ranges_total(const eta_ooo* r, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += r[i].end - r[i].start;
    }
    return sum;
}

}  // namespace eta::fw::tcp
