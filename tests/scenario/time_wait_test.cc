// SPDX-License-Identifier: MIT
// Scenarios: TIME_WAIT (RFC 9293 3.6.1, 3.10.7.4; RFC 6191).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

// The engine closes first; both FINs are acknowledged.
void into_time_wait(Lab& lab, Peer& peer, Sock& sock) {
    sock.close();
    peer.expect(fin_ack().seq(1).ack(1));
    peer.send(fin_ack().seq(1).ack(2));
    peer.expect(ack(2).seq(2));
    REQUIRE(lab.host.contexts_in_use() == 0);
    REQUIRE(lab.host.time_waits() == 1);
}

}  // namespace

TEST_CASE("time_wait: the side that closes first waits, without holding a DTI") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    into_time_wait(lab, peer, lab.accept_from(peer));
}

TEST_CASE("time_wait: the side that closes second does not wait") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(fin_ack());
    peer.expect_within(kSec, ack(2));
    sock.close();
    peer.expect(fin_ack());
    peer.send(ack(2));
    lab.settle();
    CHECK(lab.host.contexts_in_use() == 0);
    CHECK(lab.host.time_waits() == 0);
}

TEST_CASE("time_wait: a repeated FIN is acknowledged again") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    into_time_wait(lab, peer, lab.accept_from(peer));
    peer.send(fin_ack().seq(1).ack(2));
    peer.expect(ack(2).seq(2));
}

TEST_CASE("time_wait: ends after a bounded time") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    into_time_wait(lab, peer, lab.accept_from(peer));
    CHECK(lab.advance_until(250 * kSec, [&] { return lab.host.time_waits() == 0; }));
}

TEST_CASE("time_wait: a SYN with a newer sequence number opens a new connection") {
    Lab lab;
    Sock& listener = lab.listen();
    {
        Peer peer(lab, 40000, 80);
        peer.open_passive(plain());
        into_time_wait(lab, peer, *listener.accept());
    }
    Peer again(lab, 40000, 80);
    again.iss = 0xfffff000 + 100000;
    again.open_passive(plain());
    Sock* sock = listener.accept();
    CHECK(sock->established());
    again.send(data(1, 10));
    CHECK(sock->recv() == 10);
}

TEST_CASE("time_wait: a SYN with a newer timestamp opens a new connection") {
    Lab lab;
    Sock& listener = lab.listen();
    {
        Peer peer(lab, 40000, 80);
        peer.open_passive(usual());
        into_time_wait(lab, peer, *listener.accept());
    }
    Peer again(lab, 40000, 80);
    again.iss = 0xfffff000 - 100000;  // older sequence number, newer clock (RFC 6191)
    again.ts_base = 500000;
    Seg s = usual();
    s.flags_ = kS;
    again.send(s.ts_val(600000).ts_ecr(0));
    again.expect(syn_ack());
}

TEST_CASE("time_wait: an old SYN is answered by an ACK only") {
    Lab lab;
    Sock& listener = lab.listen();
    {
        Peer peer(lab, 40000, 80);
        peer.open_passive(plain());
        into_time_wait(lab, peer, *listener.accept());
    }
    Peer again(lab, 40000, 80);
    again.iss = 0xfffff000 - 100000;
    again.send(syn().mss(1460));
    for (auto& t : again.take_all())
        CHECK_FALSE((t.flags & kS));
    CHECK(lab.host.time_waits() == 1);
}

TEST_CASE("time_wait: RST does not shorten it (RFC 1337)") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    into_time_wait(lab, peer, lab.accept_from(peer));
    peer.send(rst().seq(2));
    lab.settle();
    CHECK(lab.host.time_waits() == 1);
}

TEST_CASE("time_wait: an active open does not take a port that still waits") {
    Lab lab;
    Peer peer(lab, 9000, 0);
    Sock& sock = lab.connect_to(peer);
    uint16_t used = peer.engine_port;
    into_time_wait(lab, peer, sock);
    for (int i = 0; i < 200; i++) {
        Peer next(lab, 9000, 0);
        next.irs = 0;
        Sock& s = lab.app.connect(kPeerAddr, 9000);
        auto all = next.take_all();
        REQUIRE(all.size() == 1);
        CHECK(all[0].sport != used);
        s.abort();
        lab.settle();
    }
}
