// SPDX-License-Identifier: MIT
// Test harness: what every byte of every test stream must be. A stream is named by a key; the
// byte at a position is a hash of both, so a byte lost, doubled or moved shows at once.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eta::test {

inline uint64_t pattern_word(uint64_t key, uint64_t index) {
    uint64_t z = key * 0x9e3779b97f4a7c15u + index * 0xd1342543de82ef95u;
    z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9u;
    return z ^ (z >> 32);
}

inline uint8_t pattern_byte(uint64_t key, uint64_t pos) {
    return static_cast<uint8_t>(pattern_word(key, pos >> 3) >> (8 * (pos & 7)));
}

inline void pattern_fill(uint64_t key, uint64_t pos, uint8_t* out, size_t len) {
    for (size_t i = 0; i < len;) {
        uint64_t word = pattern_word(key, (pos + i) >> 3);
        for (uint64_t b = (pos + i) & 7; b < 8 && i < len; b++, i++)
            out[i] = static_cast<uint8_t>(word >> (8 * b));
    }
}

// Offset of the first byte that is wrong, or `len` if all are right.
inline size_t pattern_check(uint64_t key, uint64_t pos, const uint8_t* data, size_t len) {
    for (size_t i = 0; i < len;) {
        uint64_t word = pattern_word(key, (pos + i) >> 3);
        for (uint64_t b = (pos + i) & 7; b < 8 && i < len; b++, i++)
            if (data[i] != static_cast<uint8_t>(word >> (8 * b)))
                return i;
    }
    return len;
}

}  // namespace eta::test
