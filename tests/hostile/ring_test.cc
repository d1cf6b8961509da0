// SPDX-License-Identifier: MIT
// Hostile tests: doorbell, child, event and accept rings, and CONNECT.
#include "hostile/attack.h"

using namespace eta::test;
using eta::fw::Counter;

TEST_CASE("hostile: doorbell of an index out of range") {
    Attack a;
    for (uint32_t index : {a.map().max_dti, a.map().max_dti + 7, 0x80000000u, UINT32_MAX})
        a.ring_index(index);
    a.lab.settle();
    CHECK(a.lab.count(Counter::bad_index) == 4);
}

TEST_CASE("hostile: doorbell of a DTI that was never created") {
    Attack a;
    a.ring_index(a.bad.region().n_dti());
    a.ring_index(a.map().max_dti - 1);
    a.lab.settle();
    CHECK(a.lab.count(Counter::bad_index) == 2);
}

TEST_CASE("hostile: doorbell ring producer runs away") {
    for (uint32_t jump : {2000u, 0x7fffffffu, 0xfffffff0u}) {
        Attack a;
        __atomic_fetch_add(&a.bad.rw()->doorbell_prod, jump, __ATOMIC_RELEASE);
        a.lab.host.poke();
        CHECK(a.counted());
        CHECK(a.lab.count(Counter::bad_ring) >= 1);
        CHECK(a.bad.ro()->closed_bad >= 1);
    }
}

TEST_CASE("hostile: the same doorbell a thousand times") {
    Attack a;
    for (int i = 0; i < 1000; i++)
        a.ring_index(a.d);
    a.lab.settle();
    CHECK(a.sock->established());
}

TEST_CASE("hostile: child ring producer runs away") {
    for (uint32_t jump : {2000u, 0x7fffffffu, 0xfffffff0u}) {
        Attack a;
        __atomic_fetch_add(&a.bad.rw()->child_prod, jump, __ATOMIC_RELEASE);
        a.ring_index(a.listener->dti());
        CHECK(a.counted());
        CHECK(a.lab.count(Counter::bad_ring) >= 1);
    }
}

TEST_CASE("hostile: child index out of range") {
    Attack a;
    for (uint32_t child : {a.bad.region().n_dti(), a.map().max_dti, UINT32_MAX})
        a.post_child(a.listener->dti(), child);
    CHECK(a.lab.count(Counter::bad_child) == 3);
}

TEST_CASE("hostile: child posted twice") {
    Attack a;
    uint32_t child = a.bad.region().dti_alloc();
    a.post_child(a.listener->dti(), child);
    a.post_child(a.listener->dti(), child);
    CHECK(a.lab.count(Counter::bad_child) == 1);
}

TEST_CASE("hostile: child that carries a connection") {
    Attack a;
    a.post_child(a.listener->dti(), a.d);
    CHECK(a.lab.count(Counter::bad_child) == 1);
    CHECK(a.sock->established());
}

TEST_CASE("hostile: child that is the master itself") {
    Attack a;
    a.post_child(a.listener->dti(), a.listener->dti());
    CHECK(a.lab.count(Counter::bad_child) == 1);
}

TEST_CASE("hostile: master that is none, or out of range") {
    Attack a;
    uint32_t child = a.bad.region().dti_alloc();
    for (uint32_t master : {a.d, child, a.map().max_dti, UINT32_MAX}) {
        a.children()[a.bad.rw()->child_prod % a.map().max_dti] = {master, child};
        __atomic_store_n(&a.bad.rw()->child_prod, a.bad.rw()->child_prod + 1, __ATOMIC_RELEASE);
        a.ring_index(a.d);
        a.lab.settle();
    }
    CHECK(a.lab.count(Counter::bad_child) == 4);
}

