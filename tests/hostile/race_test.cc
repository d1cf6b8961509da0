// SPDX-License-Identifier: MIT
// Hostile tests: memory that changes while it is read. A second thread writes; the engine runs.
#include <thread>

#include "hostile/attack.h"

using namespace eta::test;

namespace {

constexpr int kRounds = 4000;  // bounded by work, not by time

// Runs `flip` in a thread of its own while the machine works on the victim and its neighbours.
void race(Attack& a, const std::function<void(uint64_t)>& flip) {
    std::atomic<bool> stop{false};
    a.peer.check_payload = false;
    std::thread thread([&] {
        for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); i++)
            flip(i);
    });
    for (int i = 0; i < kRounds; i++) {
        a.ring_index(a.d);
        if (i % 4 == 0)
            a.lab.inject(a.peer.frame_of(ack(static_cast<uint32_t>(i)).wnd(60000)));
        a.lab.host.turn_once();
        if (i % 200 == 0) {
            a.peer.take_all();
            a.lab.world.run_until(a.lab.world.now_us() + 300 * kMs);
        }
    }
    stop.store(true);
    thread.join();
    a.peer.take_all();
}

template <typename T>
void put(T& word, T value) {
    __atomic_store_n(&word, value, __ATOMIC_RELAXED);
}

}  // namespace

TEST_CASE("hostile: offset and length change while an entry is read") {
    Attack a;
    a.entry(make_entry(ETA_OP_SEND, 0, 3000));
    a.send_entry(make_entry(ETA_OP_SEND, 8192), 6000);
    eta_sqe* q = &a.sq(a.d)[(a.app(a.d).sq_tail - 2) % ETA_SQ_DEPTH];
    uint64_t size = a.map().tx_pool_size;
    race(a, [=](uint64_t i) {
        put<__u64>(q->off, i & 1 ? 0 : size - 1);
        put<__u32>(q->len, i & 2 ? 3000 : UINT32_MAX);
    });
}

TEST_CASE("hostile: lengths of entries change while bytes are acknowledged") {
    Attack a;
    for (int i = 0; i < 8; i++)
        a.entry(make_entry(ETA_OP_SEND, static_cast<uint64_t>(i) * 4096, 1000));
    a.send_entry(make_entry(ETA_OP_SEND, 65536), 8000);
    eta_sqe* q = a.sq(a.d);
    race(a, [=](uint64_t i) {
        put<__u32>(q[i % ETA_SQ_DEPTH].len, static_cast<__u32>(i * 2654435761u >> (i % 32)));
    });
}

TEST_CASE("hostile: operations of entries change while they are read") {
    Attack a;
    a.sock->send(2000);
    eta_sqe* q = a.sq(a.d);
    race(a, [=](uint64_t i) { put<__u8>(q[i % ETA_SQ_DEPTH].op, static_cast<__u8>(i / 16 % 7)); });
}

TEST_CASE("hostile: the status block changes while it is read") {
    Attack a;
    eta_dti_app* s = &a.app(a.d);
    race(a, [=](uint64_t i) {
        put<__u64>(s->tx_tail, i % 5 ? 0 : i);
        put<__u64>(s->rx_head, i % 7 ? 0 : UINT64_MAX - i);
        put<__u32>(s->sq_tail, static_cast<__u32>(i % 19));
        put<__u32>(s->ctl, static_cast<__u32>(i));
    });
}

TEST_CASE("hostile: ring indices change while they are read") {
    Attack a;
    eta_region_rw* r = a.bad.rw();
    uint32_t* bells = a.doorbells();
    eta_child* children = a.children();
    uint32_t mask = a.map().max_dti - 1;
    race(a, [=](uint64_t i) {
        put<__u32>(bells[i & mask], static_cast<__u32>(i * 2654435761u >> (i % 32)));
        put<__u32>(children[i & mask].master, static_cast<__u32>(i % 70));
        put<__u32>(children[i & mask].child, static_cast<__u32>(i % 90));
        put<__u32>(r->child_prod, static_cast<__u32>(i));
        put<__u32>(r->event_cons, static_cast<__u32>(i));
        put<__u32>(r->armed_seq, static_cast<__u32>(i));
    });
}
