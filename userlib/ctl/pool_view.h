// SPDX-License-Identifier: MIT
// The agent pool as an observer sees it: typed tables with checked offsets, each entry copied out
// before it is looked at, because the agent and the accelerator go on writing.
#pragma once

#include <cstring>
#include <optional>
#include <string>

#include "ctl.h"

namespace eta::ctl {

template <typename T>
class Table {
public:
    Table(const void* base, size_t pool_size, uint64_t offset, uint64_t count)
    {
        if (offset > pool_size || count > (pool_size - offset) / sizeof(T)) {
            throw Failure(kFailure, "the agent pool is damaged: a table lies outside of it");
        }
        base_ = reinterpret_cast<const T*>(static_cast<const char*>(base) + offset);
        count_ = static_cast<uint32_t>(count);
    }

    uint32_t size() const { return count_; }
    T operator[](uint32_t index) const
    {
        T copy;
        std::memcpy(&copy, base_ + index, sizeof copy);
        return copy;
    }

private:
    const T* base_;
    uint32_t count_;
};

struct Processor {
    uint32_t index;
    bool alive;
    double heartbeat_age_s;
    eta_proc proc;
};

class PoolView {
public:
    PoolView();  // throws Failure when there is no agent

    const eta_pool_hdr& header() const { return header_; }
    bool is_module() const { return agent_.is_module(); }

    Processor processor(uint32_t index) const;
    bool accelerated() const;  // any processor alive

    Table<eta_proc> procs() const { return table<eta_proc>(header_.proc_off, header_.n_procs); }
    Table<eta_owner> owners() const { return table<eta_owner>(header_.owner_off, header_.n_ctx); }
    Table<eta_ctx> contexts() const { return table<eta_ctx>(header_.ctx_off, header_.n_ctx); }
    Table<eta_listener> listeners() const
    {
        return table<eta_listener>(header_.listener_off, header_.n_listeners);
    }
    Table<eta_region_desc> regions() const
    {
        return table<eta_region_desc>(header_.region_off, header_.n_regions);
    }
    Table<eta_tw> time_waits() const { return table<eta_tw>(header_.tw_off, header_.n_tw); }
    Table<uint64_t> counters() const
    {
        return table<uint64_t>(header_.counter_off, uint64_t{header_.n_procs} * ETA_COUNTERS_MAX);
    }

private:
    template <typename T>
    Table<T> table(uint64_t offset, uint64_t count) const
    {
        return Table<T>(agent_.pool(), agent_.pool_size(), offset, count);
    }

    Agent agent_;
    eta_pool_hdr header_;
};

uint64_t monotonic_ns();
std::string address(const uint8_t* addr16);
// "10.0.0.1:80", "[fd00::1]:80"; port in network byte order, 0: any.
std::string endpoint(const uint8_t* addr16, uint16_t port);

}  // namespace eta::ctl
