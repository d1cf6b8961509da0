// SPDX-License-Identifier: MIT
// The floor of every queue hop: one cache line sent to the other core and another one back.
// Two pinned threads, one writer per line, as law 1 has it.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "bench.h"

namespace {

using namespace bench;

struct alignas(128) Line {
    std::atomic<uint32_t> value{0};
};

Line ping;
Line pong;

void answer(int cpu, uint32_t last) {
    pin_to_cpu(cpu);
    for (uint32_t i = 1; i <= last; ++i) {
        while (ping.value.load(std::memory_order_acquire) != i) {
        }
        pong.value.store(i, std::memory_order_release);
    }
}

double one_batch(uint32_t first, uint32_t count) {
    uint64_t begin = now_ns();
    for (uint32_t i = first; i < first + count; ++i) {
        ping.value.store(i, std::memory_order_release);
        while (pong.value.load(std::memory_order_acquire) != i) {
        }
    }
    return static_cast<double>(now_ns() - begin) / count;
}

}  // namespace

int main(int argc, char** argv) {
    Options o(argc, argv, {"cpu-a", "cpu-b", "batches", "count", "limit"});
    if (!o.words().empty()) {
        usage("bench_cacheline [--cpu-a N] [--cpu-b N] [--batches N] [--count N]");
    }
    limit_seconds(static_cast<unsigned>(o.number("limit", 30)));
    uint32_t batches = static_cast<uint32_t>(o.number("batches", 21));
    uint32_t count = static_cast<uint32_t>(o.number("count", 20000));
    if (batches == 0 || batches > 1000 || count == 0 || count > 1000000) usage("too many or none");
    int cpu_a = static_cast<int>(o.number("cpu-a", 0));
    int cpu_b = static_cast<int>(o.number("cpu-b", 1));
    if (cpu_a == cpu_b) usage("two different processors are needed");
    pin_to_cpu(cpu_a);
    std::thread other(answer, cpu_b, batches * count);
    std::vector<double> ns;
    for (uint32_t b = 0; b < batches; ++b) ns.push_back(one_batch(1 + b * count, count));
    other.join();
    std::sort(ns.begin(), ns.end());
    std::printf("{\"round_trip_ns\": %.1f, \"best_ns\": %.1f}\n", ns[ns.size() / 2], ns[0]);
    return 0;
}
