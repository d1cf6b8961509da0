// SPDX-License-Identifier: MIT
// Scenarios: RST, and segments meant to confuse (RFC 9293 3.5.2, 3.10.7; RFC 5961).
#include <catch2/catch.hpp>

#include <cerrno>

#include "harness/lab.h"

using eta::fw::Counter;
using namespace eta::test;

TEST_CASE("reset: RST at exactly the next sequence number ends the connection") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(rst().seq(1));
    lab.settle();
    REQUIRE(sock.closed());
    CHECK(sock.err() == ECONNRESET);
    CHECK(sock.recv() == 0);
    CHECK(sock.recv_error() == ECONNRESET);
    peer.expect_nothing_for(5 * kSec);
}

TEST_CASE("reset: RST elsewhere in the window is challenged, not believed (RFC 5961 3.2)") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(rst().seq(100));
    peer.expect(ack(1).seq(1));
    CHECK(sock.established());
}

TEST_CASE("reset: RST outside the window is ignored") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(rst().seq(50'000'000));
    peer.expect_nothing();
    CHECK(sock.established());
}

TEST_CASE("reset: SYN in ESTABLISHED is answered by a challenge ACK (RFC 5961 4.2)") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(syn().seq(100));
    peer.expect(ack(1).seq(1));
    CHECK(sock.established());
}

TEST_CASE("reset: challenge ACKs are limited in number (RFC 5961 7)") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer);
    for (int i = 0; i < 2000; i++) {
        peer.send(rst().seq(100));
        lab.settle();
    }
    CHECK(peer.take_all().size() < 1500);
}

TEST_CASE("reset: an ACK of data never sent is answered and ignored (RFC 5961 5.2)") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(10);
    peer.expect(data(1, 10));
    peer.send(ack(5000));
    peer.expect(ack(1));
    CHECK(sock.established());
    CHECK(sock.unacked() == 10);
}

TEST_CASE("reset: an ACK far in the past is challenged or ignored") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 10).ack(0x80000000));
    lab.settle();
    CHECK(sock.established());
    CHECK(sock.readable() == 0);
}

TEST_CASE("reset: RST in SYN_RCVD, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, LAST_ACK and CLOSING") {
    enum State { kSynRcvd, kFinWait1, kFinWait2, kCloseWait, kLastAck, kClosing };
    for (State state : {kSynRcvd, kFinWait1, kFinWait2, kCloseWait, kLastAck, kClosing}) {
        Lab lab;
        Peer peer(lab, 40000, 80);
        INFO("state " << state);
        uint32_t seq = 1;
        if (state == kSynRcvd) {
            lab.listen();
            peer.send(syn().mss(1460));
            peer.expect(syn_ack());
        } else {
            Sock& sock = lab.accept_from(peer);
            if (state == kCloseWait || state == kLastAck) {
                peer.send(fin_ack());
                peer.expect_within(kSec, ack(2));
                seq = 2;
            }
            if (state == kLastAck)
                sock.close();
            else if (state != kCloseWait)
                sock.shutdown();
            lab.settle();
            peer.take_all();
            if (state == kFinWait2)
                peer.send(ack(2));
            if (state == kClosing) {
                peer.send(fin_ack().ack(1));
                peer.expect(ack(2));
                seq = 2;
            }
        }
        CHECK(lab.host.contexts_in_use() == 1);
        peer.send(rst().seq(seq));
        lab.settle();
        CHECK(lab.host.contexts_in_use() == 0);
        CHECK(lab.host.time_waits() == 0);
        peer.expect_nothing_for(kSec);
    }
}

TEST_CASE("reset: in-window RST that is not exact is challenged in CLOSE_WAIT and FIN_WAIT_2 too") {
    for (bool close_wait : {true, false}) {
        Lab lab;
        Peer peer(lab, 40000, 80);
        Sock& sock = lab.accept_from(peer);
        if (close_wait) {
            peer.send(fin_ack());
            peer.expect_within(kSec, ack(2));
        } else {
            sock.shutdown();
            peer.expect(fin_ack());
            peer.send(ack(2));
        }
        peer.send(rst().seq(500));
        peer.expect(with_flags(kA).len(0));
        CHECK(lab.host.contexts_in_use() == 1);
    }
}

TEST_CASE("reset: a stray segment to the port of a listener is answered by RST") {
    Lab lab;
    lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(ack(1234).seq(5));
    peer.expect(rst().seq(1234));
    CHECK(lab.host.take_raw_rx().empty());
}

TEST_CASE("reset: a stray RST to the port of a listener is dropped") {
    Lab lab;
    lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(rst().seq(5));
    peer.expect_nothing_for(kSec);
}

TEST_CASE("reset: bytes received before the RST can still be read or are gone, never wrong") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 1000));
    peer.send(rst().seq(1001));
    lab.settle();
    CHECK(sock.recv() <= 1000);
    CHECK(sock.closed());
}

TEST_CASE("reset: sending on a reset connection fails with its error once, then EPIPE") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(rst().seq(1));
    lab.settle();
    CHECK(sock.send(10) == 0);
    CHECK(sock.send_error() == ECONNRESET);
    CHECK(sock.send(10) == 0);
    CHECK(sock.send_error() == EPIPE);
}

TEST_CASE("reset: a segment without ACK in ESTABLISHED is dropped") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(with_flags(kP).seq(1).len(100));
    lab.settle();
    CHECK(sock.recv() == 0);
    CHECK(sock.established());
}

TEST_CASE("reset: all flags and no flags at once hurt nobody") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    for (unsigned flags = 0; flags < 64; flags++) {
        if (flags & kR)
            continue;
        peer.send(with_flags(static_cast<uint8_t>(flags)).seq(70'000'000).ack(60'000'000).len(10));
        lab.settle();
    }
    CHECK(sock.established());
    CHECK(sock.recv() == 0);
}

TEST_CASE("reset: what was on its way when the peer reset does not disturb the OS stack") {
    Lab lab;
    Peer peer(lab, 9000, 0);
    Sock& sock = lab.connect_to(peer);
    uint64_t os = lab.count(Counter::raw_to_os);
    peer.send(rst().seq(1));
    lab.settle();
    CHECK(sock.err() == ECONNRESET);
    peer.send(rst().seq(1));
    peer.expect_nothing_for(kMs);
    peer.send(data(1, 100).ack(1));
    CHECK((peer.expect(Seg()).flags & kR));
    CHECK(lab.count(Counter::raw_to_os) == os);
}

TEST_CASE("reset: a client may come back at once from the port it has reset") {
    Lab lab;
    {
        Peer peer(lab, 40000, 80);
        lab.accept_from(peer);
        peer.send(rst().seq(1));
        lab.settle();
    }
    Peer again(lab, 40000, 80);
    lab.accept_from(again);
    CHECK(lab.host.contexts_in_use() == 1);
}
