// SPDX-License-Identifier: MIT
// Scenarios: programs of the same accelerator talk without a wire.
#include <catch2/catch.hpp>

#include "harness/lab.h"

using namespace eta::test;

namespace {

constexpr uint32_t kLoopback = 0x7f000001;

struct Pair {
    Sock& client;
    Sock& server;
};

Pair local_pair(Lab& lab, uint32_t addr) {
    Sock& listener = lab.listen(7000);
    Program& other = lab.host.start();
    Sock& client = other.connect(addr, 7000);
    lab.settle();
    REQUIRE(client.established());
    Sock* server = listener.accept();
    server->tx_key = kInKey;  // the two ends are both in the test's hands
    server->rx_key = kOutKey;
    return {client, *server};
}

// Moves `bytes` from one to the other. Virtual time may pass.
uint64_t transfer(Lab& lab, Sock& from, Sock& to, uint64_t bytes) {
    uint64_t sent = 0, got = 0;
    for (int i = 0; i < 100000 && got < bytes; i++) {
        sent += from.send(bytes - sent);
        lab.settle();
        uint64_t n = to.recv();
        got += n;
        if (n == 0)
            lab.advance(kMs);
    }
    return got;
}

}  // namespace

TEST_CASE("local: connect on the port's own address reaches a program of this accelerator") {
    Lab lab;
    Pair p = local_pair(lab, kHostAddr);
    CHECK(p.client.remote_addr() == kHostAddr);
    CHECK(p.server.remote_port() == p.client.local_port());
    CHECK((p.client.fw().flags & ETA_DTI_F_LOCAL));
    CHECK(lab.host.port().tx_frames == 0);
}

TEST_CASE("local: connect on 127.0.0.1 reaches a program of this accelerator") {
    Lab lab;
    Pair p = local_pair(lab, kLoopback);
    CHECK(p.client.remote_addr() == kLoopback);
    CHECK(p.server.remote_addr() == kLoopback);
    CHECK(lab.host.port().tx_frames == 0);
}

TEST_CASE("local: echo") {
    Lab lab;
    Pair p = local_pair(lab, kLoopback);
    for (int i = 1; i < 200; i++) {
        CHECK(p.client.send(i) == static_cast<uint32_t>(i));
        lab.settle();
        CHECK(p.server.recv() == static_cast<uint64_t>(i));
        CHECK(p.server.send(i) == static_cast<uint32_t>(i));
        lab.settle();
        CHECK(p.client.recv() == static_cast<uint64_t>(i));
    }
    CHECK(lab.host.port().tx_frames == 0);
}

TEST_CASE("local: a large transfer both ways is exact") {
    Lab lab;
    Pair p = local_pair(lab, kLoopback);
    CHECK(transfer(lab, p.client, p.server, 5'000'000) == 5'000'000);
    CHECK(transfer(lab, p.server, p.client, 5'000'000) == 5'000'000);
}

TEST_CASE("local: close reaches the other end and both DTIs come back") {
    Lab lab;
    Pair p = local_pair(lab, kLoopback);
    p.client.send(100);
    p.client.close();
    lab.advance(100 * kMs);
    CHECK(p.server.recv() == 100);
    CHECK(p.server.recv() == 0);
    CHECK(p.server.eof());
    p.server.close();
    lab.advance(100 * kMs);
    CHECK(lab.host.contexts_in_use() == 0);
}

TEST_CASE("local: abort resets the other end") {
    Lab lab;
    Pair p = local_pair(lab, kLoopback);
    p.client.abort();
    lab.advance(100 * kMs);
    CHECK(p.server.closed());
    CHECK(p.server.err() == ECONNRESET);
}

TEST_CASE("local: a reader that stops does not lose bytes") {
    Lab lab;
    Pair p = local_pair(lab, kLoopback);
    uint64_t sent = p.client.send(4'000'000);
    lab.advance(10 * kSec);
    sent += p.client.send(4'000'000 - sent);
    uint64_t got = 0;
    for (int i = 0; i < 10000 && got < sent; i++) {
        got += p.server.recv(10000);
        lab.advance(kMs);
    }
    CHECK(got == sent);
}

TEST_CASE("local: no listener there means the OS stack") {
    Lab lab;
    for (uint32_t addr : {kLoopback, kHostAddr}) {
        Sock& s = lab.app.connect(addr, 7001);
        lab.settle();
        REQUIRE(s.closed());
        CHECK(s.err() == ETA_ERR_USE_OS);
        s.close();
        lab.settle();
    }
}

TEST_CASE("local: a listener without children means the OS stack") {
    Lab lab;
    Sock& listener = lab.listen(7000, 64, 16);
    listener.control(ETA_CTL_PAUSED);
    lab.settle();
    Sock& s = lab.app.connect(kLoopback, 7000);
    lab.settle();
    REQUIRE(s.closed());
    CHECK(s.err() == ETA_ERR_USE_OS);
}

TEST_CASE("local: a program can talk to itself") {
    Lab lab;
    Sock& listener = lab.listen(7000);
    Sock& client = lab.app.connect(kLoopback, 7000);
    lab.settle();
    Sock* server = listener.accept();
    server->rx_key = kOutKey;
    CHECK(transfer(lab, client, *server, 100'000) == 100'000);
}

TEST_CASE("local: many connections at once") {
    Lab lab;
    Sock& listener = lab.listen(7000, 256, 64);
    Program& other = lab.host.start();
    std::vector<Sock*> clients, servers;
    for (int i = 0; i < 100; i++) {
        clients.push_back(&other.connect(kLoopback, 7000));
        lab.settle();
        servers.push_back(listener.accept());
        servers.back()->rx_key = kOutKey;
    }
    for (Sock* c : clients)
        CHECK(c->send(3000) == 3000);
    lab.advance(50 * kMs);
    for (Sock* s : servers)
        CHECK(s->recv() == 3000);
    for (Sock* c : clients)
        c->close();
    lab.advance(50 * kMs);
    for (Sock* s : servers) {
        s->recv();
        CHECK(s->eof());
        s->close();
    }
    lab.advance(100 * kMs);
    CHECK(lab.host.contexts_in_use() == 0);
    CHECK(lab.host.rx_buffers_in_use() == 0);
}

TEST_CASE("local: the other program killed in mid-transfer is noticed") {
    Lab lab;
    Sock& listener = lab.listen(7000);
    Program& other = lab.host.start();
    Sock& client = other.connect(kLoopback, 7000);
    lab.settle();
    Sock* server = listener.accept();
    server->rx_key = kOutKey;
    client.send(200'000);
    lab.settle();
    other.die();
    for (int i = 0; i < 1000 && !server->eof() && !server->closed(); i++) {
        server->recv();
        lab.advance(kMs);
    }
    CHECK((server->eof() || server->closed()));
}
