// SPDX-License-Identifier: MIT
// Simulator: what a seed stands for. Everything a run does is decided here or by generators
// seeded from here, so a seed replays exactly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/sim_link.h"

namespace eta::sim {

enum class End : uint8_t {
    kClientFin,       // client half-closes after its request, reads to the end
    kClientClose,     // client closes after it has the whole response
    kServerClose,     // server closes first
    kClientAbort,     // client resets somewhere
    kServerAbort,     // server resets somewhere
    kClientCareless,  // client closes somewhere without reading what is left
};

// One connection.
struct Spec {
    uint32_t id = 0;
    uint32_t client_host = 0;
    uint32_t client_program = 0;
    uint32_t server_host = 0;
    bool loopback = false;
    uint64_t start_us = 0;
    uint64_t req_len = 8;   // bytes client -> server, the 8 of the header included
    uint64_t resp_len = 0;  // bytes server -> client
    bool duplex = false;    // server answers while the request is still coming
    bool nodelay = false;
    uint32_t chunk = 1000;  // bytes of one write, at most
    uint64_t client_stall_at = UINT64_MAX, server_stall_at = UINT64_MAX;
    uint32_t stall_us = 0;
    End end = End::kClientFin;
    uint64_t abort_at = 0;  // bytes sent when the abort happens
};

struct Plan {
    std::string scenario;
    uint64_t seed = 0;
    uint32_t hosts = 2;
    uint32_t clients_per_host = 1;  // programs
    test::LinkOptions link;
    std::vector<Spec> specs;
    uint64_t heal_us = 0;      // faults end here; everything must finish soon after
    uint64_t blackout_us = 0;  // all links down at this time, 0: never
    uint32_t blackout_len_us = 0;
    std::vector<uint64_t> restart_us;  // accelerator of a random host is killed and started again
    uint32_t restart_down_us = 0;
    std::vector<uint64_t> kill_us;  // a random client program is killed
    uint32_t sleepy_us = 100;       // a program runs up to this long after it was woken
    uint32_t tso_max = 0;
    bool csum_offload = false;
    bool rx_csum_valid = false;
    uint32_t mtu = 1500;
    uint32_t tx_room = 1024;
    uint32_t rx_small = 256;
    uint32_t rx_large = 16;
    uint32_t children = 16;
};

// Names accepted by --scenario; the empty name chooses one by seed.
const std::vector<std::string>& scenario_names();
Plan make_plan(const std::string& scenario, uint64_t seed);

}  // namespace eta::sim
