// SPDX-License-Identifier: MIT
// Scenarios: flow control (RFC 9293 3.8.6; RFC 1122 4.2.2.17, 4.2.3.3, 4.2.3.4).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

// Fills the engine's receive window until it is closed; returns the next position to send.
uint32_t fill_window(Lab& lab, Peer& peer) {
    uint32_t pos = 1;
    for (int i = 0; i < 4000; i++) {
        TcpFrame last = [&] {
            peer.send(data(pos, 1460));
            return peer.expect_within(kSec, Seg());
        }();
        for (auto& t : peer.take_all())
            last = t;
        pos = last.ack - peer.iss;
        uint32_t wnd = last.wnd;
        if (wnd < 1460) {
            if (wnd == 0)
                return pos;
            peer.send(data(pos, wnd));
            pos += wnd;
            peer.expect_within(kSec, Seg());
            lab.advance(300 * kMs);
            peer.take_all();
            return pos;
        }
    }
    FAIL("the window never closes");
    return 0;
}

}  // namespace

TEST_CASE("window: sending stops at the edge of the peer's window") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 3000;
    Sock& sock = lab.accept_from(peer);
    sock.send(20000);
    uint32_t total = 0;
    for (auto& t : peer.take_all())
        total += static_cast<uint32_t>(t.payload.size());
    CHECK(total >= 2920);
    CHECK(total <= 3000);
    peer.send(ack(1 + total).wnd(1460));
    peer.expect(data(1 + total, 1460));
    peer.expect_nothing();
}

TEST_CASE("window: a closed window is probed, ever more slowly, and reopened") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 1460;
    Sock& sock = lab.accept_from(peer);
    sock.send(5000);
    peer.expect(data(1, 1460));
    peer.window = 0;
    peer.send(ack(1461));
    peer.expect_nothing();
    uint64_t gap[6];
    for (uint64_t& g : gap) {
        uint64_t start = lab.world.now_us();
        TcpFrame probe = peer.expect_within(10 * kSec, Seg());
        CHECK(probe.payload.size() <= 1);
        g = lab.world.now_us() - start;
        peer.send(ack(1461));
        peer.take_all();
    }
    for (int i = 0; i < 5; i++)
        CHECK(gap[i + 1] >= gap[i] * 99 / 100);
    CHECK(gap[5] >= gap[0] * 8);
    peer.window = 65535;
    peer.send(ack(1461));
    uint64_t start = lab.world.now_us();
    while (peer.rcv_nxt != 5001 && lab.world.now_us() < start + 100 * kMs) {
        peer.wait_any(10 * kMs);
        peer.take_all();
        peer.send(ack());
    }
    CHECK(peer.rcv_nxt == 5001);
}

TEST_CASE("window: probing goes on as long as the peer answers") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 0;
    Sock& sock = lab.accept_from(peer);
    sock.send(100);
    for (int i = 0; i < 20; i++) {
        REQUIRE(peer.wait_any(130 * kSec));
        peer.take_all();
        peer.rcv_nxt = 1;
        peer.send(ack(1));
    }
    CHECK(sock.established());
}

TEST_CASE("window: the window closes when the program does not read and reopens when it does") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    uint32_t pos = fill_window(lab, peer);
    CHECK(sock.readable() == pos - 1);
    CHECK(sock.recv() == pos - 1);
    TcpFrame update = peer.expect_within(kSec, ack(pos));
    CHECK(update.wnd >= 1460);
    peer.send(data(pos, 1000));
    peer.expect_within(kSec, ack(pos + 1000));
    CHECK(sock.recv() == 1000);
}

TEST_CASE("window: a probe into the engine's closed window is acknowledged") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    uint32_t pos = fill_window(lab, peer);
    peer.send(data(pos, 1));
    TcpFrame t = peer.expect_within(kSec, Seg());
    CHECK(t.ack - peer.iss <= pos + 1);
    CHECK(sock.established());
}

TEST_CASE("window: small reads do not open silly windows") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    uint32_t pos = fill_window(lab, peer);
    uint32_t read = 0;
    for (int i = 0; i < 10; i++) {
        read += static_cast<uint32_t>(sock.recv(50));
        lab.advance(10 * kMs);
        for (auto& t : peer.take_all()) {
            uint32_t right = t.ack - peer.iss + t.wnd;
            CHECK((right <= pos || right >= pos + 1000));
        }
    }
    CHECK(read == 500);
}

TEST_CASE("window: the right edge offered never moves back") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer);
    uint32_t pos = 1, edge = 0;
    for (int i = 0; i < 60; i++) {
        peer.send(data(pos, 1000));
        for (auto& t : peer.take_all()) {
            uint32_t right = t.ack - peer.iss + t.wnd;
            CHECK(right >= edge);
            edge = right;
        }
        if (edge < pos + 2000)
            break;
        pos += 1000;
    }
}

TEST_CASE("window: a silly window of the peer is not filled at once") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 4000;
    Sock& sock = lab.accept_from(peer);
    sock.send(4000);
    lab.settle();
    auto all = peer.take_all();
    lab.advance(kSec);
    peer.take_all();
    peer.window = 100;
    peer.send(ack(4001));
    sock.send(10000);
    peer.expect_nothing();  // 100 bytes are less than a segment and than half the largest window
    peer.expect_within(5 * kSec, Seg());
}

TEST_CASE("window: a peer that shrinks its window is survived") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 10000;
    Sock& sock = lab.accept_from(peer);
    sock.send(10000);
    lab.settle();
    peer.take_all();
    peer.window = 1000;
    peer.send(ack(1461));
    lab.advance(3 * kSec);
    peer.take_all();
    peer.window = 65535;
    peer.send(ack(1461));
    lab.advance(5 * kSec);
    peer.take_all();
    CHECK(peer.rcv_nxt == 10001);
    peer.send(ack(10001));
    lab.settle();
    CHECK(sock.unacked() == 0);
}
