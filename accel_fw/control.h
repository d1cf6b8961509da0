// SPDX-License-Identifier: MIT
// Kernel-space queues of one processor (E9): what the agent tells the accelerator (regions and
// listeners that come and go) and the other way round. Thread: the loop; a few notes each turn.
// Must not touch connections: regions and listeners do that.
#pragma once

#include <cstdint>

#include "engine.h"

namespace eta::fw {

// What only the process around the engine can do: the agent's client in production, plain memory
// in the simulator.
class AgentOps {
public:
    virtual ~AgentOps() = default;
    // Maps both objects of a region. False: the agent does not let us (it is gone already).
    virtual bool map_region(uint32_t region, void** ro, void** rw) = 0;
    virtual void unmap_region(uint32_t region) = 0;
    // Wakes a program at the next flush_interrupts().
    virtual void interrupt(uint32_t region) = 0;
    virtual void flush_interrupts() = 0;
    // Wakes the agent: kernel-space queue, raw packets.
    virtual void interrupt_agent() = 0;
};

// One note for the agent. False: the queue is full; the caller tries again later.
bool kq_to_agent(Engine& e, uint32_t op, uint32_t a, const uint8_t* addr = nullptr);

// Asks the agent to find the MAC of a next hop. Losing the note is harmless: callers retry.
inline void want_neighbour(Engine& e, const uint8_t* next_hop)
{
    (void)kq_to_agent(e, ETA_KQ_NEIGH_WANTED, 0, next_hop);
}

class Control {
public:
    Control(Engine& e, AgentOps& agent);

    // Before the first turn: maps the regions and adds the listeners that exist already, and goes
    // on with the connections of an accelerator that ended. Returns those connections.
    uint32_t start();

    // One turn: tables, notes of the agent, regions that are finished, wake-up of the agent.
    // Returns the notes handled.
    uint32_t poll();

private:
    static constexpr uint32_t kBudget = 64;  // notes of one turn
    static constexpr uint32_t kDrainTurns =
        32;  // the local wire is empty of a turn's segments by then
    static constexpr uint32_t kOwedMax = 8192;  // answers that wait for room in the queue

    void handle(const eta_kq& note);
    void region_add(uint32_t region);
    void region_dying(uint32_t region);
    void listener_del(uint32_t listener);
    uint32_t finish_regions();
    void forget_region(uint32_t region);
    void answer(uint32_t op, uint32_t a);
    void pay_owed();
    void wake_agent();

    Engine& e_;
    AgentOps& agent_;
    uint32_t dying_ = 0;      // regions that finish their connections
    uint32_t told_prod_ = 0;  // to_agent_prod and raw_rx_prod when the agent was last woken
    uint32_t told_raw_ = 0;
    uint32_t owed_count_ = 0;
    struct Owed {
        uint32_t op;
        uint32_t a;
    } owed_[kOwedMax];
};

}  // namespace eta::fw
