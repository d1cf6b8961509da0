// SPDX-License-Identifier: MIT
// Scenarios: ends of connections (RFC 9293 3.6, 3.10.4; RFC 1122 4.2.2.13).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

TEST_CASE("close: the peer's FIN is acknowledged and read as end of stream") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 100).fin());
    peer.expect_within(kSec, ack(102));
    CHECK(sock.recv() == 100);
    CHECK(sock.eof());
    CHECK(sock.established());
}

TEST_CASE("close: after the peer's FIN the program can still send") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(fin_ack());
    peer.expect_within(kSec, ack(2));
    CHECK(sock.send(3000) == 3000);
    peer.take_all();
    peer.send(ack(3001));
    sock.close();
    peer.expect(fin_ack().seq(3001).ack(2));
    peer.send(ack(3002));
    lab.settle();
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("close: after the program's shutdown it can still receive") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.shutdown();
    peer.expect(fin_ack().seq(1));
    peer.send(ack(2));
    peer.send(data(1, 1000));
    peer.expect_within(kSec, ack(1001));
    CHECK(sock.recv() == 1000);
    CHECK(sock.send(10) == 0);
    CHECK(sock.send_error() == EPIPE);
    peer.send(fin_ack());
    peer.expect_within(kSec, ack(1002));
    CHECK(sock.recv() == 0);
    CHECK(sock.eof());
}

TEST_CASE("close: FIN follows the last byte that was sent") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 1460;
    Sock& sock = lab.accept_from(peer);
    sock.send(4000);
    sock.close();
    peer.expect(data(1, 1460));
    peer.send(ack(1461));
    peer.expect(data(1461, 1460));
    peer.send(ack(2921));
    peer.expect(with_flags(kA | kF).seq(2921).len(1080));
    peer.send(fin_ack().ack(4002));
    peer.expect(ack(2).seq(4002));
}

TEST_CASE("close: simultaneous close ends in TIME_WAIT on this side") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.close();
    peer.expect(fin_ack().seq(1).ack(1));
    peer.send(fin_ack().seq(1).ack(1));
    peer.expect(ack(2).seq(2));
    CHECK(lab.host.contexts_in_use() == 1);
    peer.send(ack(2));
    lab.settle();
    CHECK(lab.host.contexts_in_use() == 0);
    CHECK(lab.host.time_waits() == 1);
}

TEST_CASE("close: FIN without answer is sent again") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.close();
    peer.expect(fin_ack().seq(1));
    peer.expect_within(4 * kSec, fin_ack().seq(1));
    peer.expect_within(8 * kSec, fin_ack().seq(1));
    peer.send(ack(2));
    peer.expect_nothing_for(2 * kSec);
}

TEST_CASE("close: a lost FIN is recovered in LAST_ACK too") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(fin_ack());
    peer.expect_within(kSec, ack(2));
    sock.close();
    peer.expect(fin_ack().seq(1).ack(2));
    peer.expect_within(4 * kSec, fin_ack().seq(1).ack(2));
    peer.send(ack(2));
    lab.settle();
    CHECK(lab.host.contexts_in_use() == 0);
    CHECK(lab.host.time_waits() == 0);
}

TEST_CASE("close: a repeated FIN of the peer is acknowledged again") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer);
    peer.send(fin_ack().seq(1));
    peer.expect_within(kSec, ack(2));
    peer.send(fin_ack().seq(1));
    peer.expect_within(kSec, ack(2));
}

TEST_CASE("close: a FIN above a hole waits for the hole") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(with_flags(kA | kF).seq(501).len(500));
    peer.expect(ack(1));
    CHECK(sock.recv() == 0);
    CHECK_FALSE(sock.eof());
    peer.send(data(1, 500));
    lab.advance(kSec);
    CHECK(sock.recv() >= 500);
    // The FIN may have been dropped with the segment above the hole: then it comes again.
    peer.send(with_flags(kA | kF).seq(501).len(500));
    lab.advance(kSec);
    sock.recv();
    CHECK(sock.rx_pos == 1000);
    CHECK(sock.eof());
    CHECK(peer.take_all().back().ack - peer.iss == 1002);
}

