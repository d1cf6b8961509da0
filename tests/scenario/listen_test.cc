// SPDX-License-Identifier: MIT
// Scenarios: master and child DTIs (E14), replicas of a listener, and what goes to the OS stack
// instead (E10).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

// Sends a SYN and tells who took it.
enum class Taker { kEngine, kOs, kNobody };
Taker syn_from(Lab& lab, uint16_t port, uint16_t to) {
    Peer peer(lab, port, to);
    lab.host.take_raw_rx();
    peer.send(syn().mss(1460));
    lab.settle();
    if (lab.host.take_raw_rx().size() == 1)
        return Taker::kOs;
    auto all = peer.take_all();
    return all.size() == 1 && all[0].flags == (kS | kA) ? Taker::kEngine : Taker::kNobody;
}

}  // namespace

TEST_CASE("listen: a SYN to a port without listener goes to the OS stack, unchanged") {
    Lab lab;
    Peer peer(lab, 40000, 81);
    Bytes f = peer.frame_of(syn().mss(1460));
    lab.inject(f);
    lab.settle();
    auto os = lab.host.take_raw_rx();
    REQUIRE(os.size() == 1);
    CHECK(os[0] == f);
    peer.expect_nothing();
}

TEST_CASE("listen: a full backlog sends SYNs to the OS stack until the program accepts") {
    Lab lab;
    Sock& listener = lab.listen(80, 2, 16);
    Peer a(lab, 40000, 80), b(lab, 40001, 80);
    a.open_passive(plain());
    b.open_passive(plain());
    lab.settle();
    CHECK(syn_from(lab, 40002, 80) == Taker::kOs);
    CHECK(listener.accept());
    CHECK(listener.accept());
    CHECK(syn_from(lab, 40003, 80) == Taker::kEngine);
}

TEST_CASE("listen: without a child DTI SYNs go to the OS stack") {
    Lab lab;
    lab.listen(80, 64, 1);
    Peer a(lab, 40000, 80);
    a.send(syn().mss(1460));
    a.expect(syn_ack());
    // The program has not run yet, so no further child is posted.
    CHECK(syn_from(lab, 40001, 80) == Taker::kOs);
}

TEST_CASE("listen: later segments of a connection the OS stack took go there as well") {
    Lab lab;
    lab.listen(80, 64, 1);
    Peer a(lab, 40000, 80), b(lab, 40001, 80);
    a.send(syn().mss(1460));
    a.expect(syn_ack());
    b.send(syn().mss(1460));
    lab.settle();
    REQUIRE(lab.host.take_raw_rx().size() == 1);
    b.irs = 777;
    b.send(ack(1));
    b.send(data(1, 100).ack(1));
    lab.settle();
    CHECK(lab.host.take_raw_rx().size() == 2);
    b.expect_nothing();
}

TEST_CASE("listen: connections wait in the order in which their handshakes ended") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer a(lab, 40000, 80), b(lab, 40001, 80);
    a.send(syn().mss(1460));
    a.expect(syn_ack());
    b.open_passive(plain());
    a.send(ack());
    CHECK(listener.accept()->remote_port() == 40001);
    CHECK(listener.accept()->remote_port() == 40000);
}

TEST_CASE("listen: replicas of a listener take turns") {
    Lab lab;
    Program& second = lab.host.start();
    Sock& one = lab.listen();
    Sock& two = second.listen(80);
    lab.settle();
    for (uint16_t port = 40000; port < 40008; port++) {
        Peer peer(lab, port, 80);
        peer.open_passive(plain());
    }
    int first = 0, other = 0;
    while (one.try_accept())
        first++;
    while (two.try_accept())
        other++;
    CHECK(first == 4);
    CHECK(other == 4);
}

