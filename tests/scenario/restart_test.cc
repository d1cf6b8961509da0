// SPDX-License-Identifier: MIT
// Scenarios: the accelerator is killed and another one takes over from the pool (law 2).
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

void restart(Lab& lab, uint64_t down_us = 200 * kMs) {
    lab.host.kill_fw();
    lab.world.run_until(lab.world.now_us() + down_us);
    lab.host.start_fw();
    lab.settle();
}

// The new accelerator may acknowledge or repeat things of its own accord.
void restart(Lab& lab, Peer& peer) {
    restart(lab);
    for (auto& t : peer.take_all())
        CHECK_FALSE((t.flags & kR));
}

}  // namespace

TEST_CASE("restart: an idle connection goes on") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    restart(lab, peer);
    CHECK(lab.count(eta::fw::Counter::recovered) == 1);
    peer.send(data(1, 100));
    peer.expect_within(kSec, ack(101));
    CHECK(sock.recv() == 100);
    sock.send(100);
    peer.expect(data(1, 100).ack(101));
}

TEST_CASE("restart: bytes in flight are sent again") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.send(5000);
    lab.settle();
    peer.take_all();
    peer.rcv_nxt = 1;  // all of them lost
    restart(lab);
    uint32_t got = 1;
    for (int i = 0; i < 20 && got < 5001; i++) {
        peer.wait_any(10 * kSec);
        for (auto& t : peer.take_all())
            if (t.seq - peer.irs <= got)
                got = std::max(got, t.seq - peer.irs + static_cast<uint32_t>(t.payload.size()));
        peer.send(ack(got));
    }
    CHECK(got == 5001);
}

TEST_CASE("restart: bytes published while no accelerator runs are sent later") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    lab.host.kill_fw();
    CHECK(sock.send(1000) == 1000);
    lab.world.run_until(lab.world.now_us() + kSec);
    lab.host.start_fw();
    peer.expect_within(5 * kSec, data(1, 1000));
}

TEST_CASE("restart: data received and not yet read is still there") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 1000));
    lab.advance(500 * kMs);
    peer.take_all();
    restart(lab, peer);
    peer.send(data(1001, 500));
    peer.expect_within(kSec, ack(1501));
    CHECK(sock.recv() == 1500);
    lab.settle();
    CHECK(lab.host.rx_buffers_in_use() == 0);
}

TEST_CASE("restart: out-of-order data is kept or asked for again") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1001, 1000));
    peer.expect(ack(1));
    restart(lab, peer);
    peer.send(data(1, 1000));
    lab.advance(kSec);
    peer.send(data(1001, 1000));
    lab.advance(kSec);
    CHECK(sock.recv() == 2000);
    CHECK(peer.take_all().back().ack - peer.iss == 2001);
}

TEST_CASE("restart: listeners and their children go on") {
    Lab lab;
    Sock& listener = lab.listen();
    restart(lab);
    Peer peer(lab, 40000, 80);
    peer.open_passive(plain());
    CHECK(listener.accept()->established());
}

TEST_CASE("restart: a connection ready and not yet accepted is accepted afterwards") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer peer(lab, 40000, 80);
    peer.open_passive(plain());
    lab.settle();
    restart(lab, peer);
    Sock* sock = listener.accept();
    peer.send(data(1, 10));
    peer.expect_within(kSec, ack(11));
    CHECK(sock->recv() == 10);
}

TEST_CASE("restart: a handshake under way is finished") {
    Lab lab;
    Sock& listener = lab.listen();
    Peer in(lab, 40000, 80);
    in.send(syn().mss(1460));
    in.expect(syn_ack());
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    Peer out(lab, 9000, 0);
    out.engine_port = out.expect(syn()).sport;
    restart(lab, out);
    in.take_all();
    in.send(ack());
    CHECK(listener.accept()->established());
    out.send(syn_ack().mss(1460));
    out.expect(ack(1).seq(1));
    CHECK(sock.established());
}

TEST_CASE("restart: the closing sequence is finished") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.close();
    peer.expect(fin_ack());
    restart(lab, peer);
    peer.send(fin_ack().ack(2));
    peer.expect(ack(2).seq(2));
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("restart: TIME_WAIT is remembered") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    sock.close();
    peer.expect(fin_ack());
    peer.send(fin_ack().ack(2));
    peer.expect(ack(2));
    restart(lab, peer);
    CHECK(lab.host.time_waits() == 1);
    peer.send(fin_ack().seq(1).ack(2));
    peer.expect(ack(2).seq(2));
}

