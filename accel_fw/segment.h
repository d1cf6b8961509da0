// SPDX-License-Identifier: MIT
// A TCP segment in parsed form: what travels between the stages of the loop. demux makes it from
// a frame; tcp/output makes it and either the wire format is written from it or, for a peer on
// the same accelerator, it is handed to the next turn as it is, with no frame at all.
#pragma once

#include <cstdint>
#include <cstring>

#include <eta/ctx.h>

#include "port/port.h"

namespace eta::fw {

// Seen from the receiver of the segment: local is the destination. Network byte order.
struct FourTuple {
    uint8_t laddr[ETA_ADDR_LEN];
    uint8_t raddr[ETA_ADDR_LEN];
    uint16_t lport;
    uint16_t rport;

    bool operator==(const FourTuple& o) const { return std::memcmp(this, &o, sizeof *this) == 0; }
};

enum TcpFlag : uint8_t {
    kFin = 0x01,
    kSyn = 0x02,
    kRst = 0x04,
    kPsh = 0x08,
    kAck = 0x10,
    kUrg = 0x20,
};

enum OptFlag : uint8_t {
    kOptMss = 1,
    kOptWscale = 2,
    kOptTs = 4,
    kOptSackPermitted = 8,
};

struct SackBlock {
    uint32_t start;
    uint32_t end;
};

struct Segment {
    FourTuple tuple;    // from the receiver's point of view
    uint32_t hash = 0;  // tuple_hash(tuple); symmetric: same for both directions
    uint32_t seq = 0;   // host byte order, as all below
    uint32_t ack = 0;
    uint16_t wnd = 0;   // as on the wire, not scaled
    uint8_t flags = 0;  // TcpFlag
    uint8_t opts = 0;   // OptFlag: which of the following are present
    uint8_t wscale = 0;
    uint8_t n_sack = 0;
    uint16_t mss = 0;
    uint32_t ts_val = 0;
    uint32_t ts_ecr = 0;
    SackBlock sack[4];
    uint8_t smac[6] = {};  // sender's MAC on the wire
    uint8_t ip_tos = 0;
    bool local = false;    // came from this accelerator, no wire
    Payload payload;

    // Sequence space the segment occupies (RFC 9293 3.4).
    uint32_t seq_len() const
    {
        return payload.len + ((flags & kSyn) ? 1 : 0) + ((flags & kFin) ? 1 : 0);
    }
};

}  // namespace eta::fw