TEST_CASE("close: close with unread data resets the connection") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 100));
    lab.advance(500 * kMs);
    peer.take_all();
    sock.close();
    lab.settle();
    auto all = peer.take_all();
    REQUIRE(all.size() == 1);
    CHECK((all[0].flags & kR));
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("close: data that comes after close is answered by RST") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.close();
    peer.expect(fin_ack().seq(1));
    peer.send(ack(2));
    peer.send(data(1, 100).ack(2));
    CHECK((peer.expect(Seg().seq(2)).flags & kR));
    lab.settle();
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("close: abort sends RST and frees the connection") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.abort();
    TcpFrame t = peer.expect(Seg());
    CHECK((t.flags & kR));
    CHECK(t.seq - peer.irs == 1);
    CHECK(lab.host.contexts_in_use() == 0);
    CHECK(lab.host.time_waits() == 0);
}

TEST_CASE("close: an orphan delivers what was sent, then goes") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 1000;
    Sock& sock = lab.accept_from(peer);
    sock.send(3000);
    sock.close();
    uint32_t got = 1;
    bool fin = false;
    for (int i = 0; i < 30 && !fin; i++) {
        peer.wait_any(10 * kSec);
        for (auto& t : peer.take_all())
            fin |= (t.flags & kF) != 0;
        got = peer.rcv_nxt;
        peer.send(ack());
    }
    CHECK(fin);
    CHECK(got == 3002);
    peer.send(fin_ack());
    peer.expect_within(kSec, ack(2));
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("close: an orphan whose peer is silent is given up") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(3000);
    sock.close();
    REQUIRE(lab.advance_until(3000 * kSec, [&] { return lab.host.contexts_in_use() == 0; }));
}

TEST_CASE("close: an orphan whose peer keeps its window closed is given up") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 0;
    Sock& sock = lab.accept_from(peer);
    sock.send(3000);
    sock.close();
    bool gone = false;
    for (int i = 0; i < 200 && !gone; i++) {
        peer.wait_any(100 * kSec);
        for (auto& t : peer.take_all())
            gone |= (t.flags & kR) != 0;
        peer.rcv_nxt = 1;
        if (!gone)
            peer.send(ack(1));
        gone |= lab.host.contexts_in_use() == 0;
    }
    CHECK(gone);
}

TEST_CASE("close: FIN_WAIT_2 of an orphan ends after a while") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.close();
    peer.expect(fin_ack().seq(1));
    peer.send(ack(2));
    lab.settle();
    CHECK(lab.host.contexts_in_use() == 1);
    REQUIRE(lab.advance_until(300 * kSec, [&] { return lab.host.contexts_in_use() == 0; }));
}

TEST_CASE("close: FIN_WAIT_2 of a program that still reads does not end") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.shutdown();
    peer.expect(fin_ack().seq(1));
    peer.send(ack(2));
    lab.advance(400 * kSec);
    peer.send(data(1, 100).ack(2));
    lab.advance(kSec);
    CHECK(sock.recv() == 100);
}

TEST_CASE("close: a program that is killed closes its connections") {
    Lab lab;
    Program& other = lab.host.start();
    Sock& listener = other.listen(81);
    lab.settle();
    Peer peer(lab, 40000, 81);
    peer.open_passive(plain());
    Sock* sock = listener.accept();
    sock->send(500);
    peer.expect(data(1, 500));
    uint32_t regions = lab.host.regions_in_use();
    other.die();
    lab.settle();
    TcpFrame t = peer.expect(Seg());
    CHECK((t.flags & (kF | kR)));
    if (t.flags & kF) {
        peer.send(fin_ack());
        lab.settle();
    }
    REQUIRE(
        lab.advance_until(300 * kSec, [&] { return lab.host.regions_in_use() == regions - 1; }));
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("close: a program killed with unread data resets its connections") {
    Lab lab;
    Program& other = lab.host.start();
    Sock& listener = other.listen(81);
    lab.settle();
    Peer peer(lab, 40000, 81);
    peer.open_passive(plain());
    listener.accept();
    peer.send(data(1, 100));
    lab.advance(500 * kMs);
    peer.take_all();
    other.die();
    lab.settle();
    CHECK((peer.expect(Seg()).flags & kR));
}
