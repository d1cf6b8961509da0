// SPDX-License-Identifier: MIT
// Test harness: see fw_host.h. Talks to the agent with the commands eta_fw uses.
#include "harness/fw_host.h"

#include "harness/sim_host.h"

namespace eta::test {

FwHost::FwHost(SimHost& host, void* pool, fw::Port* port, uint64_t seed)
    : host_(host),
      engine_(std::make_unique<fw::Engine>(pool, 0, port, seed)),
      loop_(std::make_unique<fw::Loop>(*engine_, *this)) {
    loop_->start();
}

bool FwHost::map_region(uint32_t region, void** ro, void** rw) {
    return host_.fw_map(region, ro, rw);
}

void FwHost::interrupt(uint32_t region) {
    host_.interrupt_region(region);
}

void FwHost::interrupt_agent() {
    host_.agent_interrupt();
}

}  // namespace eta::test
