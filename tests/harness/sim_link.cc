// SPDX-License-Identifier: MIT
// Test harness: see sim_link.h.
#include "harness/sim_link.h"

#include <algorithm>

namespace eta::test {

bool SimLink::loses() {
    if (burst_left_) {
        burst_left_--;
        return true;
    }
    if (chance(options_.burst_ppm)) {
        burst_left_ = rng_.below(options_.burst_max);
        return true;
    }
    return chance(options_.loss_ppm);
}

void SimLink::heal() {
    uint32_t delay_us = options_.delay_us;
    options_ = LinkOptions{};
    options_.delay_us = delay_us;
    burst_left_ = 0;
    down_ = false;
}

void SimLink::carry(Bytes frame, uint64_t at_us) {
    if (chance(options_.corrupt_ppm) && frame.size() > 34) {
        // Inside the IP packet proper: padding of a short frame is covered by no checksum.
        uint32_t span =
            std::min<uint32_t>(get16(&frame[16]), static_cast<uint32_t>(frame.size()) - 14);
        frame[14 + rng_.below(span)] ^= static_cast<uint8_t>(1u << rng_.below(8));
        corrupted++;
    }
    world_.at(at_us, [this, f = std::move(frame)]() mutable {
        if (!down_)
            to_(std::move(f));
    });
}

void SimLink::send(Bytes frame) {
    sent++;
    if (pcap)
        pcap->add(world_.now_us(), frame);
    if (down_ || loses()) {
        lost++;
        return;
    }
    uint64_t out_us = world_.now_us();
    if (options_.rate_bps) {
        if (queued_ >= options_.queue_max) {
            lost++;
            return;
        }
        uint64_t cost_us = frame.size() * 1'000'000 / options_.rate_bps;
        out_us = std::max(out_us, free_at_us_) + cost_us;
        free_at_us_ = out_us;
        queued_++;
        world_.at(out_us, [this] { queued_--; });
    }
    uint64_t at_us = out_us + options_.delay_us;
    if (options_.jitter_us)
        at_us += rng_.below(options_.jitter_us);
    if (chance(options_.reorder_ppm)) {
        at_us += rng_.below(options_.reorder_us);
        reordered++;
    }
    if (chance(options_.dup_ppm)) {
        duplicated++;
        carry(frame, at_us + rng_.below(1000));
    }
    carry(std::move(frame), at_us);
}

}  // namespace eta::test
