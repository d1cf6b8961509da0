// SPDX-License-Identifier: MIT
// IPv4 header (RFC 791): offsets, checks of a received one, writing one. The engine carries
// addresses as 16-byte v4-mapped ones (RFC 4291 2.5.5.2). Leaf of the wire layer.
#pragma once

#include <eta/abi.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

namespace eta::fw::ip4 {

constexpr uint32_t kHeaderLen = 20;
constexpr uint8_t kProtoTcp = 6;
constexpr uint8_t kTtl = 64;
constexpr uint16_t kDontFragment = 0x4000;
constexpr uint16_t kFragmentMask = 0x3fff;  // more fragments, or an offset
constexpr uint32_t kMappedOff = 12;         // of the IPv4 address in a mapped one

inline uint32_t version_of(const uint8_t* p) { return p[0] >> 4; }
inline uint32_t header_len_of(const uint8_t* p) { return (p[0] & 0x0fu) * 4; }
inline uint32_t total_len_of(const uint8_t* p) { return load_be16(p + 2); }
inline bool is_fragment(const uint8_t* p) { return (load_be16(p + 6) & kFragmentMask) != 0; }
inline uint8_t proto_of(const uint8_t* p) { return p[9]; }
inline const uint8_t* source_of(const uint8_t* p) { return p + 12; }
inline const uint8_t* destination_of(const uint8_t* p) { return p + 16; }

inline bool checksum_ok(const uint8_t* p, uint32_t header_len)
{
    return checksum_fold(checksum_bytes(p, header_len, 0)) == 0xffff;
}

// ::ffff:a.b.c.d of the four bytes at `v4`.
inline void map_address(uint8_t* out, const uint8_t* v4)
{
    std::memset(out, 0, 10);
    std::memset(out + 10, 0xff, 2);
    std::memcpy(out + kMappedOff, v4, 4);
}

inline bool is_mapped(const uint8_t* addr)
{
    static constexpr uint8_t kPrefix[kMappedOff] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(addr, kPrefix, sizeof kPrefix) == 0;
}

// Of mapped addresses.
inline bool is_loopback(const uint8_t* addr) { return addr[kMappedOff] == 127; }
inline bool is_unicast(const uint8_t* addr)
{
    return addr[kMappedOff] != 0 && addr[kMappedOff] < 224;
}

// Sum over the pseudo-header of RFC 9293 3.1, from the addresses of a written header.
inline uint64_t pseudo_sum(const uint8_t* p, uint32_t tcp_len)
{
    const uint64_t sum = checksum_bytes(source_of(p), 8, 0);
    return checksum_add(sum, __builtin_bswap16(static_cast<uint16_t>(tcp_len)) +
                                 uint64_t{__builtin_bswap16(kProtoTcp)});
}

// Writes a header for `total_len` bytes. The identification is zero: such a packet is never
// fragmented (RFC 6864 4.1).
inline void write(uint8_t* p, const uint8_t* saddr, const uint8_t* daddr, uint32_t total_len)
{
    p[0] = 0x45;
    p[1] = 0;
    store_be16(p + 2, static_cast<uint16_t>(total_len));
    store_be16(p + 4, 0);
    store_be16(p + 6, kDontFragment);
    p[8] = kTtl;
    p[9] = kProtoTcp;
    std::memset(p + 10, 0, 2);
    std::memcpy(p + 12, saddr + kMappedOff, 4);
    std::memcpy(p + 16, daddr + kMappedOff, 4);
    const uint16_t sum = checksum_finish(checksum_bytes(p, kHeaderLen, 0));
    std::memcpy(p + 10, &sum, sizeof sum);
}

}  // namespace eta::fw::ip4
