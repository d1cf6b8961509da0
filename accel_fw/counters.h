// SPDX-License-Identifier: MIT
// Counters of one processor. They live in the agent pool so that eta-ctl reads them without
// asking; one writer, plain stores.
#pragma once

#include <cstdint>

#include <eta/pool.h>

namespace eta::fw {

enum class Counter : uint32_t {
#define COUNTER(name, sentence) name,
#include "counters.def"
#undef COUNTER
    kCount
};

static_assert(static_cast<uint32_t>(Counter::kCount) <= ETA_COUNTERS_MAX);

class Counters {
public:
    explicit Counters(uint64_t* words) : words_(words) {}

    void bump(Counter c) { words_[static_cast<uint32_t>(c)]++; }
    void add(Counter c, uint64_t n) { words_[static_cast<uint32_t>(c)] += n; }
    void set(Counter c, uint64_t n) { words_[static_cast<uint32_t>(c)] = n; }
    uint64_t get(Counter c) const { return words_[static_cast<uint32_t>(c)]; }

private:
    uint64_t* words_;
};

}  // namespace eta::fw