TEST_CASE("hostile: a posted child is used for CONNECT as well") {
    Attack a;
    uint32_t child = a.bad.region().dti_alloc();
    a.post_child(a.listener->dti(), child);
    eta_connect args = connect_args(kPeerAddr, 9);
    std::memcpy(a.tx_pool(), &args, sizeof args);
    a.sq(child)[0] = make_entry(ETA_OP_CONNECT, 0, sizeof args);
    a.app(child).sq_tail = 1;
    a.app(child).gen = a.fw(child).gen + 1;
    a.ring(child);
    CHECK(a.counted());
    CHECK(a.fw(child).state != ETA_DTI_CONNECTING);
}

TEST_CASE("hostile: event and accept ring consumers claim anything") {
    for (uint32_t garbage : {0xdeadbeefu, 1u, UINT32_MAX}) {
        Attack a;
        a.bad.rw()->event_cons += garbage;
        a.bad.rw()->accept_cons -= garbage;
        a.bad.rw()->armed_seq = garbage;
        a.peer.send(data(1, 100));
        a.lab.settle();
        Peer more(a.lab, 40001, 81);
        more.send(syn().mss(1460));
        a.lab.settle();
        a.neighbours.move(1000);
    }
}

TEST_CASE("hostile: ev_ack claims anything") {
    for (uint32_t garbage : {0xdeadbeefu, 0u, UINT32_MAX}) {
        Attack a;
        for (uint32_t i = 0; i < 3000; i++) {
            a.app(a.d).ev_ack = i & 1 ? garbage : a.fw(a.d).ev_seq;
            a.peer.send(data(1 + i, 1));
            a.lab.host.turn_once();
        }
        a.lab.settle();
    }
}

TEST_CASE("hostile: db_seq runs backwards and anywhere") {
    Attack a;
    for (uint32_t i = 0; i < 1000; i++) {
        a.app(a.d).db_seq = i * 0x9e3779b1u;
        a.ring_index(a.d);
        if (i % 50 == 0)
            a.lab.settle();
    }
    a.lab.settle();
    CHECK(a.sock->established());
}

TEST_CASE("hostile: the master claims to have accepted anything") {
    for (uint32_t accepted : {1000u, 0x80000000u, UINT32_MAX}) {
        Attack a;
        a.app(a.listener->dti()).accepted = accepted;
        for (uint16_t port = 41000; port < 41020; port++) {
            Peer p(a.lab, port, 81);
            p.send(syn().mss(1460));
            a.lab.settle();
            p.take_all();
            p.send(ack());
        }
        a.lab.settle();
    }
}

TEST_CASE("hostile: CONNECT whose arguments lie outside the pool") {
    for (uint64_t at :
         {uint64_t{8} << 20, (uint64_t{8} << 20) - 63, UINT64_MAX - 31, uint64_t{1} << 63}) {
        Attack a;
        uint64_t off = at >= (uint64_t{8} << 20) ? at : a.map().tx_pool_size - 63;
        uint32_t dti = a.raw_connect(make_entry(ETA_OP_CONNECT, off, sizeof(eta_connect)),
                                     connect_args(kPeerAddr, 9), off);
        CHECK(a.fw(dti).state == ETA_DTI_CLOSED);
        CHECK(a.fw(dti).err == EINVAL);
        CHECK(a.counted());
    }
}

TEST_CASE("hostile: CONNECT with a wrong length, key or reserved field") {
    eta_sqe wrong[3] = {make_entry(ETA_OP_CONNECT, 0, 63), make_entry(ETA_OP_CONNECT, 0, 64, 5),
                        make_entry(ETA_OP_CONNECT, 0, 64)};
    wrong[2].resv = 9;
    for (const eta_sqe& q : wrong) {
        Attack a;
        uint32_t dti = a.raw_connect(q, connect_args(kPeerAddr, 9), 0);
        CHECK(a.fw(dti).state == ETA_DTI_CLOSED);
        CHECK(a.fw(dti).err == EINVAL);
        CHECK(a.counted());
    }
}

