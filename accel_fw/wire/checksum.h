// SPDX-License-Identifier: MIT
// Internet checksum (RFC 1071): native-endian, 64 bits at a time, over runs of any length and
// alignment. Leaf arithmetic of the wire layer; keeps no state.
#pragma once

#include <cstdint>
#include <cstring>

#include "port/port.h"

namespace eta::fw {

// Adds with end-around carry.
inline uint64_t checksum_add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

// Adds a run that begins at an even offset of the checksummed data.
inline uint64_t checksum_bytes(const void* data, uint32_t len, uint64_t sum)
{
    const uint8_t* p = static_cast<const uint8_t*>(data);
    while (len >= 32) {
        uint64_t w[4];
        std::memcpy(w, p, sizeof w);
        sum = checksum_add(sum, w[0]);
        sum = checksum_add(sum, w[1]);
        sum = checksum_add(sum, w[2]);
        sum = checksum_add(sum, w[3]);
        p += 32;
        len -= 32;
    }
    while (len >= 8) {
        uint64_t w;
        std::memcpy(&w, p, sizeof w);
        sum = checksum_add(sum, w);
        p += 8;
        len -= 8;
    }
    if (len != 0) {
        uint64_t w = 0;  // a missing last byte counts as zero
        std::memcpy(&w, p, len);
        sum = checksum_add(sum, w);
    }
    return sum;
}

// Folds to 16 bits, not inverted.
inline uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    return static_cast<uint16_t>(sum);
}

// The field as it stands on the wire, to be stored without byte swapping.
inline uint16_t checksum_finish(uint64_t sum)
{
    return static_cast<uint16_t>(~checksum_fold(sum));
}

// Adds a payload that begins at an even offset; its pieces may have odd lengths.
inline uint64_t checksum_payload(const Payload& p, uint64_t sum)
{
    bool odd = false;
    for (uint32_t i = 0; i < p.count; i++) {
        uint64_t part = checksum_bytes(p.piece[i].data, p.piece[i].len, 0);
        if (odd) {
            part = __builtin_bswap16(checksum_fold(part));  // RFC 1071 2(B)
        }
        sum = checksum_add(sum, part);
        odd ^= (p.piece[i].len & 1) != 0;
    }
    return sum;
}

}  // namespace eta::fw
