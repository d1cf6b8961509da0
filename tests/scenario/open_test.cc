// SPDX-License-Identifier: MIT
// Scenarios: opening a connection (RFC 9293 3.5, 3.10.1, 3.10.7.2 to 3.10.7.4; RFC 6298 5).
#include <catch2/catch.hpp>

#include <cerrno>

#include "harness/lab.h"

using namespace eta::test;

TEST_CASE("open: passive open completes the handshake and tells the program") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().mss(1460));
    peer.expect(syn_ack().seq(0).ack(1));
    REQUIRE(listener.try_accept() == nullptr);
    peer.send(ack());
    peer.expect_nothing();
    Sock* sock = listener.try_accept();
    REQUIRE(sock);
    CHECK(sock->established());
    CHECK(sock->remote_port() == 40000);
    CHECK(sock->local_port() == 80);
    CHECK(sock->remote_addr() == kPeerAddr);
    CHECK(sock->local_addr() == kHostAddr);
}

TEST_CASE("open: data in the segment that ends the handshake is delivered") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().mss(1460));
    peer.expect(syn_ack());
    peer.send(data(1, 100));
    Sock* sock = listener.accept();
    CHECK(sock->recv() == 100);
}

TEST_CASE("open: active open sends a SYN and ends with an ACK") {
    Lab lab;
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    TcpFrame s = peer.expect(syn().seq(0).len(0));
    CHECK(s.mss == 1460);
    CHECK(s.sport >= 10000);
    CHECK(s.sport <= 32767);
    CHECK(s.saddr == kHostAddr);
    CHECK(sock.connecting());
    peer.engine_port = s.sport;
    peer.send(syn_ack().mss(1460));
    peer.expect(ack(1).seq(1));
    CHECK(sock.established());
    CHECK(sock.err() == 0);
}

TEST_CASE("open: simultaneous open ends established on both sides") {
    Lab lab;
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    peer.engine_port = peer.expect(syn()).sport;
    peer.send(syn().mss(1460));
    peer.expect(syn_ack().seq(0).ack(1));
    peer.send(syn_ack().seq(0).ack(1).mss(1460));
    lab.settle();
    peer.take_all();
    CHECK(sock.established());
    peer.send(data(1, 50).ack(1));
    CHECK(sock.recv() == 50);
}

TEST_CASE("open: simultaneous open completes with a plain ACK too") {
    Lab lab;
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    peer.engine_port = peer.expect(syn()).sport;
    peer.send(syn().mss(1460));
    peer.expect(syn_ack().seq(0).ack(1));
    peer.send(ack(1));
    lab.settle();
    CHECK(sock.established());
}

TEST_CASE("open: a SYN without answer is sent again, then the program gets ETIMEDOUT") {
    Lab lab;
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    peer.expect(syn().seq(0));
    uint64_t start = lab.world.now_us();
    peer.expect_within(1500 * kMs, syn().seq(0));
    uint64_t first = lab.world.now_us() - start;
    CHECK(first >= 900 * kMs);
    start = lab.world.now_us();
    peer.expect_within(3 * kSec, syn().seq(0));
    uint64_t second = lab.world.now_us() - start;
    CHECK(second >= first * 19 / 10);
    CHECK(second <= first * 21 / 10);
    REQUIRE(lab.advance_until(300 * kSec, [&] { return sock.closed(); }));
    CHECK(sock.err() == ETIMEDOUT);
    CHECK(peer.waiting() >= 2);
    CHECK(peer.waiting() <= 10);
}

TEST_CASE("open: a SYN-ACK without answer is sent again and given up") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().mss(1460));
    peer.expect(syn_ack().seq(0).ack(1));
    uint64_t start = lab.world.now_us();
    peer.expect_within(1500 * kMs, syn_ack().seq(0).ack(1));
    CHECK(lab.world.now_us() - start >= 900 * kMs);
    uint32_t with_conn = lab.host.contexts_in_use();
    REQUIRE(lab.advance_until(300 * kSec, [&] { return lab.host.contexts_in_use() < with_conn; }));
    CHECK(listener.try_accept() == nullptr);
}

TEST_CASE("open: a repeated SYN is answered by the same SYN-ACK") {
    Lab lab;
    lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().seq(0).mss(1460));
    peer.expect(syn_ack().seq(0).ack(1));
    peer.send(syn().seq(0).mss(1460));
    peer.expect_within(1500 * kMs, with_flags(kS | kA).seq(0).ack(1));
}

TEST_CASE("open: RST answers a SYN and the program gets ECONNREFUSED") {
    Lab lab;
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    peer.engine_port = peer.expect(syn()).sport;
    peer.send(rst_ack().seq(0).ack(1));
    lab.settle();
    REQUIRE(sock.closed());
    CHECK(sock.err() == ECONNREFUSED);
    peer.expect_nothing_for(5 * kSec);
}

TEST_CASE("open: a RST that does not acknowledge the SYN is ignored") {
    Lab lab;
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    peer.engine_port = peer.expect(syn()).sport;
    peer.send(rst_ack().seq(0).ack(77));
    peer.send(rst().seq(0));
    lab.settle();
    CHECK(sock.connecting());
}

TEST_CASE("open: a SYN-ACK for something never sent is answered by RST") {
    Lab lab;
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    peer.engine_port = peer.expect(syn()).sport;
    peer.send(syn_ack().seq(0).ack(1000).mss(1460));
    peer.expect(rst().seq(1000));
    CHECK(sock.connecting());
}

TEST_CASE("open: an ACK that is wrong for SYN_RCVD is answered by RST") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().mss(1460));
    peer.expect(syn_ack());
    peer.send(ack(1000));
    peer.expect(rst().seq(1000));
    CHECK(listener.try_accept() == nullptr);
    peer.send(ack(1));
    CHECK(listener.accept()->established());
}

TEST_CASE("open: RST in SYN_RCVD gives the child back and says nothing to the program") {
    Lab lab;
    Sock& listener = lab.listen(80, 8, 1);
    for (uint16_t port = 40000; port < 40003; port++) {
        Peer peer(lab, port, 80);
        peer.send(syn().mss(1460));
        peer.expect(syn_ack());
        peer.send(rst());
        lab.settle();
        CHECK(listener.try_accept() == nullptr);
    }
    Peer peer(lab, 40010, 80);
    peer.open_passive(plain());
    CHECK(listener.accept()->established());
}

TEST_CASE("open: the neighbour is asked for when its MAC is not known") {
    LabOptions options;
    options.know_peer = false;
    Lab lab(options);
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer peer(lab, 9000, 0);
    peer.expect_nothing();
    CHECK(lab.host.neigh_wanted() == kPeerAddr);
    lab.host.set_neighbour(kPeerAddr, kPeerMac);
    peer.engine_port = peer.expect_within(4 * kSec, syn().seq(0)).sport;
    peer.send(syn_ack().mss(1460));
    peer.expect(ack(1));
    CHECK(sock.established());
}

TEST_CASE("open: no route through the port sends the program to the OS stack") {
    Lab lab;
    Sock& sock = lab.app.connect(0xc0000201, 9000);  // 192.0.2.1
    lab.settle();
    REQUIRE(sock.closed());
    CHECK(sock.err() == ETA_ERR_USE_OS);
}
