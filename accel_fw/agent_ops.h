// SPDX-License-Identifier: MIT
// The engine's requests to the agent, carried out by the agent's client. Thread: the loop. System
// calls only where something really has to be woken or mapped.
#pragma once

#include <memory>

#include "agent.h"
#include "control.h"

namespace eta::fw {

class ClientOps final : public AgentOps {
public:
    explicit ClientOps(Agent& agent)
        : agent_(agent), mapped_(std::make_unique<MappedRegion[]>(agent.pool()->n_regions))
    {
    }

    bool map_region(uint32_t region, void** ro, void** rw) override
    {
        if (agent_.fw_map(region, &mapped_[region]) != 0) return false;
        *ro = mapped_[region].ro;
        *rw = mapped_[region].rw;
        return true;
    }

    void unmap_region(uint32_t region) override
    {
        agent_.fw_unmap(&mapped_[region]);
        mapped_[region] = MappedRegion();
    }

    void interrupt(uint32_t region) override
    {
        if (count_ == ETA_INTERRUPT_MAX) flush_interrupts();
        ids_[count_] = region;
        views_[count_++] = &mapped_[region];
    }

    void flush_interrupts() override
    {
        if (count_ != 0) (void)agent_.interrupt(ids_, views_, count_, false);
        count_ = 0;
    }

    void interrupt_agent() override { agent_.interrupt_agent(); }

private:
    Agent& agent_;
    std::unique_ptr<MappedRegion[]> mapped_;
    unsigned count_ = 0;
    unsigned ids_[ETA_INTERRUPT_MAX] = {};
    const MappedRegion* views_[ETA_INTERRUPT_MAX] = {};
};

}  // namespace eta::fw
