// SPDX-License-Identifier: MIT
// TCP header and options (RFC 9293 3.1, RFC 7323, RFC 2018): offsets, reading options into a
// Segment, writing header and options from one. Leaf of the wire layer; keeps no state.
#pragma once

#include "segment.h"
#include "wire/bytes.h"

namespace eta::fw::tcphdr {

constexpr uint32_t kHeaderLen = 20;
constexpr uint32_t kMaxHeaderLen = 60;
constexpr uint32_t kChecksumOff = 16;
constexpr uint8_t kFlagMask = kFin | kSyn | kRst | kPsh | kAck | kUrg;
constexpr uint8_t kMaxWscale = 14;  // RFC 7323 2.3

constexpr uint8_t kOptEnd = 0;
constexpr uint8_t kOptNop = 1;
constexpr uint8_t kOptKindMss = 2;
constexpr uint8_t kOptKindWscale = 3;
constexpr uint8_t kOptKindSackPermitted = 4;
constexpr uint8_t kOptKindSack = 5;
constexpr uint8_t kOptKindTs = 8;

constexpr uint32_t kTsOptLen = 12;  // with its padding, in every segment

inline uint32_t header_len_of(const uint8_t* p) { return (p[12] >> 4) * 4u; }

// Reads one option of known length into the segment. False: its length is wrong for its kind.
bool read_option(uint8_t kind, const uint8_t* body, uint32_t body_len, Segment* s);

// Reads all options. False: malformed.
[[nodiscard]] bool read_options(const uint8_t* p, uint32_t len, Segment* s);

// Writes header and options; the checksum field is zero. Returns the header's length.
uint32_t write(uint8_t* p, const Segment& s);

}  // namespace eta::fw::tcphdr
