// SPDX-License-Identifier: MIT
// What surrounds the loop of one processor: clock, heartbeat, sleep, housekeeping. The only place
// of the accelerator that reads a clock or blocks. Thread: the one that calls run().
#pragma once

#include <cstdint>

#include "agent_ops.h"
#include "loop.h"
#include "options.h"

namespace eta::fw {

class Runner {
public:
    Runner(Engine& engine, Loop& loop, Agent& agent, const Options& options)
        : e_(engine), loop_(loop), agent_(agent), options_(options)
    {
    }

    // Until *stop is set. False: the agent is gone.
    bool run(const volatile int* stop);

private:
    void housekeeping(uint64_t now_ns);
    void sleep();
    void set_asleep(uint32_t asleep);
    int wait_ms(uint64_t now_us) const;
    bool agent_gone() const;

    Engine& e_;
    Loop& loop_;
    Agent& agent_;
    const Options& options_;
    uint64_t next_housekeeping_ns_ = 0;
    bool lost_agent_ = false;
};

}  // namespace eta::fw
