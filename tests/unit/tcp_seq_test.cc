// SPDX-License-Identifier: MIT
// Sequence arithmetic and ranges of sequence space, across the wrap.
#include <catch2/catch.hpp>

#include <random>
#include <set>

#include "tcp/ranges.h"
#include "tcp/seq.h"

using namespace eta::fw::tcp;

TEST_CASE("tcp seq: comparisons hold across the wrap")
{
    CHECK(seq_lt(0xfffffff0, 0x10));
    CHECK(seq_gt(0x10, 0xfffffff0));
    CHECK(seq_leq(5, 5));
    CHECK(seq_geq(5, 5));
    CHECK_FALSE(seq_lt(5, 5));
    CHECK(seq_max(0xfffffff0, 0x10) == 0x10);
    CHECK(seq_min(0xfffffff0, 0x10) == 0xfffffff0);
    CHECK(seq_room(0xfffffff0, 0x10) == 0x20);
    CHECK(seq_room(0x10, 0xfffffff0) == 0);
}

TEST_CASE("tcp ranges: neighbours merge, a full array refuses a new one")
{
    eta_ooo r[4];
    uint32_t n = 0;
    for (uint32_t i = 0; i < 4; i++) {
        REQUIRE(ranges_insert(r, &n, 4, i * 100, i * 100 + 50));
    }
    CHECK_FALSE(ranges_insert(r, &n, 4, 1000, 1050));
    CHECK(n == 4);
    REQUIRE(ranges_insert(r, &n, 4, 50, 100));
    CHECK(n == 3);
    CHECK(r[0].start == 0);
    CHECK(r[0].end == 150);
    REQUIRE(ranges_insert(r, &n, 4, 120, 320));
    CHECK(n == 1);
    CHECK(r[0].end == 350);
    ranges_drop_below(r, &n, 349);
    REQUIRE(n == 1);
    CHECK(r[0].start == 349);
    ranges_drop_below(r, &n, 350);
    CHECK(n == 0);
}

TEST_CASE("tcp ranges: random insertions equal a set of numbers")
{
    std::mt19937 rng(3);
    for (int round = 0; round < 300; round++) {
        const uint32_t base = 0xffffff80u + rng() % 64;
        eta_ooo r[8];
        uint32_t n = 0;
        std::set<uint32_t> want;
        for (int step = 0; step < 20; step++) {
            const uint32_t start = rng() % 200;
            const uint32_t len = 1 + rng() % 20;
            if (ranges_insert(r, &n, 8, base + start, base + start + len)) {
                for (uint32_t i = 0; i < len; i++) {
                    want.insert(start + i);
                }
            }
            std::set<uint32_t> got;
            for (uint32_t i = 0; i < n; i++) {
                REQUIRE(seq_lt(r[i].start, r[i].end));
                REQUIRE((i == 0 || seq_lt(r[i - 1].end, r[i].start)));
                for (uint32_t s = r[i].start; s != r[i].end; s++) {
                    got.insert(s - base);
                }
            }
            REQUIRE(got == want);
            REQUIRE(ranges_total(r, n) == want.size());
        }
    }
}
