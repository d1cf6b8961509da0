// SPDX-License-Identifier: MIT
// Retransmission timeout (RFC 6298).
#include <catch2/catch.hpp>

#include "tcp/rtt.h"

using namespace eta::fw::tcp;

TEST_CASE("tcp rtt: the first sample sets both estimates (RFC 6298 2.2)")
{
    eta_ctx c = {};
    rtt_sample(c, 100'000);
    CHECK(c.srtt_us == 100'000);
    CHECK(c.rttvar_us == 50'000);
    CHECK(c.rto_us == 300'000);
}

TEST_CASE("tcp rtt: later samples move them by an eighth and a quarter (RFC 6298 2.3)")
{
    eta_ctx c = {};
    rtt_sample(c, 800'000);
    rtt_sample(c, 1'600'000);
    CHECK(c.rttvar_us == 400'000 - 100'000 + 200'000);
    CHECK(c.srtt_us == 800'000 - 100'000 + 200'000);
    CHECK(c.rto_us == 900'000 + 4 * 500'000);
}

TEST_CASE("tcp rtt: a steady round trip converges and keeps the minimum above it")
{
    eta_ctx c = {};
    rtt_sample(c, 5'000'000);
    for (int i = 0; i < 200; i++) {
        rtt_sample(c, 10'000);
    }
    CHECK(c.srtt_us >= 9'900);
    CHECK(c.srtt_us <= 10'100);
    CHECK(c.rto_us >= kRtoMinUs);
    CHECK(c.rto_us <= kRtoMinUs + 11'000);
}

TEST_CASE("tcp rtt: extreme samples stay inside the limits")
{
    eta_ctx c = {};
    rtt_sample(c, 0);
    CHECK(c.srtt_us == 1);
    CHECK(c.rto_us >= kRtoMinUs);
    rtt_sample(c, UINT64_MAX);
    CHECK(c.rto_us <= kRtoMaxUs);
    for (int i = 0; i < 100; i++) {
        rtt_sample(c, kRtoMaxUs);
    }
    CHECK(c.rto_us == kRtoMaxUs);
}

TEST_CASE("tcp rtt: backoff doubles up to the maximum (RFC 6298 5.5)")
{
    eta_ctx c = {};
    c.rto_us = kRtoInitialUs;
    uint64_t want = kRtoInitialUs;
    for (c.backoff = 0; c.backoff < 40; c.backoff++) {
        REQUIRE(rto_backed_off(c) == want);
        want = want * 2 > kRtoMaxUs ? kRtoMaxUs : want * 2;
    }
}
