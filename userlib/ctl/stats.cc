// SPDX-License-Identifier: MIT
// `eta-ctl stats`: every counter with its sentence, summed over processors.

#include <fmt/format.h>

#include "pool_view.h"

namespace eta::ctl {

namespace {

struct Description {
    const char* name;
    const char* sentence;
};

constexpr Description kCounters[] = {
#define COUNTER(name, sentence) {#name, sentence},
#include "counters.def"
#undef COUNTER
};
constexpr uint32_t kCount = sizeof kCounters / sizeof kCounters[0];
static_assert(kCount <= ETA_COUNTERS_MAX);

uint64_t sum(const PoolView& pool, uint32_t counter)
{
    const auto words = pool.counters();
    uint64_t total = 0;
    for (uint32_t proc = 0; proc < pool.header().n_procs; proc++) {
        total += words[proc * ETA_COUNTERS_MAX + counter];
    }
    return total;
}

}  // namespace

int stats(bool nonzero, bool json)
{
    const PoolView pool;
    Json all = Json::object();
    for (uint32_t i = 0; i < kCount; i++) {
        const uint64_t value = sum(pool, i);
        if (nonzero && value == 0) {
            continue;
        }
        if (json) {
            all[kCounters[i].name] = {{"value", value}, {"sentence", kCounters[i].sentence}};
        } else {
            fmt::print("{:>16}  {:<24} {}\n", value, kCounters[i].name, kCounters[i].sentence);
        }
    }
    if (json) {
        print(Json{{"accelerated", pool.accelerated()}, {"counters", all}});
    }
    return kOk;
}

}  // namespace eta::ctl
