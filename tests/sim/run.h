// SPDX-License-Identifier: MIT
// Simulator: one run of one seed. Builds machines, wires and programs, lets time pass, checks.
#pragma once

#include <memory>
#include <vector>

#include "harness/pcap.h"
#include "harness/sim_host.h"
#include "harness/sim_link.h"
#include "harness/world.h"
#include "sim/actors.h"
#include "sim/plan.h"

namespace eta::sim {

struct Totals {
    uint64_t bytes = 0, frames = 0, lost = 0, connections = 0, virtual_us = 0, steps = 0;
    uint64_t to_os = 0, recovered = 0, retrans = 0;
};

class Run {
public:
    explicit Run(const Plan& plan, bool pcap);
    ~Run();

    // Throws test::Failure when an invariant is broken.
    void go(Totals* totals);

    test::World world;
    const Plan& plan;
    fw::Rng rng;
    test::Pcap pcap;
    std::vector<Outcome> outcomes;

    uint32_t addr_of(uint32_t host) const { return 0x0a4d0001 + host; }
    [[noreturn]] void fail(const std::string& what);

private:
    void build();
    void wire(uint32_t from);
    void schedule_trouble();
    void heal();
    void janitors();
    void check_step();
    void os_stack(test::SimHost& host);
    bool finished(const Spec& s, const Outcome& o) const;
    bool all_done() const;
    void check_outcome(const Spec& s, const Outcome& o);
    void shut_down();
    void check_leaks(test::SimHost& host, uint32_t index);
    std::string stuck() const;

    std::vector<std::unique_ptr<test::SimHost>> hosts_;
    std::vector<std::vector<std::unique_ptr<test::SimLink>>> links_;
    std::vector<std::unique_ptr<Actor>> actors_;
    std::vector<Actor*> servers_;  // by host
};

constexpr uint16_t kServerPort = 7000;
constexpr uint64_t kFinishUs = 600'000'000;  // everything ends this long after the faults end

}  // namespace eta::sim
