// SPDX-License-Identifier: MIT
// Application regions as the accelerator sees them (E2). The RW half is hostile memory (law 3).
// Cursors and free lists here are caches of what the region itself says; map() rebuilds them.
// One thread.
#pragma once

#include <cstdint>
#include <cstdlib>

#include <eta/region.h>

#include "mem/pool.h"

namespace eta::fw {

// Free buffers of one size in a receive pool. Last in, first out: warm in the cache.
class BufferStack {
public:
    void init(uint32_t count);
    void clear();
    bool empty() const { return top_ == 0 && fresh_ == count_; }
    uint32_t take() { return top_ != 0 ? stack_[--top_] : fresh_++; }
    void give(uint32_t index) { stack_[top_++] = index; }
    uint32_t in_use() const { return fresh_ - top_; }
    // Recovery: all buffers below `fresh` not in `used` become free.
    void rebuild(const uint8_t* used, uint32_t count);

private:
    uint32_t* stack_ = nullptr;
    uint32_t top_ = 0;
    uint32_t fresh_ = 0;  // buffers never handed out start here
    uint32_t count_ = 0;
};

struct RegionView {
    bool mapped = false;
    bool dying = false;        // program gone: finish its connections
    bool irq = false;          // events were queued this turn
    uint32_t id = 0;
    uint32_t max_dti = 0;
    uint32_t n_conn = 0;       // contexts in a TCP state other than FREE
    uint32_t dying_cursor = 0; // next DTI to finish
    uint64_t gone_turn = 0;    // dying: turn in which its last connection was gone
    uint32_t idle_turns = 0;   // turns without a doorbell, for the polling order

    // RO object: we write, the application reads.
    eta_region_ro* ro = nullptr;
    eta_dti_fw* fw = nullptr;
    eta_rqe* rq = nullptr;
    uint32_t* event = nullptr;
    eta_child* accept = nullptr;
    const uint32_t* ctx_of = nullptr;  // agent
    uint8_t* rx_pool = nullptr;
    BufferStack small;
    BufferStack large;
    uint64_t large_off = 0;  // of the first large buffer in the receive pool

    // RW object: the application writes.
    const eta_region_rw* rw = nullptr;
    const eta_dti_app* app = nullptr;
    const eta_sqe* sq = nullptr;
    const uint32_t* doorbell = nullptr;
    const eta_child* child = nullptr;
    const uint8_t* tx_pool = nullptr;
    uint64_t tx_pool_size = 0;

    uint32_t doorbell_seen = 0;  // producer index as of the beginning of the turn
    uint32_t doorbell_cons = 0;
    uint32_t child_cons = 0;
    uint32_t event_prod = 0;
    uint32_t accept_prod = 0;
    uint32_t fired_seq = 0;

    uint32_t n_dti() const { return __atomic_load_n(&ro->n_dti, __ATOMIC_ACQUIRE); }
    eta_rqe* rq_of(uint32_t local) { return rq + uint64_t{local} * ETA_RQ_DEPTH; }
    const eta_sqe* sq_of(uint32_t local) const { return sq + uint64_t{local} * ETA_SQ_DEPTH; }
};

class Regions {
public:
    explicit Regions(uint32_t n_regions);
    ~Regions();
    Regions(const Regions&) = delete;
    Regions& operator=(const Regions&) = delete;

    // Takes a region over whose objects are mapped at ro and rw for as long as it is mapped here.
    // False: the map in its first page makes no sense (agent and firmware do not match).
    [[nodiscard]] bool map(uint32_t id, void* ro, void* rw);
    void unmap(uint32_t id);

    RegionView& operator[](uint32_t id) { return views_[id]; }
    bool mapped(uint32_t id) const { return id < n_ && views_[id].mapped; }

    // Live regions, in the order in which they were mapped.
    uint32_t live_count() const { return n_live_; }
    uint32_t live(uint32_t i) const { return live_[i]; }

private:
    uint32_t n_;
    RegionView* views_;
    uint32_t* live_;
    uint32_t n_live_ = 0;
};

}  // namespace eta::fw
