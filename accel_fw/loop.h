// SPDX-License-Identifier: MIT
// The loop of one processor (E3, E19): Loop::turn names every stage of the data path in order.
// A stage never calls an earlier one. Time comes in as a parameter (law 5).
#pragma once

#include <cstdint>

#include "control.h"
#include "demux.h"
#include "engine.h"

namespace eta::fw {

class Loop {
public:
    Loop(Engine& engine, AgentOps& agent) : e_(engine), control_(engine, agent), agent_(agent) {}

    // One turn at `now_us`. Returns the work it found: 0 means idle.
    uint32_t turn(uint64_t now_us);

    // Takes over regions, listeners and connections that exist already. Returns the connections.
    uint32_t start() { return control_.start(); }

    // Latest time at which a turn is due although nothing arrives; 0: none.
    uint64_t next_deadline_us() const { return e_.timers.next_us(); }

private:
    uint32_t expire_timers();
    void output();
    void interrupts();

    Engine& e_;
    Control control_;
    AgentOps& agent_;
    Demux demux_;
};

}  // namespace eta::fw
