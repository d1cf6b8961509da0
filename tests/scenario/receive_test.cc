// SPDX-License-Identifier: MIT
// Scenarios: receiving data (RFC 9293 3.10.7.4, 3.8.6.3; RFC 5681 4.2; RFC 2018).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

TEST_CASE("receive: data in order reaches the program and is acknowledged") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 1000));
    peer.send(data(1001, 460));
    peer.expect_within(kSec, ack(1461));
    CHECK(sock.recv() == 1460);
}

TEST_CASE("receive: data out of order waits for the hole and is then delivered at once") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1001, 1000));
    peer.expect(ack(1));
    CHECK(sock.recv() == 0);
    peer.send(data(1, 1000));
    peer.expect(ack(2001));
    CHECK(sock.recv() == 2000);
}

TEST_CASE("receive: every segment above a hole is answered by a duplicate ACK") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer);
    for (uint32_t i = 1; i <= 4; i++) {
        peer.send(data(1 + 1000 * i, 1000));
        peer.expect(ack(1));
    }
}

TEST_CASE("receive: overlapping segments deliver each byte once") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 1000));
    peer.send(data(501, 1000));
    peer.send(data(1, 1460));
    peer.send(data(1401, 600));
    peer.expect_within(kSec, Seg());
    peer.take_all();
    CHECK(sock.recv() == 2000);
    CHECK(peer.rcv_nxt == 1);
}

TEST_CASE("receive: overlaps above a hole are merged") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, Seg().mss(1460).sack_ok());
    peer.send(data(2001, 1000));
    peer.expect(ack(1).sack(2001, 3001));
    peer.send(data(1501, 1000));
    peer.expect(ack(1).sack(1501, 3001));
    peer.send(data(2501, 1000));
    peer.expect(ack(1).sack(1501, 3501));
    peer.send(data(1, 1460));
    peer.expect_within(kSec, ack(1461));
    peer.send(data(1461, 100));
    peer.expect(ack(3501));
    CHECK(sock.recv() == 3500);
}

TEST_CASE("receive: a duplicate is acknowledged and not delivered again") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 500));
    peer.expect_within(kSec, ack(501));
    peer.send(data(1, 500));
    peer.expect(ack(501));
    CHECK(sock.recv() == 500);
}

TEST_CASE("receive: holes are filled in any order") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    for (uint32_t i : {6u, 2u, 4u, 0u, 5u, 1u, 3u})
        peer.send(data(1 + i * 700, 700));
    lab.advance(100 * kMs);
    CHECK(sock.recv() == 4900);
    auto all = peer.take_all();
    REQUIRE_FALSE(all.empty());
    CHECK(all.back().ack - peer.iss == 4901);
}

TEST_CASE("receive: more holes than are remembered lose no data for good") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, Seg().mss(1460).sack_ok());
    for (uint32_t i = 1; i < 40; i += 2)
        peer.send(data(1 + i * 500, 500));
    uint64_t got = 0;
    for (int round = 0; round < 40 && got < 20000; round++) {
        for (uint32_t i = 0; i < 40; i++)
            peer.send(data(1 + i * 500, 500));
        lab.advance(10 * kMs);
        got += sock.recv();
    }
    CHECK(got == 20000);
}

TEST_CASE("receive: data beyond the window is cut off") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, plain());
    uint32_t pos = 1;
    uint32_t wnd = 0;
    do {  // fill until the window is small
        peer.send(data(pos, 1460));
        auto t = peer.expect_within(kSec, Seg());
        pos = t.ack - peer.iss;
        wnd = t.wnd;
    } while (wnd >= 1460);
    peer.send(data(pos, 1460));
    peer.take_all();
    lab.advance(500 * kMs);
    CHECK(sock.readable() <= pos - 1 + wnd);
    peer.take_all();
    uint64_t got = sock.recv();
    CHECK(got >= pos - 1);
}

TEST_CASE("receive: a segment wholly outside the window is answered by an ACK and dropped") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, plain());
    peer.send(data(5'000'000, 100));
    peer.expect(ack(1));
    CHECK(sock.recv() == 0);
}

TEST_CASE("receive: a single segment is acknowledged within 500 ms, not at once") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer, plain());
    // The first segments of a connection may be acknowledged quickly; later ones are delayed.
    uint32_t pos = 1;
    for (int i = 0; i < 40; i++, pos += 100) {
        peer.send(data(pos, 100));
        peer.expect_within(kSec, ack(pos + 100));
    }
    peer.send(data(pos, 100));
    peer.expect_nothing();
    uint64_t start = lab.world.now_us();
    peer.expect_within(kSec, ack(pos + 100));
    CHECK(lab.world.now_us() - start <= 500 * kMs);
}

TEST_CASE("receive: two full segments are acknowledged at once") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer, plain());
    peer.send(data(1, 1460));
    peer.send(data(1461, 1460));
    peer.expect(ack(2921));
}

TEST_CASE("receive: an ACK rides on data of the program") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, plain());
    lab.inject(peer.frame_of(data(1, 100)));
    lab.host.turn_once();
    sock.recv();
    sock.send(60);
    auto all = peer.take_all();
    REQUIRE(all.size() >= 1);
    CHECK(all.back().payload.size() == 60);
    CHECK(all.back().ack - peer.iss == 101);
}

TEST_CASE("receive: urgent data is delivered in the stream") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, plain());
    Bytes f = peer.frame_of(data(1, 100));
    f[14 + 20 + 13] |= 0x20;
    f[14 + 20 + 19] = 50;
    fix_checksums(f);
    lab.inject(f);
    lab.settle();
    CHECK(sock.recv() == 100);
}

TEST_CASE("receive: data after the program stopped reading is discarded") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, plain());
    sock.control(ETA_CTL_RD_SHUT);
    uint32_t pos = 1;
    for (int i = 0; i < 300; i++, pos += 1460)
        peer.send(data(pos, 1460));
    lab.advance(kSec);
    auto all = peer.take_all();
    REQUIRE_FALSE(all.empty());
    CHECK(all.back().ack - peer.iss == pos);
    CHECK(all.back().wnd > 1460);
    CHECK(sock.established());
}
