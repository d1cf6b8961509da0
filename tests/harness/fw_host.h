// SPDX-License-Identifier: MIT
// Test harness: what the process around the engine is in production (main of eta_fw), here plain
// memory. Destroying it is the kill -9 of the accelerator: nothing is told to anybody.
#pragma once

#include <memory>

#include "control.h"
#include "engine.h"
#include "loop.h"

namespace eta::test {

class SimHost;

class FwHost final : public fw::AgentOps {
public:
    FwHost(SimHost& host, void* pool, fw::Port* port, uint64_t seed);

    fw::Engine& engine() { return *engine_; }
    fw::Loop& loop() { return *loop_; }

    bool map_region(uint32_t region, void** ro, void** rw) override;
    void unmap_region(uint32_t) override {}
    void interrupt(uint32_t region) override;
    void flush_interrupts() override {}
    void interrupt_agent() override;

private:
    SimHost& host_;
    std::unique_ptr<fw::Engine> engine_;
    std::unique_ptr<fw::Loop> loop_;
};

}  // namespace eta::test
