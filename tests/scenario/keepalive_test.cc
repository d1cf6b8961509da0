// SPDX-License-Identifier: MIT
// Scenarios: keepalive (RFC 1122 4.2.3.6).
#include <catch2/catch.hpp>

#include <cerrno>

#include "harness/lab.h"

using namespace eta::test;

namespace {
constexpr uint64_t kHours = 3600 * kSec;
}

TEST_CASE("keepalive: an idle connection is probed only if the program asked for it") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.expect_nothing_for(3 * kHours);
    CHECK(sock.established());
}

TEST_CASE("keepalive: probes are outside the window and an answer keeps the connection") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.control(ETA_CTL_KEEPALIVE);
    for (int i = 0; i < 3; i++) {
        TcpFrame t = peer.expect_within(3 * kHours, with_flags(kA).seq(0));
        CHECK(t.payload.size() <= 1);
        peer.send(ack(1));
        lab.settle();
    }
    CHECK(sock.established());
}

TEST_CASE("keepalive: a peer that is gone ends in ETIMEDOUT") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.control(ETA_CTL_KEEPALIVE);
    REQUIRE(lab.advance_until(6 * kHours, [&] { return sock.closed(); }));
    CHECK(sock.err() == ETIMEDOUT);
    CHECK(peer.waiting() >= 3);
}

TEST_CASE("keepalive: the engine answers the peer's probes") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer);
    peer.send(ack(1).seq(0));
    peer.expect(ack(1).seq(1));
    Seg probe = with_flags(kA).seq(0).len(1);
    peer.check_payload = false;
    peer.send(probe);
    peer.expect(ack(1).seq(1));
}
