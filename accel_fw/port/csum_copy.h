// SPDX-License-Identifier: MIT
// Copy and Internet checksum (RFC 1071) in one pass, for ports whose wire does not finish
// checksums. Sums are kept in the byte order of memory, so the result is stored as it is.
#pragma once

#include <cstdint>
#include <cstring>

namespace eta::fw {

inline uint16_t csum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

// Sum of `len` bytes, copied to `to` on the way if it is not null. The last odd byte counts as the
// first of a pair.
inline uint64_t csum_run(uint8_t* to, const uint8_t* from, uint32_t len)
{
    uint64_t a = 0, b = 0;
    uint32_t i = 0;
    for (; i + 16 <= len; i += 16) {
        uint64_t x, y;
        std::memcpy(&x, from + i, 8);
        std::memcpy(&y, from + i + 8, 8);
        if (to) {
            std::memcpy(to + i, &x, 8);
            std::memcpy(to + i + 8, &y, 8);
        }
        a += (x & 0xffffffff) + (x >> 32);
        b += (y & 0xffffffff) + (y >> 32);
    }
    for (; i + 2 <= len; i += 2) {
        uint16_t w;
        std::memcpy(&w, from + i, 2);
        if (to) std::memcpy(to + i, &w, 2);
        a += w;
    }
    if (i < len) {
        uint16_t w = 0;
        std::memcpy(&w, from + i, 1);
        if (to) to[i] = from[i];
        a += w;
    }
    return a + b;
}

// A checksum over bytes that come in runs of any length.
class CsumCopy {
public:
    void add(uint8_t* to, const uint8_t* from, uint32_t len)
    {
        uint16_t part = csum_fold(csum_run(to, from, len));
        if (odd_) part = __builtin_bswap16(part);  // RFC 1071 2(B)
        sum_ += part;
        odd_ ^= (len & 1) != 0;
    }

    // What belongs in the checksum field.
    uint16_t finish() const { return static_cast<uint16_t>(~csum_fold(sum_)); }

private:
    uint64_t sum_ = 0;
    bool odd_ = false;
};

}  // namespace eta::fw