TEST_CASE("restart: a program killed while no accelerator runs leaves nothing behind") {
    Lab lab;
    Program& other = lab.host.start();
    Sock& listener = other.listen(81);
    lab.settle();
    Peer peer(lab, 40000, 81);
    peer.open_passive(plain());
    listener.accept();
    uint32_t regions = lab.host.regions_in_use();
    lab.host.kill_fw();
    other.die();
    lab.world.run_until(lab.world.now_us() + kSec);
    lab.host.start_fw();
    lab.settle();
    for (auto& t : peer.take_all())
        if (t.flags & kF)
            peer.send(fin_ack());
    CHECK(lab.advance_until(300 * kSec, [&] { return lab.host.regions_in_use() == regions - 1; }));
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("restart: a long transfer survives ten of them, local and over the wire") {
    Lab lab;
    Sock& listener = lab.listen(7000);
    Program& other = lab.host.start();
    Sock& client = other.connect(kHostAddr, 7000);
    lab.settle();
    Sock* server = listener.accept();
    server->rx_key = kOutKey;
    uint64_t sent = 0, got = 0;
    const uint64_t total = 2'000'000;
    for (int i = 0; i < 20000 && got < total; i++) {
        sent += client.send(std::min<uint64_t>(total - sent, 30000));
        lab.settle();
        got += server->recv();
        lab.advance(kMs);
        if (i % 13 == 12 && i < 130)
            restart(lab, 20 * kMs);
    }
    CHECK(got == total);
}

TEST_CASE("restart: a close while no accelerator runs is carried out afterwards") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    peer.send(data(1, 18));
    lab.host.kill_fw();
    CHECK(sock.recv() == 18);
    sock.close();
    lab.world.run_until(lab.world.now_us() + kSec);
    lab.host.start_fw();
    peer.expect(fin_ack().seq(1).ack(19));
    peer.send(fin_ack().ack(2));
    peer.expect(ack(20));
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("restart: data and a close while no accelerator runs are carried out afterwards") {
    Lab lab;
    Peer peer(lab, 9000, 0);
    Sock& sock = lab.connect_to(peer);
    sock.send(100);
    peer.expect(data(1, 100));
    lab.host.kill_fw();
    sock.send(200);
    sock.close();
    lab.world.run_until(lab.world.now_us() + kSec);
    lab.host.start_fw();
    peer.expect_within(5 * kSec, Seg());
    peer.send(ack(101));
    lab.advance(5 * kSec);
    peer.take_all();
    CHECK(peer.rcv_nxt == 302);
}

TEST_CASE("restart: an abort while no accelerator runs is carried out afterwards") {
    Lab lab;
    Peer peer(lab, 40000, 80);
    Sock& sock = lab.accept_from(peer);
    lab.host.kill_fw();
    sock.abort();
    lab.host.start_fw();
    CHECK((peer.expect(Seg()).flags & kR));
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("restart: a connect while no accelerator runs is carried out afterwards") {
    Lab lab;
    lab.host.kill_fw();
    Sock& sock = lab.app.connect(kPeerAddr, 9000);
    CHECK(sock.connecting());
    lab.world.run_until(lab.world.now_us() + kSec);
    lab.host.start_fw();
    Peer peer(lab, 9000, 0);
    peer.open_active(plain());
    CHECK(sock.established());
}

TEST_CASE("restart: a listen while no accelerator runs is carried out afterwards") {
    Lab lab;
    lab.host.kill_fw();
    Sock& listener = lab.app.listen(80);
    lab.host.start_fw();
    lab.settle();
    Peer peer(lab, 40000, 80);
    peer.open_passive(plain());
    CHECK(listener.accept()->established());
}

TEST_CASE("restart: a program that starts while no accelerator runs is served afterwards") {
    Lab lab;
    lab.host.kill_fw();
    Program& other = lab.host.start();
    Sock& listener = other.listen(80);
    lab.host.start_fw();
    lab.settle();
    Peer peer(lab, 40000, 80);
    peer.open_passive(plain());
    CHECK(listener.accept()->established());
}
