// SPDX-License-Identifier: MIT
// Typed views of the agent pool (E9): the control tables shared by agent and both engines.
// Trusted memory: no application maps it. Owned by the processor's one thread, except where
// uapi/eta/pool.h names the agent as the writer.
#pragma once

#include <cstdint>

#include <eta/pool.h>

namespace eta::fw {

struct Pool {
    Pool(void* base, uint32_t proc);

    eta_pool_hdr* hdr;
    eta_proc* proc;  // of this processor
    const eta_owner* owners;
    eta_ctx* ctx;
    eta_bucket* buckets;
    eta_tw* tw;
    const eta_listener* listeners;
    const eta_region_desc* regions;
    const eta_route* routes;
    const eta_neigh* neighs;
    const eta_addr* addrs;
    uint64_t* counters;   // ETA_COUNTERS_MAX, of this processor
    const eta_kq* to_fw;  // ETA_KQ_DEPTH
    eta_kq* to_agent;     // ETA_KQ_DEPTH
    uint8_t* raw_rx;      // accelerator -> OS
    const uint8_t* raw_tx;  // OS -> accelerator
};

}  // namespace eta::fw
