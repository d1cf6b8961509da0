// SPDX-License-Identifier: MIT
// Ethernet II header: offsets, read, write. Leaf of the wire layer; keeps no state.
#pragma once

#include "wire/bytes.h"

namespace eta::fw::eth {

constexpr uint32_t kAddrLen = 6;
constexpr uint32_t kHeaderLen = 14;
constexpr uint32_t kSourceOff = 6;
constexpr uint32_t kTypeOff = 12;
constexpr uint16_t kTypeIpv4 = 0x0800;

inline uint16_t type_of(const uint8_t* frame)
{
    return load_be16(frame + kTypeOff);
}

inline void write(uint8_t* p, const uint8_t* dmac, const uint8_t* smac, uint16_t type)
{
    std::memcpy(p, dmac, kAddrLen);
    std::memcpy(p + kSourceOff, smac, kAddrLen);
    store_be16(p + kTypeOff, type);
}

}  // namespace eta::fw::eth
