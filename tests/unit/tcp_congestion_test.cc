// SPDX-License-Identifier: MIT
// Congestion control and loss recovery on a context, without a wire (RFC 5681, 6582, 6675, 6928).
#include <catch2/catch.hpp>

#include "tcp/congestion.h"
#include "tcp/params.h"
#include "tcp/recovery.h"

using namespace eta::fw;
using namespace eta::fw::tcp;

namespace {

constexpr uint32_t kMss = 1460;

eta_ctx opened()
{
    eta_ctx c = {};
    c.mss = kMss;
    c.cc = ETA_CC_NEWRENO;
    congestion_of(c).open(c, false);
    return c;
}

// `segments` outstanding from sequence number 1000 on, in recovery, with these reported.
eta_ctx in_recovery(uint32_t segments, std::initializer_list<eta_ooo> reported)
{
    eta_ctx c = opened();
    c.flags = ETA_CTX_F_SACK | ETA_CTX_F_RECOVERY;
    c.snd_una = c.high_rxt = 1000;
    c.snd_nxt = c.snd_max = c.recover = 1000 + segments * kMss;
    for (const eta_ooo& r : reported) {
        c.sacked[c.sack_count++] = {1000 + r.start * kMss, 1000 + r.end * kMss};
    }
    return c;
}

}  // namespace

TEST_CASE("tcp congestion: the initial window is ten segments (RFC 6928)")
{
    eta_ctx c = opened();
    CHECK(c.cwnd == 10 * kMss);
    c.mss = 8960;
    congestion_of(c).open(c, false);
    CHECK(c.cwnd == 2 * 8960);
    c.mss = 536;
    congestion_of(c).open(c, false);
    CHECK(c.cwnd == 10 * 536);
    congestion_of(c).open(c, true);
    CHECK(c.cwnd == 536);
}

TEST_CASE("tcp congestion: slow start doubles in a round trip, then one segment per window")
{
    eta_ctx c = opened();
    for (int i = 0; i < 10; i++) {
        congestion_of(c).acked(c, kMss, 10 * kMss);
    }
    CHECK(c.cwnd == 20 * kMss);
    c.ssthresh = c.cwnd;
    for (int i = 0; i < 20; i++) {
        congestion_of(c).acked(c, kMss, c.cwnd);
    }
    CHECK(c.cwnd == 21 * kMss);
}

TEST_CASE("tcp congestion: a window that is not used does not grow (RFC 7661)")
{
    eta_ctx c = opened();
    for (int i = 0; i < 1000; i++) {
        congestion_of(c).acked(c, 100, 100);
    }
    CHECK(c.cwnd == 10 * kMss);
    c.ssthresh = c.cwnd;
    for (int i = 0; i < 1000; i++) {
        congestion_of(c).acked(c, kMss, 2 * kMss);
    }
    CHECK(c.cwnd == 10 * kMss);
}

TEST_CASE("tcp congestion: loss halves the flight, two segments at least (RFC 5681 (4))")
{
    eta_ctx c = opened();
    CHECK(congestion_of(c).lost(c, 20 * kMss) == 10 * kMss);
    CHECK(congestion_of(c).lost(c, 1 * kMss) == 2 * kMss);
}

TEST_CASE("tcp congestion: a timeout begins with one segment, ssthresh falls once for a window")
{
    eta_ctx c = opened();
    c.snd_una = 1000;
    c.snd_nxt = c.snd_max = 1000 + 20 * kMss;
    recovery_timeout(c);
    CHECK(c.cwnd == kMss);
    CHECK(c.ssthresh == 10 * kMss);
    CHECK(c.snd_nxt == c.snd_una);
    CHECK(c.recover == c.snd_max);
    c.backoff = 1;
    c.snd_max = 1000 + 2 * kMss;
    recovery_timeout(c);
    CHECK(c.ssthresh == 10 * kMss);
}

TEST_CASE("tcp congestion: without a wire there is no limit")
{
    eta_ctx c = {};
    c.mss = kLocalMss;
    c.cc = ETA_CC_NONE;
    congestion_of(c).open(c, false);
    CHECK(c.cwnd == kNoLimit);
    congestion_of(c).timeout(c);
    CHECK(c.cwnd == kNoLimit);
    CHECK(congestion_of(c).lost(c, 1000) == kNoLimit);
}

TEST_CASE("tcp recovery: SACK blocks are believed only inside what is outstanding")
{
    eta_ctx c = in_recovery(10, {});
    Segment s;
    s.sack[s.n_sack++] = {900, 1100};                     // below snd_una
    s.sack[s.n_sack++] = {c.snd_max - 100, c.snd_max + 1};  // never sent
    s.sack[s.n_sack++] = {3000, 2500};                    // backwards
    CHECK_FALSE(sack_take(c, s));
    CHECK(c.sack_count == 0);
    s.sack[0] = {2500, 3000};
    CHECK(sack_take(c, s));
    CHECK(c.sack_count == 1);
    CHECK_FALSE(sack_take(c, s));  // nothing new
}

TEST_CASE("tcp recovery: holes below three reported segments are lost, one after the other")
{
    // Of ten segments 0, 1 and 4 are missing; 2, 3, 5, 6, 7 are reported.
    eta_ctx c = in_recovery(10, {{2, 4}, {5, 8}});
    uint32_t seq = 0, len = 0;
    REQUIRE(next_hole(c, &seq, &len));
    CHECK(seq == 1000);
    CHECK(len == kMss);
    c.high_rxt = seq + len;
    REQUIRE(next_hole(c, &seq, &len));
    CHECK(seq == 1000 + kMss);
    CHECK(len == kMss);
    c.high_rxt = seq + len;
    REQUIRE(next_hole(c, &seq, &len));  // 5, 6, 7 are above it
    CHECK(seq == 1000 + 4 * kMss);
    CHECK(len == kMss);
    c.high_rxt = seq + len;
    CHECK_FALSE(next_hole(c, &seq, &len));  // 8 and 9 may still be under way
}

TEST_CASE("tcp recovery: a hole shorter than a segment is sent as it is")
{
    eta_ctx c = in_recovery(10, {});
    c.sacked[0] = {1000 + 300, 1000 + 8 * kMss};
    c.sack_count = 1;
    uint32_t seq = 0, len = 0;
    REQUIRE(next_hole(c, &seq, &len));
    CHECK(seq == 1000);
    CHECK(len == 300);
}

TEST_CASE("tcp recovery: pipe counts what is neither reported nor lost, and what was sent again")
{
    eta_ctx c = in_recovery(10, {{2, 4}, {5, 8}});
    CHECK(pipe_of(c) == 2 * kMss);  // 8 and 9
    c.high_rxt = 1000 + kMss;       // segment 0 sent again
    CHECK(pipe_of(c) == 3 * kMss);
    c.flags &= ~ETA_CTX_F_RECOVERY;
    CHECK(pipe_of(c) == 10 * kMss);
}
