// SPDX-License-Identifier: MIT
// Test harness: one direction of a wire between two simulated ports, with every fault a network
// has. All randomness from its own seeded generator, so that a run replays.
#pragma once

#include <functional>

#include "harness/frame.h"
#include "harness/pcap.h"
#include "harness/world.h"
#include "util/rng.h"

namespace eta::test {

struct LinkOptions {
    uint32_t loss_ppm = 0;       // single frames lost, per million
    uint32_t burst_ppm = 0;      // a loss burst begins, per million
    uint32_t burst_max = 8;      // frames of a burst at most
    uint32_t dup_ppm = 0;        // frame arrives twice
    uint32_t reorder_ppm = 0;    // frame is held back
    uint32_t reorder_us = 3000;  // for up to this long
    uint32_t corrupt_ppm = 0;    // one bit of the IP packet flips; checksums must catch it
    uint32_t delay_us = 50;
    uint32_t jitter_us = 0;     // added delay; alone it reorders as well
    uint64_t rate_bps = 0;      // bytes per second; 0: unlimited
    uint32_t queue_max = 1000;  // frames waiting for the wire; more are dropped
};

class SimLink {
public:
    SimLink(World& world, const LinkOptions& options, uint64_t seed, std::function<void(Bytes)> to)
        : world_(world), options_(options), rng_(seed), to_(std::move(to)) {}

    void send(Bytes frame);
    void set_down(bool down) { down_ = down; }
    void heal();  // no more faults: the end of a run must be able to complete
    Pcap* pcap = nullptr;

    uint64_t sent = 0, lost = 0, duplicated = 0, corrupted = 0, reordered = 0;

private:
    bool chance(uint32_t ppm) { return ppm && rng_.below(1'000'000) < ppm; }
    bool loses();
    void carry(Bytes frame, uint64_t at_us);

    World& world_;
    LinkOptions options_;
    fw::Rng rng_;
    std::function<void(Bytes)> to_;
    uint64_t free_at_us_ = 0;  // when the wire has sent what is queued
    uint32_t queued_ = 0;
    uint32_t burst_left_ = 0;
    bool down_ = false;
};

}  // namespace eta::test