TEST_CASE("hostile: CONNECT with a source port of its own choice") {
    Attack a;
    eta_connect args = connect_args(kPeerAddr, 9);
    args.sport = __builtin_bswap16(22);
    uint32_t dti = a.raw_connect(make_entry(ETA_OP_CONNECT, 0, sizeof args), args, 0);
    CHECK(a.fw(dti).state == ETA_DTI_CLOSED);
    CHECK(a.fw(dti).err == EPERM);
}

TEST_CASE("hostile: CONNECT with reserved words of its arguments set") {
    Attack a;
    eta_connect args = connect_args(kPeerAddr, 9);
    args.resv[6] = 1;
    uint32_t dti = a.raw_connect(make_entry(ETA_OP_CONNECT, 0, sizeof args), args, 0);
    CHECK(a.fw(dti).state == ETA_DTI_CLOSED);
    CHECK(a.fw(dti).err == EINVAL);
}

TEST_CASE("hostile: CONNECT to and from addresses that make no sense") {
    for (uint32_t addr : {0u, 0xffffffffu, 0xe0000001u, 0x0a4d00ffu, 0xf0000001u}) {
        for (uint16_t port : {uint16_t{0}, uint16_t{9}}) {
            Attack a;
            eta_connect args = connect_args(addr, port);
            uint32_t dti = a.raw_connect(make_entry(ETA_OP_CONNECT, 0, sizeof args), args, 0);
            CHECK(a.fw(dti).state != ETA_DTI_ESTABLISHED);
        }
    }
    Attack a;
    eta_connect args = connect_args(kPeerAddr, 9);
    std::memset(args.daddr, 0xab, sizeof args.daddr);
    a.raw_connect(make_entry(ETA_OP_CONNECT, 0, sizeof args), args, 0);
    args = connect_args(kPeerAddr, 9);
    eta_addr_from_v4(args.saddr, 0x01020304);  // not an address of this machine
    uint32_t dti = a.raw_connect(make_entry(ETA_OP_CONNECT, 64, sizeof args), args, 64);
    a.lab.settle();
    CHECK(a.fw(dti).state == ETA_DTI_CLOSED);
}

TEST_CASE("hostile: SEND before CONNECT") {
    Attack a;
    uint32_t dti = a.raw_connect(make_entry(ETA_OP_SEND, 0, 100), connect_args(kPeerAddr, 9), 0);
    CHECK(a.counted());
    CHECK(a.lab.count(Counter::bad_order) >= 1);
    CHECK(a.fw(dti).state != ETA_DTI_CONNECTING);
}

TEST_CASE("hostile: doorbell of a free DTI with a full queue and no CONNECT") {
    Attack a;
    uint32_t dti = a.bad.region().dti_alloc();
    a.app(dti).sq_tail = 16;
    a.app(dti).tx_tail = 1 << 20;
    a.app(dti).gen = a.fw(dti).gen + 1;
    a.ring(dti);
    CHECK(a.counted());
}

TEST_CASE("hostile: CONNECT together with bytes that do not exist") {
    Attack a;
    uint32_t dti = a.bad.region().dti_alloc();
    eta_connect args = connect_args(kPeerAddr, 9);
    std::memcpy(a.tx_pool(), &args, sizeof args);
    a.sq(dti)[0] = make_entry(ETA_OP_CONNECT, 0, sizeof args);
    a.sq(dti)[1] = make_entry(99);
    a.app(dti).sq_tail = 2;
    a.app(dti).tx_tail = 5;
    a.app(dti).gen = a.fw(dti).gen + 1;
    a.ring(dti);
    CHECK(a.counted());
    CHECK(a.fw(dti).state == ETA_DTI_CLOSED);
    CHECK(a.fw(dti).err == EPROTO);
}

TEST_CASE("hostile: a program that opens connections without end") {
    Attack a;
    eta_connect args = connect_args(kPeerAddr, 9);
    for (int i = 0; i < 50; i++)
        a.raw_connect(make_entry(ETA_OP_CONNECT, 0, sizeof args), args, 0);
    a.neighbours.move(10'000);
}
