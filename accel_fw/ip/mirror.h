// SPDX-License-Identifier: MIT
// Local copy of the OS's addresses, routes and neighbours (E13): look-ups of the IP layer never
// touch the agent's tables. Thread: the loop of the processor. refresh() copies only when the
// agent changed something; lookup() is for handshakes; is_local() may be called for each frame.
// Must not be used by applications' code and never blocks on a writer that died half way.
#pragma once

#include <cstdint>
#include <vector>

#include <eta/pool.h>

namespace eta::fw {

struct Pool;

// Where packets to an address go.
struct Route {
    bool found = false;     // through our port, or local
    bool local = false;     // the address is ours, or a loopback address
    bool resolved = false;  // dmac is usable; false: ask the agent (ETA_KQ_NEIGH_WANTED)
    uint8_t dmac[6] = {};
    uint8_t src[ETA_ADDR_LEN] = {};       // own address to use
    uint8_t next_hop[ETA_ADDR_LEN] = {};  // whom dmac belongs to
    uint32_t mtu = 0;                     // bytes; 0: of the port
};

class Mirror {
public:
    explicit Mirror(const Pool& pool);

    // Copies the tables if the agent changed them. True: something may look different now. The old
    // copy stays in use when the agent is in the middle of a change.
    bool refresh();

    // Longest prefix match, then the neighbour of the next hop (E20).
    Route lookup(const uint8_t* daddr) const;

    // The address is one of this machine's, or a loopback address.
    bool is_local(const uint8_t* addr) const;

    // MAC of a neighbour, or null.
    const uint8_t* neighbour(const uint8_t* addr) const;

    uint32_t addresses() const { return static_cast<uint32_t>(addrs_.size()); }
    uint32_t routes() const { return static_cast<uint32_t>(routes_.size()); }
    uint32_t neighbours() const { return static_cast<uint32_t>(neighs_.size()); }

private:
    bool copy_consistent(uint32_t* seq);
    void rebuild();
    void index_addresses();
    const eta_route* best_route(const uint8_t* daddr) const;
    void choose_source(const eta_route& r, Route* out) const;

    const Pool& pool_;
    uint32_t seen_seq_;                // tables_seq of the copy; odd: none yet
    std::vector<eta_addr> raw_addrs_;  // staging, as large as the agent's tables
    std::vector<eta_route> raw_routes_;
    std::vector<eta_neigh> raw_neighs_;
    std::vector<eta_addr> addrs_;    // valid ones
    std::vector<eta_route> routes_;  // valid ones, longest prefix first, then metric
    std::vector<eta_neigh> neighs_;  // valid ones, sorted by address
    std::vector<uint32_t> slots_;    // open addressing: index in addrs_ + 1, 0 empty
    uint32_t slot_mask_ = 0;
};

}  // namespace eta::fw
