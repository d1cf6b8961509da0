// SPDX-License-Identifier: MIT
// Scenarios: TCP options (RFC 9293 3.7.1; RFC 7323; RFC 2018).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

// Size of the first data segment after an open with these options.
uint32_t first_segment(const Seg& options) {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, options);
    sock.send(4000);
    return static_cast<uint32_t>(peer.expect(with_flags(kA).seq(1)).payload.size());
}

}  // namespace

TEST_CASE("options: the peer's MSS of 536 is respected") {
    CHECK(first_segment(Seg().mss(536)) == 536);
}

TEST_CASE("options: the peer's MSS of 1460 is respected") {
    CHECK(first_segment(Seg().mss(1460)) == 1460);
}

TEST_CASE("options: without MSS in the SYN segments carry 536 bytes at most") {
    CHECK(first_segment(Seg()) == 536);
}

TEST_CASE("options: timestamps take their room from the MSS") {
    CHECK(first_segment(Seg().mss(1460).ts()) == 1448);
}

TEST_CASE("options: an MSS of zero does not stop the connection") {
    uint32_t n = first_segment(Seg().mss(0));
    CHECK(n > 0);
    CHECK(n <= 536);
}

TEST_CASE("options: an MSS larger than the port's MTU allows is not believed") {
    CHECK(first_segment(Seg().mss(9000)) == 1460);
}

TEST_CASE("options: window scale offered by the peer is answered and used") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().mss(1460).wscale(4).wnd(1000));
    TcpFrame got = peer.expect(syn_ack());
    REQUIRE(got.wscale);
    CHECK(*got.wscale <= 14);
    peer.window = 100;  // 1600 bytes
    peer.send(ack());
    Sock* sock = listener.accept();
    sock->send(4000);
    uint32_t total = 0;
    for (auto& t : peer.take_all())
        total += static_cast<uint32_t>(t.payload.size());
    CHECK(total <= 1600);
    CHECK(total >= 1460);
}

TEST_CASE("options: without window scale in the SYN none is sent and none is applied") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().mss(1460));
    TcpFrame got = peer.expect(syn_ack());
    CHECK_FALSE(got.wscale);
    peer.window = 1600;
    peer.send(ack());
    listener.accept()->send(4000);
    uint32_t total = 0;
    for (auto& t : peer.take_all())
        total += static_cast<uint32_t>(t.payload.size());
    CHECK(total >= 1460);
    CHECK(total <= 1600);
}

TEST_CASE("options: the window in a SYN is never scaled") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.window = 500;
    peer.send(syn().mss(1460).wscale(7));
    CHECK(peer.expect(syn_ack()).wnd > 5000);
    (void)listener;
}

TEST_CASE("options: a window scale above 14 is taken as 14") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.window = 1;
    Sock& sock = lab.accept_from(peer, Seg().mss(1460).wscale(15));
    sock.send(15000);
    uint32_t total = 0;
    for (auto& t : peer.take_all())
        total += static_cast<uint32_t>(t.payload.size());
    CHECK(total > 10000);
}

TEST_CASE("options: timestamps are agreed and echoed") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.send(syn().mss(1460).ts_val(7000).ts_ecr(0));
    peer.expect(syn_ack().ts().ts_ecr(7000));
    peer.ts_on = true;
    peer.send(ack().ts_val(7010));
    listener.accept();
    peer.send(data(1, 10).ts_val(7020));
    peer.expect_within(kSec, ack(11).ts_ecr(7020));
}

TEST_CASE("options: timestamps not offered are not sent") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, Seg().mss(1460));
    sock.send(10);
    peer.expect(data(1, 10).ts(false));
}

TEST_CASE("options: PAWS drops a segment with an old timestamp and acknowledges") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    peer.ts_base = 100000;
    Sock& sock = lab.accept_from(peer, usual());
    peer.send(data(1, 100));
    peer.expect_within(kSec, ack(101));
    CHECK(sock.recv() == 100);
    peer.send(data(101, 100).ts_val(50));
    peer.expect(ack(101));
    CHECK(sock.recv() == 0);
    peer.send(data(101, 100));
    peer.expect_within(kSec, ack(201));
    CHECK(sock.recv() == 100);
}

TEST_CASE("options: a segment without timestamp is dropped once timestamps are agreed") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, usual());
    peer.send(data(1, 100).ts(false));
    lab.advance(100 * kMs);
    CHECK(sock.recv() == 0);
}

TEST_CASE("options: RST is honoured without a timestamp") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, usual());
    peer.send(rst().seq(1).ts(false));
    lab.settle();
    CHECK(sock.closed());
}

TEST_CASE("options: SACK blocks tell of data above a hole, the newest first") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, Seg().mss(1460).sack_ok());
    peer.send(data(1001, 1000));
    peer.expect(ack(1).sack(1001, 2001));
    peer.send(data(4001, 1000));
    peer.expect(ack(1).sack(4001, 5001).sack(1001, 2001));
    peer.send(data(2001, 500));
    peer.expect(ack(1).sack(1001, 2501).sack(4001, 5001));
    peer.send(data(1, 1000));
    peer.expect(ack(2501).sack(4001, 5001));
    CHECK(sock.recv() == 2500);
}

TEST_CASE("options: no SACK blocks for a peer that did not permit them") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    lab.accept_from(peer, Seg().mss(1460));
    peer.send(data(1001, 1000));
    CHECK(peer.expect(ack(1)).sack.empty());
}

TEST_CASE("options: malformed options are counted and the segment is dropped") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer, Seg().mss(1460));
    Bytes f = peer.frame_of(data(1, 100).ts());
    f[14 + 20 + 20 + 1] = 40;  // length of the timestamp option beyond the header
    fix_checksums(f);
    uint64_t before = lab.count(eta::fw::Counter::rx_bad_options);
    lab.inject(f);
    lab.settle();
    CHECK(lab.count(eta::fw::Counter::rx_bad_options) == before + 1);
    CHECK(sock.recv() == 0);
}
