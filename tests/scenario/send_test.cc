// SPDX-License-Identifier: MIT
// Scenarios: when data is sent (RFC 1122 4.2.3.4 Nagle; RFC 6928 initial window; RFC 5681).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

uint32_t bytes_of(const std::vector<TcpFrame>& all) {
    size_t total = 0;
    for (auto& t : all)
        total += t.payload.size();
    return static_cast<uint32_t>(total);
}

}  // namespace

TEST_CASE("send: a small write goes out at once on an idle connection") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    CHECK(sock.send(10) == 10);
    TcpFrame t = peer.expect(data(1, 10).ack(1));
    CHECK(t.flags & kP);
}

TEST_CASE("send: Nagle holds a second small write until the first is acknowledged") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(10);
    peer.expect(data(1, 10));
    sock.send(20);
    sock.send(30);
    peer.expect_nothing();
    peer.send(ack(11));
    peer.expect(data(11, 50));
}

TEST_CASE("send: Nagle does not hold a full segment") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(10);
    peer.expect(data(1, 10));
    sock.send(1500);
    peer.expect(data(11, 1460));
    peer.expect_nothing();
    peer.send(ack(11));  // only small segments hold small ones back (Minshall)
    peer.expect(data(1471, 40));
}

TEST_CASE("send: NODELAY sends each small write at once") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.control(ETA_CTL_NODELAY);
    for (uint32_t i = 0; i < 5; i++) {
        sock.send(10);
        peer.expect(data(1 + 10 * i, 10));
    }
}

TEST_CASE("send: setting NODELAY lets go of what Nagle holds") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(10);
    peer.expect(data(1, 10));
    sock.send(20);
    peer.expect_nothing();
    sock.control(ETA_CTL_NODELAY);
    peer.expect(data(11, 20));
}

TEST_CASE("send: CORK holds back partial segments until it is taken off") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.control(ETA_CTL_CORK);
    sock.send(100);
    peer.expect_nothing();
    sock.send(1460);
    peer.expect(data(1, 1460));
    peer.expect_nothing();
    sock.control(0, ETA_CTL_CORK);
    peer.expect(data(1461, 100));
}

TEST_CASE("send: Nagle does not hold the last bytes before a FIN") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(10);
    peer.expect(data(1, 10));
    sock.send(20);
    sock.shutdown();
    peer.expect(with_flags(kA | kF).seq(11).len(20));
}

TEST_CASE("send: the initial window is ten segments") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(100000);
    CHECK(bytes_of(peer.take_all()) == 14600);
}

TEST_CASE("send: slow start grows the window by what is acknowledged") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, Seg().mss(1460).wscale(7));
    sock.send(200000);
    CHECK(bytes_of(peer.take_all()) == 14600);
    for (uint32_t i = 1; i <= 10; i++) {  // an ACK for each segment: two more leave for each
        peer.send(ack(1 + i * 1460));
        CHECK(bytes_of(peer.take_all()) == 2920);
    }
}

TEST_CASE("send: large writes become large segments when the port can segment") {
    LabOptions options;
    options.tso_max = 65536;
    options.csum_offload = true;
    Lab lab(options);
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(100000);
    auto all = peer.take_all();
    CHECK(bytes_of(all) == 14600);
    for (auto& t : all)
        CHECK(t.payload.size() <= 1460);
}

TEST_CASE("send: checksums are right with and without checksum offload") {
    for (bool offload : {false, true}) {
        LabOptions options;
        options.csum_offload = offload;
        Lab lab(options);
        Peer peer(lab, 40000, 80);
        Sock& sock = lab.accept_from(peer, usual());
        for (uint32_t i = 1, pos = 1; i < 100; pos += i, i++) {  // odd and even lengths
            sock.send(i);
            peer.expect(data(pos, i));
            peer.send(ack());
        }
        CHECK(lab.others.empty());
    }
}

TEST_CASE("send: a full port delays frames and loses none") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    lab.host.port().set_tx_room(2);
    sock.send(14600);
    CHECK(bytes_of(peer.take_all()) == 14600);
    CHECK(peer.rcv_nxt == 14601);
}

TEST_CASE("send: bytes of many small writes share segments") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(1);
    peer.expect(data(1, 1));
    for (int i = 0; i < 100; i++)
        CHECK(sock.send(100) == 100);
    lab.settle();
    peer.send(ack(2));
    lab.settle();
    auto all = peer.take_all();
    CHECK(bytes_of(all) >= 9900 / 1460 * 1460);
    CHECK(all.size() <= 7);
}

TEST_CASE("send: sending more than is allowed to be unacknowledged pushes back") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 0;
    Sock& sock = lab.accept_from(peer);
    uint32_t taken = sock.send(64u << 20);
    CHECK(taken < (64u << 20));
    CHECK(taken >= 65536);
    CHECK(sock.send_error() == EAGAIN);
    CHECK(sock.established());
}

TEST_CASE("send: room is announced to a program that waits for it") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, Seg().mss(1460).wscale(7));
    sock.send(64u << 20);
    CHECK(sock.send_error() == EAGAIN);
    lab.app.region().want_tx(sock.dti());
    bool told = false;
    lab.app.on_event = [&](Sock& s) { told |= &s == &sock; };
    for (int i = 0; i < 2000 && !told; i++) {
        peer.take_all();
        peer.send(ack());
        lab.advance(kMs);
    }
    CHECK(told);
    CHECK(sock.send(1000) > 0);
}
