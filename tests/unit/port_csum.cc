// SPDX-License-Identifier: MIT
// Copy and checksum in one pass equals the plain definition of RFC 1071, for any split into runs.
#include <vector>

#include <catch2/catch.hpp>

#include "port/csum_copy.h"
#include "util/rng.h"

using namespace eta::fw;

namespace {

uint16_t plain(const std::vector<uint8_t>& v)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < v.size(); i++) sum += i % 2 ? v[i] : v[i] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
}

}  // namespace

TEST_CASE("checksum over runs equals the checksum of the whole")
{
    Rng rng(7);
    for (int round = 0; round < 2000; round++) {
        std::vector<uint8_t> from(rng.below(3000));
        for (uint8_t& b : from) b = static_cast<uint8_t>(round % 3 == 0 ? 0xff : rng.next());
        std::vector<uint8_t> to(from.size() + 1, 0xee);
        CsumCopy sum;
        for (uint32_t at = 0; at < from.size();) {
            uint32_t left = static_cast<uint32_t>(from.size()) - at;
            uint32_t len = 1 + rng.below(left < 700 ? left : 700);
            sum.add(to.data() + at, from.data() + at, len);
            at += len;
        }
        uint16_t got = sum.finish();
        REQUIRE(__builtin_bswap16(got) == plain(from));
        REQUIRE(to.back() == 0xee);
        to.pop_back();
        REQUIRE(to == from);
    }
}
