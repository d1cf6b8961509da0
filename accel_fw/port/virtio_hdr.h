// SPDX-License-Identifier: MIT
// The header in front of each frame of a TAP with IFF_VNET_HDR (virtio 1.2, section 5.1.6), in the
// byte order of the machine. The kernel's own header for it is not valid C++.
#pragma once

#include <cstdint>

#include "port/port.h"

namespace eta::fw {

constexpr uint8_t kVirtioNeedsCsum = 1;
constexpr uint8_t kVirtioDataValid = 2;
constexpr uint8_t kVirtioGsoNone = 0;
constexpr uint8_t kVirtioGsoTcp4 = 1;
constexpr uint8_t kVirtioGsoTcp6 = 4;

struct VirtioHdr {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;  // bytes of headers, a hint
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
};
static_assert(sizeof(VirtioHdr) == 10);

inline void virtio_hdr_fill(VirtioHdr* h, const TxFrame& f)
{
    *h = {};
    if (f.csum_start != 0) {
        h->flags = kVirtioNeedsCsum;
        h->csum_start = f.csum_start;
        h->csum_offset = f.csum_offset;
    }
    if (f.gso_size != 0 && f.payload.len > f.gso_size) {
        bool ipv6 = f.head[12] == 0x86 && f.head[13] == 0xdd;
        h->gso_type = ipv6 ? kVirtioGsoTcp6 : kVirtioGsoTcp4;
        h->gso_size = f.gso_size;
        h->hdr_len = static_cast<uint16_t>(f.head_len);
    }
}

}  // namespace eta::fw
