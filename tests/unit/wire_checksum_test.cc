// SPDX-License-Identifier: MIT
// Internet checksum against published vectors and against a bytewise reference.
#include <catch2/catch.hpp>

#include <random>
#include <vector>

#include "wire/checksum.h"
#include "wire/ip4.h"

using namespace eta::fw;

namespace {

// RFC 1071 word by word, big-endian, odd last byte padded.
uint16_t reference(const std::vector<uint8_t>& d)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < d.size(); i += 2) {
        sum += static_cast<uint32_t>(d[i] << 8) | (i + 1 < d.size() ? d[i + 1] : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<uint16_t>(~sum);
}

uint16_t wire_order(uint16_t field) { return __builtin_bswap16(field); }

}  // namespace

TEST_CASE("wire checksum: the example of RFC 1071")
{
    const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK(wire_order(checksum_fold(checksum_bytes(data, sizeof data, 0))) == 0xddf2);
    CHECK(wire_order(checksum_finish(checksum_bytes(data, sizeof data, 0))) == 0x220d);
}

TEST_CASE("wire checksum: a well-known IPv4 header verifies and is reproduced")
{
    uint8_t h[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                   0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
    CHECK(ip4::checksum_ok(h, sizeof h));
    h[10] = h[11] = 0;
    CHECK(wire_order(checksum_finish(checksum_bytes(h, sizeof h, 0))) == 0xb861);
    h[8]--;
    h[10] = 0xb8;
    h[11] = 0x61;
    CHECK_FALSE(ip4::checksum_ok(h, sizeof h));
}

TEST_CASE("wire checksum: any length and alignment equals the bytewise sum")
{
    std::mt19937 rng(7);
    for (uint32_t len = 0; len < 300; len++) {
        std::vector<uint8_t> data(len + 8);
        for (uint8_t& b : data) {
            b = static_cast<uint8_t>(rng() % 5 == 0 ? 0xff : rng());
        }
        const uint32_t at = rng() % 8;
        const std::vector<uint8_t> part(data.begin() + at, data.begin() + at + len);
        const uint16_t got = checksum_finish(checksum_bytes(data.data() + at, len, 0));
        REQUIRE(wire_order(got) == reference(part));
    }
}

TEST_CASE("wire checksum: a long run of 0xff carries correctly")
{
    const std::vector<uint8_t> data(65535, 0xff);
    CHECK(wire_order(checksum_finish(checksum_bytes(data.data(), 65535, 0))) == reference(data));
}

TEST_CASE("wire checksum: payload in pieces of odd lengths")
{
    std::mt19937 rng(11);
    std::vector<uint8_t> data(1000);
    for (uint8_t& b : data) {
        b = static_cast<uint8_t>(rng());
    }
    for (int round = 0; round < 200; round++) {
        Payload p;
        uint32_t at = 0;
        for (p.count = 0; p.count < Payload::kMaxPieces; p.count++) {
            const uint32_t n = rng() % 250;
            p.piece[p.count] = {data.data() + at, n};
            at += n;
        }
        p.len = at;
        const std::vector<uint8_t> whole(data.begin(), data.begin() + at);
        REQUIRE(wire_order(checksum_finish(checksum_payload(p, 0))) == reference(whole));
    }
}
