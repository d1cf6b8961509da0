// SPDX-License-Identifier: MIT
// Scenarios: loss (RFC 6298; RFC 5681 3.2; RFC 6582; Karn's algorithm).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

// Sends `n` full segments and takes them off the wire.
Sock& send_segments(Lab& lab, Peer& peer, uint32_t n, const Seg& options) {
    Sock& sock = lab.accept_from(peer, options);
    sock.send(uint64_t{n} * 1460);
    lab.settle();
    return sock;
}

uint64_t timed_expect(Lab& lab, Peer& peer, const Seg& s) {
    uint64_t start = lab.world.now_us();
    peer.expect_within(130 * kSec, s);
    return lab.world.now_us() - start;
}

}  // namespace

TEST_CASE("retransmit: data without answer is sent again, at doubling intervals") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(100);
    peer.expect(data(1, 100));
    uint64_t first = timed_expect(lab, peer, data(1, 100));
    CHECK(first >= 190 * kMs);
    CHECK(first <= 3100 * kMs);
    uint64_t before = first;
    for (int i = 0; i < 4; i++) {
        uint64_t gap = timed_expect(lab, peer, data(1, 100));
        CHECK(gap >= before * 18 / 10);
        CHECK(gap <= before * 22 / 10);
        before = gap;
    }
    peer.send(ack(101));
    lab.settle();
    CHECK(sock.unacked() == 0);
    peer.expect_nothing_for(10 * kSec);
}

TEST_CASE("retransmit: a peer that never answers ends in ETIMEDOUT") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(100);
    REQUIRE(lab.advance_until(3000 * kSec, [&] { return sock.closed(); }));
    CHECK(sock.err() == ETIMEDOUT);
    CHECK(peer.waiting() >= 4);
    CHECK(peer.waiting() <= 20);
}

TEST_CASE("retransmit: the timeout follows the round-trip time") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, usual());
    for (uint32_t i = 0; i < 20; i++) {
        sock.send(10);
        uint32_t sent_at = peer.expect(data(1 + 10 * i, 10)).ts->first;
        lab.advance(600 * kMs);
        peer.take_all();
        peer.send(ack(11 + 10 * i).ts_ecr(sent_at));
        lab.advance(10 * kMs);
        peer.take_all();
    }
    sock.send(10);
    peer.expect(data(201, 10));
    CHECK(timed_expect(lab, peer, data(201, 10)) >= 600 * kMs);
}

TEST_CASE("retransmit: an ACK of a retransmission gives no round-trip sample (Karn)") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(10);
    peer.expect(data(1, 10));
    timed_expect(lab, peer, data(1, 10));
    uint64_t backed_off = timed_expect(lab, peer, data(1, 10));
    peer.send(ack(11));  // at once after a retransmission: looks like a round trip of zero
    sock.send(10);
    peer.expect(data(11, 10));
    // Without a sample the backed-off timeout stays (RFC 6298 5.7), at least it does not collapse.
    uint64_t next = timed_expect(lab, peer, data(11, 10));
    CHECK(next * 3 >= backed_off);
}

TEST_CASE("retransmit: three duplicate ACKs resend the first segment at once") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    send_segments(lab, peer, 5, plain());
    CHECK(peer.take_all().size() == 5);
    peer.send(ack(1));
    peer.expect_nothing();
    peer.send(ack(1));
    peer.expect_nothing();
    peer.send(ack(1));
    peer.expect(data(1, 1460));
    peer.expect_nothing();
    peer.send(ack(5 * 1460 + 1));
    peer.expect_nothing_for(5 * kSec);
}

TEST_CASE("retransmit: ACKs that change the window are no duplicates") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    send_segments(lab, peer, 5, plain());
    peer.take_all();
    for (uint32_t i = 0; i < 6; i++)
        peer.send(ack(1).wnd(60000 + i));
    peer.expect_nothing();
}

TEST_CASE("retransmit: ACKs with data are no duplicates") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    send_segments(lab, peer, 5, plain());
    peer.take_all();
    for (uint32_t i = 0; i < 4; i++)
        peer.send(data(1 + 10 * i, 10).ack(1));
    for (auto& t : peer.take_all())
        CHECK(t.payload.empty());
}

TEST_CASE("retransmit: a partial ACK in recovery resends the next hole (NewReno)") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    send_segments(lab, peer, 8, plain());
    CHECK(peer.take_all().size() == 8);
    for (int i = 0; i < 3; i++)  // segments 1 and 4 are lost
        peer.send(ack(1));
    peer.expect(data(1, 1460));
    peer.send(ack(3 * 1460 + 1));
    peer.expect(data(3 * 1460 + 1, 1460));
    peer.send(ack(8 * 1460 + 1));
    peer.expect_nothing_for(5 * kSec);
}

TEST_CASE("retransmit: recovery halves the window, a timeout starts from one segment") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(100000);
    CHECK(peer.take_all().size() == 10);
    peer.expect_within(5 * kSec, data(1, 1460));
    peer.expect_nothing();
    peer.send(ack(14601));
    size_t n = 0;
    for (auto& t : peer.take_all())
        n += t.payload.size() == 1460;
    CHECK(n >= 1);
    CHECK(n <= 4);
}

TEST_CASE("retransmit: after a timeout all that is outstanding is sent again as ACKs come") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(6 * 1460);
    peer.take_all();
    uint32_t got = 1;
    for (int i = 0; i < 50 && got < 6 * 1460 + 1; i++) {
        for (auto& t : {peer.expect_within(10 * kSec, Seg())}) {
            uint32_t seq = t.seq - peer.irs;
            if (seq == got)
                got += static_cast<uint32_t>(t.payload.size());
        }
        for (auto& t : peer.take_all())
            if (t.seq - peer.irs == got)
                got += static_cast<uint32_t>(t.payload.size());
        peer.send(ack(got));
    }
    CHECK(got == 6 * 1460 + 1);
    lab.settle();
    CHECK(sock.unacked() == 0);
}

TEST_CASE("retransmit: the peer's SACK is no reason to lose bytes") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = send_segments(lab, peer, 6, Seg().mss(1460).sack_ok());
    peer.take_all();
    for (uint32_t i = 2; i <= 6; i++)
        peer.send(ack(1).sack(1461, i * 1460 + 1));
    peer.expect(data(1, 1460));
    peer.send(ack(6 * 1460 + 1));
    lab.settle();
    CHECK(sock.unacked() == 0);
    peer.expect_nothing_for(5 * kSec);
}

TEST_CASE("retransmit: bytes added to a sent segment follow it and do not change it") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.control(ETA_CTL_NODELAY);
    sock.send(10);
    peer.expect(data(1, 10));
    sock.send(10);
    peer.expect(data(11, 10));
    TcpFrame t = peer.expect_within(5 * kSec, with_flags(kA).seq(1));
    CHECK(t.payload.size() >= 10);
    peer.send(ack(21));
    peer.expect_nothing_for(5 * kSec);
    CHECK(sock.unacked() == 0);
}

TEST_CASE("retransmit: an old duplicate ACK moves nothing back") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(2000);
    peer.take_all();
    peer.send(ack(2001));
    lab.settle();
    CHECK(sock.unacked() == 0);
    peer.take_all();
    peer.send(ack(1));
    peer.send(ack(1461));
    peer.expect_nothing_for(5 * kSec);
    sock.send(10);
    peer.expect(data(2001, 10));
}