TEST_CASE("listen: a paused replica takes no connection") {
    Lab lab;
    Program& second = lab.host.start();
    Sock& one = lab.listen();
    Sock& two = second.listen(80);
    one.control(ETA_CTL_PAUSED);
    lab.settle();
    for (uint16_t port = 40000; port < 40004; port++) {
        Peer peer(lab, port, 80);
        peer.open_passive(plain());
    }
    CHECK(one.try_accept() == nullptr);
    int other = 0;
    while (two.try_accept())
        other++;
    CHECK(other == 4);
}

TEST_CASE("listen: with all replicas paused SYNs go to the OS stack") {
    Lab lab;
    Sock& one = lab.listen();
    one.control(ETA_CTL_PAUSED);
    lab.settle();
    CHECK(syn_from(lab, 40000, 80) == Taker::kOs);
    one.control(0, ETA_CTL_PAUSED);
    lab.settle();
    CHECK(syn_from(lab, 40001, 80) == Taker::kEngine);
}

TEST_CASE("listen: a listener on an address takes precedence over one on any address") {
    Lab lab;
    Program& second = lab.host.start();
    Sock& any = lab.listen();
    Sock& exact = second.listen(80, 64, 8, kHostAddr);
    lab.settle();
    for (uint16_t port = 40000; port < 40003; port++) {
        Peer peer(lab, port, 80);
        peer.open_passive(plain());
    }
    CHECK(any.try_accept() == nullptr);
    CHECK(exact.accept());
}

TEST_CASE("listen: a child DTI is used again after its connection ended") {
    Lab lab;
    Sock& listener = lab.listen(80, 8, 2);
    for (uint16_t i = 0; i < 200; i++) {
        Peer peer(lab, static_cast<uint16_t>(40000 + i), 80);
        peer.open_passive(plain());
        Sock* sock = listener.accept();
        peer.send(data(1, 64));
        CHECK(sock->recv() == 64);
        sock->send(64);
        peer.expect(data(1, 64).ack(65));
        peer.send(fin_ack().ack(65));
        lab.settle();
        sock->close();
        peer.take_all();
        peer.send(ack(66));
        lab.settle();
        REQUIRE(lab.host.contexts_in_use() == 0);
    }
    CHECK(lab.app.region().n_dti() <= 64);
    CHECK(lab.host.rx_buffers_in_use() == 0);
}

TEST_CASE("listen: after unlisten SYNs go to the OS stack") {
    Lab lab;
    Sock& listener = lab.listen();
    CHECK(syn_from(lab, 40000, 80) == Taker::kEngine);
    listener.unlisten();
    lab.settle();
    CHECK(syn_from(lab, 40001, 80) == Taker::kOs);
}

TEST_CASE("listen: a connection accepted before unlisten goes on") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.open_passive(plain());
    Sock* sock = listener.accept();
    listener.unlisten();
    lab.settle();
    peer.send(data(1, 100));
    CHECK(sock->recv() == 100);
}

TEST_CASE("listen: connections nobody accepted are reset when the listener goes") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.open_passive(plain());
    lab.settle();
    listener.unlisten();
    lab.advance(100 * kMs);
    lab.settle();
    auto all = peer.take_all();
    REQUIRE_FALSE(all.empty());
    CHECK((all.back().flags & (kR | kF)));
}

TEST_CASE("listen: the same port can be listened on again") {
    Lab lab;
    for (int i = 0; i < 100; i++) {
        Sock& listener = lab.listen();
        CHECK(syn_from(lab, static_cast<uint16_t>(40000 + i), 80) == Taker::kEngine);
        listener.unlisten();
        lab.advance(10 * kMs);
    }
}

TEST_CASE("listen: a SYN flood cannot exhaust children for ever") {
    Lab lab;
    Sock& listener = lab.listen(80, 64, 4);
    for (uint16_t i = 0; i < 64; i++)
        syn_from(lab, static_cast<uint16_t>(41000 + i), 80);
    lab.advance(300 * kSec);
    Peer peer(lab, 40000, 80);
    peer.open_passive(plain());
    CHECK(listener.accept()->established());
}
