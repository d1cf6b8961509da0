// SPDX-License-Identifier: MIT
// From a received frame to a Segment: the first step behind the port, called by demux. Trusts
// nothing: every length is checked against the frame before it is used.
#pragma once

#include "segment.h"

namespace eta::fw {

enum class ParseResult : uint8_t {
    kOk,
    kNotOurs,         // not IPv4, not TCP, or a fragment: the OS stack's
    kRunt,            // shorter than its headers
    kBadIpChecksum,
    kBadLength,       // a length field that does not fit the frame
    kBadTcpChecksum,
    kBadOptions,      // malformed TCP options
};

// Fills everything but `hash`. The payload points into the frame.
ParseResult parse_frame(const RxFrame& frame, Segment* s);

}  // namespace eta::fw
