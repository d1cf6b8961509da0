// SPDX-License-Identifier: MIT
// Loads and stores of network byte order fields at any alignment. Leaf of the wire layer.
#pragma once

#include <cstdint>
#include <cstring>

namespace eta::fw {

inline uint16_t load_be16(const uint8_t* p)
{
    uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

inline uint32_t load_be32(const uint8_t* p)
{
    uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

inline void store_be16(uint8_t* p, uint16_t v)
{
    v = __builtin_bswap16(v);
    std::memcpy(p, &v, sizeof v);
}

inline void store_be32(uint8_t* p, uint32_t v)
{
    v = __builtin_bswap32(v);
    std::memcpy(p, &v, sizeof v);
}

}  // namespace eta::fw
