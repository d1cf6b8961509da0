// SPDX-License-Identifier: MIT
// Hostile tests: a program that writes what it likes into its own region, beside neighbours whose
// transfer must not notice. One thread, except where a test says so.
#pragma once

#include <catch2/catch.hpp>

#include <atomic>
#include <cstring>
#include <functional>

#include "harness/lab.h"

namespace eta::test {

// Two well-behaved programs that move bytes over the local wire all the time.
class Neighbours {
public:
    explicit Neighbours(Lab& lab)
        : lab_(lab), server_program_(lab.host.start()), client_program_(lab.host.start()) {
        listener_ = &server_program_.listen(7000);
        lab.settle();
        client_ = &client_program_.connect(0x7f000001, 7000);
        lab.settle();
        server_ = listener_->accept();
        server_->rx_key = kOutKey;
        server_->tx_key = kInKey;
    }

    // Moves `bytes` more each way; fails the test if they do not arrive exactly.
    void move(uint64_t bytes) {
        uint64_t goal = server_->rx_pos + bytes;
        for (int i = 0; i < 20000 && (server_->rx_pos < goal || client_->rx_pos < goal); i++) {
            client_->send(goal - client_->tx_pos);
            server_->send(goal - server_->tx_pos);
            lab_.settle();
            uint64_t got = server_->recv() + client_->recv();
            if (got == 0)
                lab_.advance(kMs);
        }
        REQUIRE(server_->rx_pos == goal);
        REQUIRE(client_->rx_pos == goal);
    }

    // A new connection can be made and closed.
    void reconnect() {
        Sock& c = client_program_.connect(0x7f000001, 7000);
        lab_.settle();
        REQUIRE(c.established());
        Sock* s = listener_->accept();
        c.close();
        lab_.settle();
        s->close();
        lab_.settle();
    }

private:
    Lab& lab_;
    Program& server_program_;
    Program& client_program_;
    Sock* listener_;
    Sock* client_;
    Sock* server_;
};

class Attack {
public:
    Attack() : bad(lab.host.start()), neighbours(lab), peer(lab, 40000, 81) {
        listener = &bad.listen(81, 64, 4);
        lab.settle();
        peer.window = 65535;
        peer.open_passive(plain());
        sock = listener->accept();
        d = sock->dti();
        lab.settle();
        bad.lawless = true;
        before_ = broken();
        neighbours.move(50'000);
    }

    // Whatever happened: the neighbours go on, and when the program ends nothing of it is left.
    ~Attack() noexcept(false) {
        if (std::uncaught_exceptions())
            return;
        lab.settle();
        neighbours.move(100'000);
        neighbours.reconnect();
        peer.take_all();
        uint32_t regions = lab.host.regions_in_use();
        bad.die();
        lab.settle();
        peer.take_all();
        bool gone =
            lab.advance_until(3000 * kSec, [&] { return lab.host.regions_in_use() < regions; });
        CHECK(gone);
        neighbours.move(10'000);
    }

    // Counters that tell of broken rules.
    uint64_t broken() {
        using fw::Counter;
        uint64_t n = 0;
        for (Counter c :
             {Counter::bad_ring, Counter::bad_index, Counter::bad_status, Counter::bad_entry,
              Counter::bad_order, Counter::bad_child, Counter::doorbells_stale})
            n += lab.count(c);
        return n;
    }
    bool counted() { return lab.settle(), broken() > before_; }

    // The victim DTI was closed, and its peer told.
    void require_closed() {
        lab.settle();
        CHECK(broken() > before_);
        REQUIRE(sock->closed());
        CHECK(sock->err() == EPROTO);
        CHECK(bad.ro()->closed_bad >= 1);
        bool reset = false;
        for (auto& t : peer.take_all())
            reset |= (t.flags & kR) != 0;
        CHECK(reset);
    }

    // -- raw access to the region --
    const eta_region_map& map() { return bad.ro()->map; }
    uint8_t* rw() { return reinterpret_cast<uint8_t*>(bad.rw()); }
    eta_dti_app& app(uint32_t dti) {
        return reinterpret_cast<eta_dti_app*>(rw() + map().rw_app_off)[dti];
    }
    eta_sqe* sq(uint32_t dti) {
        return reinterpret_cast<eta_sqe*>(rw() + map().rw_sq_off) + uint64_t{dti} * ETA_SQ_DEPTH;
    }
    uint32_t* doorbells() { return reinterpret_cast<uint32_t*>(rw() + map().rw_doorbell_off); }
    eta_child* children() { return reinterpret_cast<eta_child*>(rw() + map().rw_child_off); }
    uint8_t* tx_pool() { return rw() + map().rw_pool_off; }

    void entry(eta_sqe q) { sq(d)[app(d).sq_tail++ % ETA_SQ_DEPTH] = q; }
    // A send of `bytes` in a buffer that the entry names.
    void send_entry(eta_sqe q, uint64_t bytes) {
        entry(q);
        app(d).tx_tail += bytes;
        ring();
    }
    void ring() { ring(d); }
    void ring(uint32_t dti) {
        app(dti).db_seq = bad.ro() ? bad.region().fw(dti).db_ack + 1 : 0;
        ring_index(dti);
    }
    void ring_index(uint32_t index) {
        eta_region_rw* r = bad.rw();
        doorbells()[r->doorbell_prod % map().max_dti] = index;
        __atomic_store_n(&r->doorbell_prod, r->doorbell_prod + 1, __ATOMIC_RELEASE);
        lab.host.poke();
    }
    void post_child(uint32_t master, uint32_t child) {
        eta_region_rw* r = bad.rw();
        children()[r->child_prod % map().max_dti] = {master, child};
        __atomic_store_n(&r->child_prod, r->child_prod + 1, __ATOMIC_RELEASE);
        ring_index(master);
        lab.settle();
    }
    // A fresh DTI with a CONNECT in its queue, as a program without library would write it.
    uint32_t raw_connect(eta_sqe q, const eta_connect& args, uint64_t at) {
        uint32_t dti = bad.region().dti_alloc();
        if (at + sizeof args <= map().tx_pool_size)
            std::memcpy(tx_pool() + at, &args, sizeof args);
        eta_dti_app& a = app(dti);
        a.tx_tail = a.rx_head = 0;
        a.ctl = a.accepted = 0;
        sq(dti)[0] = q;
        a.sq_tail = 1;
        a.gen = bad.region().fw(dti).gen + 1;
        ring(dti);
        lab.settle();
        return dti;
    }
    const eta_dti_fw& fw(uint32_t dti) { return bad.region().fw(dti); }

    Lab lab;
    Program& bad;
    Neighbours neighbours;
    Peer peer;
    Sock* listener = nullptr;
    Sock* sock = nullptr;  // an established connection of the bad program
    uint32_t d = 0;        // its DTI

private:
    uint64_t before_ = 0;
};

constexpr eta_sqe make_entry(uint8_t op, uint64_t off = 0, uint32_t len = 0, uint16_t key = 0) {
    return eta_sqe{op, 0, key, len, off};
}

inline eta_connect connect_args(uint32_t addr, uint16_t port) {
    eta_connect c{};
    eta_addr_from_v4(c.daddr, __builtin_bswap32(addr));
    c.dport = __builtin_bswap16(port);
    return c;
}

}  // namespace eta::test
