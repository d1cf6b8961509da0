// SPDX-License-Identifier: MIT
// A port: where frames enter and leave the accelerator (design, section 8). Burst interface.
// Thread: the one loop of the processor that owns the port. A port never blocks and never
// allocates after open.
#pragma once

#include <cstdint>

namespace eta::fw {

// A contiguous run of payload bytes.
struct Piece {
    const uint8_t* data;
    uint32_t len;
};

// Payload of a segment: up to kMaxPieces pieces, in order, usually in a DTI send buffer.
struct Payload {
    static constexpr uint32_t kMaxPieces = 4;
    uint32_t len = 0;    // sum over pieces, bytes
    uint32_t count = 0;  // pieces in use
    Piece piece[kMaxPieces];
};

// A received frame. Memory belongs to the port until rx_release().
struct RxFrame {
    uint8_t* data;    // Ethernet header
    uint32_t len;     // bytes
    bool csum_valid;  // transport checksum known to be good (offload said so)
};

// A frame to send: linear headers, then payload pieces.
struct TxFrame {
    uint8_t* head = nullptr;  // from tx_reserve()
    uint32_t head_len = 0;    // bytes
    Payload payload;          // copied or written out before flush() returns
    uint16_t csum_start = 0;  // offset of the transport header; 0: nothing to finish
    uint16_t csum_offset = 0; // of the checksum field inside it; holds the pseudo-header sum
    uint16_t gso_size = 0;    // payload bytes per segment; 0: one segment
};

struct PortCaps {
    uint8_t mac[6] = {};
    uint32_t mtu = 1500;        // largest IP packet, bytes
    uint32_t tso_max = 0;       // largest payload of one TxFrame with gso_size; 0: no segmentation
    bool csum_offload = false;  // wire finishes checksums for us
};

class Port {
public:
    static constexpr uint32_t kMaxHead = 256;  // largest head_len of tx_reserve()

    virtual ~Port() = default;

    const PortCaps& caps() const { return caps_; }

    // Up to `max` frames; valid until rx_release().
    virtual uint32_t rx_burst(RxFrame* out, uint32_t max) = 0;
    virtual void rx_release() = 0;

    // Room for `head_len` header bytes, or null if the port is full (the caller keeps the
    // connection touched and tries next turn). Exactly one tx_commit() follows a success.
    virtual uint8_t* tx_reserve(uint32_t head_len) = 0;
    virtual void tx_commit(const TxFrame& frame) = 0;
    virtual void flush() = 0;

    // Descriptors that become readable when a frame arrives; used only when going to sleep.
    virtual int wait_fd() const = 0;

    // Going to sleep: from arm() to disarm() wait_fd() becomes readable when a frame arrives. The
    // caller looks for frames once more after arm().
    virtual void arm() {}
    virtual void disarm() {}

    // Control path, about ten times a second: statistics that cost a system call, dead peers.
    virtual void tick() {}

    // Frames the port had to drop on its own, for the counters (rx full, tx full, too long).
    uint64_t dropped() const { return dropped_; }

protected:
    PortCaps caps_;
    uint64_t dropped_ = 0;
};

}  // namespace eta::fw
