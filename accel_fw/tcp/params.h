// SPDX-License-Identifier: MIT
// Every number of the TCP engine with the document it comes from. No code.
#pragma once

#include <cstdint>

namespace eta::fw::tcp {

constexpr uint64_t kMs = 1000;
constexpr uint64_t kSecond = 1000 * kMs;

// Retransmission (RFC 6298; the minimum and the retry counts as Linux has them).
constexpr uint32_t kRtoInitialUs = 1 * kSecond;
constexpr uint32_t kRtoAfterSynLossUs = 3 * kSecond;  // RFC 6298 5.7
constexpr uint32_t kRtoMinUs = 200 * kMs;
constexpr uint32_t kRtoMaxUs = 120 * kSecond;
constexpr uint32_t kSynRetries = 6;
constexpr uint32_t kSynAckRetries = 5;
constexpr uint32_t kDataRetries = 15;
constexpr uint32_t kOrphanRetries = 8;
constexpr uint32_t kRetriesToReroute = 3;  // RFC 1122 4.2.3.5 R1

// Acknowledging (RFC 9293 3.8.6.3, RFC 1122 4.2.3.2).
constexpr uint64_t kDelackUs = 40 * kMs;
constexpr uint32_t kAckEverySegments = 4;       // small segments: peers count cwnd in segments
constexpr uint32_t kAckEveryLocal = 16 * 1024;  // bytes, same accelerator: frees send buffers
constexpr uint64_t kChallengeUs = 500 * kMs;    // RFC 5961 7: ACK throttling, per connection

// Other timers.
constexpr uint64_t kCorkUs = 200 * kMs;
constexpr uint64_t kKeepIdleUs = 7200 * kSecond;  // RFC 1122 4.2.3.6
constexpr uint64_t kKeepIntervalUs = 75 * kSecond;
constexpr uint32_t kKeepProbes = 9;
constexpr uint64_t kFinWait2Us = 60 * kSecond;
constexpr uint64_t kTimeWaitUs = 60 * kSecond;    // 2 MSL (RFC 9293 3.4.2 leaves MSL open)
constexpr uint64_t kTimeWaitReuseUs = 1 * kSecond;
constexpr uint64_t kNeighRetryUs = 10 * kMs;
constexpr uint64_t kNeighGiveUpUs = 3 * kSecond;
constexpr uint64_t kPawsIdleUs = 24ull * 86400 * kSecond;  // RFC 7323 5.5

// Sizes.
constexpr uint32_t kRcvBuf = 512 * 1024;
constexpr uint8_t kRcvWscale = 7;
constexpr uint32_t kMaxWindowField = 65535;
constexpr uint32_t kDefaultMss = 536;    // RFC 9293 3.7.1
constexpr uint32_t kMinMss = 64;         // a smaller offer is an attack
constexpr uint32_t kLocalMss = 61440;    // same accelerator
constexpr uint32_t kHeaders = 40;        // IPv4 and TCP without options
constexpr uint32_t kMaxTso = 65483;      // 65535 less headers and timestamps
constexpr uint32_t kMaxSackBlocks = 3;   // beside timestamps (RFC 2018 3)

// Congestion control (RFC 5681, 6928, 3042).
constexpr uint32_t kInitialSegments = 10;
constexpr uint32_t kInitialBytes = 14600;
constexpr uint32_t kDupThresh = 3;
constexpr uint32_t kNoLimit = 1u << 30;

// Work of one connection in one call of tcp_output.
constexpr uint32_t kBurstSegments = 64;
constexpr uint32_t kBurstBytes = 256 * 1024;

}  // namespace eta::fw::tcp
