// SPDX-License-Identifier: MIT
// From a Segment to a frame: headers are written here and nowhere else. Called by tcp/output and
// tcp/reply; no state, one thread.
#pragma once

#include "segment.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

namespace eta::fw {

constexpr uint32_t kMaxHeadLen = eth::kHeaderLen + ip4::kHeaderLen + tcphdr::kMaxHeaderLen;

// Bytes that write_head() will use for the segment.
uint32_t head_len_of(const Segment& s);

// Writes Ethernet, IPv4 and TCP headers of `s` to frame->head (head_len_of() bytes) and finishes
// the checksum, or prepares it for a port that does. `frame->gso_size` is the caller's.
void write_head(const Segment& s, const uint8_t* dmac, const PortCaps& caps, TxFrame* frame);

}  // namespace eta::fw
