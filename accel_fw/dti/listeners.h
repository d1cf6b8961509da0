// SPDX-License-Identifier: MIT
// Listening addresses and the child DTIs posted on their masters (E14). A listener is one replica:
// one master DTI of one process; several replicas may share an address and take turns.
// Caches of the agent's listener table and of the contexts' POSTED marks. One thread.
#pragma once

#include <cstdint>

#include <eta/pool.h>

namespace eta::fw {

struct Engine;

struct Listener {
    bool used = false;
    uint16_t port = 0;        // network byte order
    uint32_t region = 0;
    uint32_t local = 0;       // master DTI
    uint32_t ctx = 0;         // its context
    uint32_t backlog = 0;
    uint32_t ready = 0;       // connections put on the accept ring, free-running
    uint32_t next = 0;        // same port
    uint32_t child_head = 0;  // context indices, linked by Listeners::next_child_
    uint32_t child_tail = 0;
    uint8_t addr[ETA_ADDR_LEN] = {};
};

class Listeners {
public:
    Listeners(uint32_t n_listeners, uint32_t n_ctx);
    ~Listeners();
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    // Makes entry `index` of the agent's table known. False: it names no DTI of a mapped region.
    bool add(Engine& e, uint32_t index);
    // Forgets it: children that wait become plain free DTIs, those not yet accepted are reset.
    void remove(Engine& e, uint32_t index);

    // See dti::find_listener.
    uint32_t find(Engine& e, const uint8_t* addr, uint16_t port_be, bool* have_port);
    // The listener whose master DTI this is, or 0.
    uint32_t of_master(Engine& e, uint32_t region, uint32_t local) const;

    void post(Engine& e, uint32_t index, eta_ctx& child);
    eta_ctx* take(Engine& e, uint32_t index);

    Listener& operator[](uint32_t index) { return table_[index]; }
    bool used(uint32_t index) const { return index < n_ && table_[index].used; }

private:
    bool eligible(Engine& e, const Listener& l) const;

    uint32_t n_;
    Listener* table_;
    uint32_t* by_port_;     // [65536]: first listener of a port
    uint32_t* next_child_;  // [n_ctx]
    uint32_t turn_ = 0;     // round robin
};

}  // namespace eta::fw
