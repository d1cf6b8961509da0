// SPDX-License-Identifier: MIT
// Test harness: the port of a simulated host. Frames come from a link or a hand-driven peer and
// go to a sink. Finishes checksums and splits large segments as real hardware would.
#pragma once

#include <deque>
#include <functional>

#include "harness/frame.h"
#include "port/port.h"

namespace eta::test {

class SimPort final : public fw::Port {
public:
    struct Options {
        Mac mac{};
        uint32_t mtu = 1500;
        uint32_t tso_max = 0;
        bool csum_offload = false;
        bool rx_csum_valid = false;  // the port checks checksums itself and says so
        uint32_t tx_room = 1024;     // frames between two flushes; beyond: tx_reserve fails
    };

    explicit SimPort(const Options& options);

    uint32_t rx_burst(fw::RxFrame* out, uint32_t max) override;
    void rx_release() override;
    uint8_t* tx_reserve(uint32_t head_len) override;
    void tx_commit(const fw::TxFrame& frame) override;
    void flush() override;
    int wait_fd() const override { return -1; }

    void deliver(Bytes frame) { rx_.push_back(std::move(frame)); }
    bool rx_pending() const { return !rx_.empty(); }
    void drop_all();  // the accelerator is gone, and all that was in its port

    // The accelerator dies in the middle of a turn, at the n-th call of the port from now on: the
    // call throws. Nothing of the engine runs afterwards, as after a kill -9.
    struct Crash {};
    void crash_at_call(uint32_t n) { crash_in_ = n; }

    std::function<void(Bytes)> sink;  // each frame that reaches the wire
    uint64_t bad_offload = 0;         // TxFrames whose offload fields make no sense
    uint64_t tx_frames = 0;
    void set_tx_room(uint32_t room) { options_.tx_room = room; }

private:
    void called();
    void emit(Bytes frame);
    void finish(const fw::TxFrame& frame, Bytes& whole);
    void segment(const fw::TxFrame& frame, const Bytes& whole);

    Options options_;
    std::deque<Bytes> rx_;
    std::deque<Bytes> lent_;    // between rx_burst and rx_release
    std::deque<Bytes> queued_;  // between tx_commit and flush
    Bytes head_;                // between tx_reserve and tx_commit
    bool reserved_ = false;
    uint32_t crash_in_ = 0;  // 0: never
};

}  // namespace eta::test
