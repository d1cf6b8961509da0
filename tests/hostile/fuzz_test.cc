// SPDX-License-Identifier: MIT
// Hostile tests: everything a program can write, written at random. Seeded.
#include "hostile/attack.h"

using namespace eta::test;

namespace {

class Fuzz {
public:
    Fuzz(Attack& a, uint64_t seed) : a_(a), rng_(seed), n_dti_(a.bad.region().n_dti()) {}

    void write() {
        switch (rng_.below(8)) {
            case 0:
                header();
                break;
            case 1:
            case 2:
                status();
                break;
            case 3:
            case 4:
                entries();
                break;
            case 5:
                bells();
                break;
            case 6:
                children();
                break;
            default:
                words();
                break;
        }
    }

private:
    // A value that is wrong in an interesting way, or nearly right.
    uint64_t value(uint64_t now) {
        switch (rng_.below(7)) {
            case 0:
                return now + 1;
            case 1:
                return now - 1;
            case 2:
                return now + rng_.below(4096);
            case 3:
                return rng_.below(64);
            case 4:
                return rng_.next();
            case 5:
                return UINT64_MAX - rng_.below(64);
            default:
                return uint64_t{1} << rng_.below(64);
        }
    }

    uint32_t some_dti() {
        return rng_.below(8) ? rng_.below(n_dti_) : static_cast<uint32_t>(value(n_dti_));
    }

    void header() {
        eta_region_rw* r = a_.bad.rw();
        __u32* words[] = {&r->doorbell_prod, &r->child_prod, &r->event_cons, &r->accept_cons,
                          &r->armed_seq};
        __u32* w = words[rng_.below(5)];
        *w = static_cast<__u32>(value(*w));
    }

    void status() {
        eta_dti_app& s = a_.app(rng_.below(2) ? a_.d : rng_.below(n_dti_));
        switch (rng_.below(8)) {
            case 0:
                s.tx_tail = value(s.tx_tail);
                break;
            case 1:
                s.rx_head = value(s.rx_head);
                break;
            case 2:
                s.sq_tail = static_cast<__u32>(value(s.sq_tail));
                break;
            case 3:
                s.ctl = static_cast<__u32>(rng_.next());
                break;
            case 4:
                s.gen = static_cast<__u32>(value(s.gen));
                break;
            case 5:
                s.db_seq = static_cast<__u32>(value(s.db_seq));
                break;
            case 6:
                s.ev_ack = static_cast<__u32>(value(s.ev_ack));
                break;
            default:
                s.accepted = static_cast<__u32>(value(s.accepted));
                break;
        }
    }

    void entries() {
        uint32_t dti = rng_.below(2) ? a_.d : rng_.below(n_dti_);
        eta_sqe q = make_entry(static_cast<uint8_t>(rng_.below(7)), value(4096),
                               static_cast<uint32_t>(value(1000)));
        if (rng_.below(10) == 0)
            q.resv = 1;
        if (rng_.below(10) == 0)
            q.key = 3;
        eta_dti_app& s = a_.app(dti);
        if (a_.fw(dti).state == ETA_DTI_FREE || a_.fw(dti).state == ETA_DTI_CLOSED) {
            eta_connect args = connect_args(rng_.below(2) ? kPeerAddr : 0x7f000001, 9000);
            std::memcpy(a_.tx_pool(), &args, sizeof args);
            a_.sq(dti)[0] = make_entry(ETA_OP_CONNECT, rng_.below(4) ? 0 : value(0), sizeof args);
            s.sq_tail = 1;
            s.tx_tail = s.rx_head = 0;
            s.gen = a_.fw(dti).gen + 1;
        } else {
            a_.sq(dti)[s.sq_tail % ETA_SQ_DEPTH] = q;
            s.sq_tail++;
            s.tx_tail += rng_.below(3000);
        }
        a_.ring(dti);
    }

    void bells() {
        for (uint32_t n = rng_.below(20); n; n--)
            a_.ring_index(some_dti());
    }

    void children() {
        eta_region_rw* r = a_.bad.rw();
        for (uint32_t n = rng_.below(20); n; n--) {
            uint32_t master = rng_.below(3) ? a_.listener->dti() : some_dti();
            a_.children()[r->child_prod++ % a_.map().max_dti] = {master, some_dti()};
        }
        a_.ring_index(a_.listener->dti());
    }

    // Any words of the first part of the object: header, status blocks, queues, rings.
    void words() {
        uint64_t words = a_.map().rw_pool_off / 4;
        auto* base = reinterpret_cast<uint32_t*>(a_.rw());
        for (uint32_t n = rng_.below(200); n; n--)
            base[rng_.below(static_cast<uint32_t>(words))] = static_cast<uint32_t>(value(0));
    }

    Attack& a_;
    eta::fw::Rng rng_;
    uint32_t n_dti_;
};

}  // namespace

TEST_CASE("hostile: everything in the region at random, two hundred rounds") {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        INFO("seed " << seed);
        Attack a;
        a.peer.check_payload = false;
        Fuzz fuzz(a, seed);
        eta::fw::Rng rng(seed);
        for (int round = 0; round < 120; round++) {
            fuzz.write();
            if (rng.below(3) == 0)
                a.lab.inject(a.peer.frame_of(
                    data(1 + rng.below(5000), rng.below(1460)).ack(1 + rng.below(5000))));
            if (rng.below(8) == 0)
                a.lab.inject(a.peer.frame_of(syn().seq(rng.below(1000)).mss(1460)));
            a.lab.host.poke();
            a.lab.world.run_until(a.lab.world.now_us() + rng.below(3) * 100 * kMs);
            if (round % 40 == 0)
                a.neighbours.move(3000);
        }
    }
}

TEST_CASE("hostile: killed in the middle of nonsense") {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        Attack a;
        a.peer.check_payload = false;
        Fuzz fuzz(a, seed * 7919);
        for (int round = 0; round < 30; round++)
            fuzz.write();
    }  // the destructor kills it before the engine has seen anything
}

TEST_CASE("hostile: the accelerator restarts in the middle of nonsense") {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        INFO("seed " << seed);
        Attack a;
        a.peer.check_payload = false;
        Fuzz fuzz(a, seed * 104729);
        for (int round = 0; round < 60; round++) {
            fuzz.write();
            a.lab.world.run_until(a.lab.world.now_us() + 10 * kMs);
            if (round % 20 == 10) {
                a.lab.host.kill_fw();
                fuzz.write();
                a.lab.host.start_fw();
            }
        }
    }
}
