// SPDX-License-Identifier: MIT
// Scenarios: segments from the wire with addresses that only exist inside the machine
// (RFC 1122 3.2.1.3, RFC 9293 3.9.2.3). Nobody outside may speak to connections between programs.
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;
using eta::fw::Counter;

namespace {

constexpr uint32_t kLocalhost = 0x7f000001;
constexpr size_t kSource = 14 + 12;
constexpr size_t kDestination = 14 + 16;

Bytes with_address(Bytes frame, size_t at, uint32_t addr) {
    put32(&frame[at], addr);
    fix_checksums(frame);
    return frame;
}

}  // namespace

TEST_CASE("martian: a SYN from an own, loopback, multicast or zero address is dropped") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    uint64_t dropped = lab.count(Counter::rx_martian);
    for (uint32_t source : {kHostAddr, kLocalhost, 0xe0000001u, 0xffffffffu, 0x00000000u}) {
        lab.inject(with_address(peer.frame_of(syn().mss(1460)), kSource, source));
        lab.settle();
        CHECK(lab.count(Counter::rx_martian) == ++dropped);
    }
    lab.inject(with_address(peer.frame_of(syn().mss(1460)), kDestination, kLocalhost));
    lab.settle();
    CHECK(lab.count(Counter::rx_martian) == ++dropped);
    CHECK(lab.host.contexts_in_use() == 0);
    CHECK(lab.others.empty());
    peer.expect_nothing();
    CHECK(listener.try_accept() == nullptr);
}

TEST_CASE("martian: a connection between programs takes nothing from the wire") {
    Lab lab;
    Sock& listener = lab.listen(7000);
    Sock& client = lab.host.start().connect(kHostAddr, 7000);
    lab.settle();
    Sock* server = listener.accept();
    REQUIRE(client.established());
    Peer forger(lab, client.local_port(), 7000);
    const uint64_t before = lab.count(Counter::rx_martian);
    for (const Seg& s : {rst(), data(1, 100), syn(), fin_ack()}) {
        lab.inject(with_address(forger.frame_of(s), kSource, kHostAddr));
    }
    lab.settle();
    CHECK(lab.count(Counter::rx_martian) == before + 4);
    CHECK(client.established());
    CHECK(server->established());
    server->rx_key = kOutKey;
    CHECK(client.send(500) == 500);
    lab.advance(kMs);
    CHECK(server->recv() == 500);
}
