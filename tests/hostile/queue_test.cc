// SPDX-License-Identifier: MIT
// Hostile tests: send queue entries and the application's status block.
#include "hostile/attack.h"

using namespace eta::test;
using eta::fw::Counter;

TEST_CASE("hostile: unknown operation") {
    for (uint8_t op : {0, 6, 77, 255}) {
        Attack a;
        a.send_entry(make_entry(op), 0);
        a.require_closed();
        CHECK(a.lab.count(Counter::bad_entry) >= 1);
    }
}

TEST_CASE("hostile: reserved field of an entry not zero") {
    Attack a;
    eta_sqe q = make_entry(ETA_OP_SEND);
    q.resv = 1;
    a.send_entry(q, 100);
    a.require_closed();
}

TEST_CASE("hostile: key of memory that was never registered") {
    Attack a;
    a.send_entry(make_entry(ETA_OP_SEND, 0, 0, 7), 100);
    a.require_closed();
}

TEST_CASE("hostile: offset beyond the send pool") {
    Attack a;
    a.send_entry(make_entry(ETA_OP_SEND, a.map().tx_pool_size + 4096), 100);
    a.require_closed();
}

TEST_CASE("hostile: offset that wraps around") {
    for (uint64_t off : {UINT64_MAX, UINT64_MAX - 50, uint64_t{1} << 63, uint64_t{1} << 47}) {
        Attack a;
        a.send_entry(make_entry(ETA_OP_SEND, off), 100);
        a.require_closed();
    }
}

TEST_CASE("hostile: buffer that straddles the end of the send pool") {
    Attack a;
    a.send_entry(make_entry(ETA_OP_SEND, a.map().tx_pool_size - 100), 4096);
    a.require_closed();
}

TEST_CASE("hostile: buffer that straddles the end of the pool by one byte") {
    Attack a;
    a.peer.check_payload = false;
    a.send_entry(make_entry(ETA_OP_SEND, a.map().tx_pool_size - 100), 101);
    a.require_closed();
}

TEST_CASE("hostile: entries of length zero that promise bytes") {
    Attack a;
    a.entry(make_entry(ETA_OP_SEND, 0, 0));
    a.entry(make_entry(ETA_OP_SEND, 64, 0));
    a.send_entry(make_entry(ETA_OP_SHUTDOWN_WR), 1000);
    a.require_closed();
}

TEST_CASE("hostile: final length larger than the pool") {
    Attack a;
    a.entry(make_entry(ETA_OP_SEND, a.map().tx_pool_size - 1000, UINT32_MAX));
    a.send_entry(make_entry(ETA_OP_SEND, 0), 5000);
    a.require_closed();
}

TEST_CASE("hostile: lengths whose sum wraps around 32 bits") {
    Attack a;
    a.peer.check_payload = false;
    for (int i = 0; i < 3; i++)
        a.entry(make_entry(ETA_OP_SEND, 0, 0x80000000u));
    a.send_entry(make_entry(ETA_OP_SEND, 0), 1u << 29);
    for (int i = 0; i < 100; i++) {
        a.peer.take_all();
        a.peer.send(ack());
        a.lab.advance(kMs);
    }
}

TEST_CASE("hostile: sq_tail jumps by more than the depth") {
    for (uint32_t jump : {17u, 1000u, 0x80000000u}) {
        Attack a;
        a.app(a.d).sq_tail += jump;
        a.ring();
        a.require_closed();
        CHECK(a.lab.count(Counter::bad_status) >= 1);
    }
}

TEST_CASE("hostile: sq_tail goes backwards") {
    Attack a;
    a.sock->send(100);
    a.lab.settle();
    a.app(a.d).sq_tail -= 1;
    a.ring();
    a.require_closed();
}

TEST_CASE("hostile: tx_tail promises more than the entries hold") {
    Attack a;
    a.entry(make_entry(ETA_OP_SEND, 0, 100));
    a.send_entry(make_entry(ETA_OP_SHUTDOWN_WR), 5000);
    a.require_closed();
}

TEST_CASE("hostile: tx_tail without any entry") {
    Attack a;
    a.app(a.d).tx_tail += 5000;
    a.ring();
    a.require_closed();
}

TEST_CASE("hostile: tx_tail goes backwards") {
    Attack a;
    a.sock->send(1000);
    a.lab.settle();
    a.app(a.d).tx_tail -= 500;
    a.ring();
    a.require_closed();
}

TEST_CASE("hostile: tx_tail absurdly far ahead") {
    for (uint64_t far : {uint64_t{1} << 31, uint64_t{1} << 40, UINT64_MAX / 2, UINT64_MAX}) {
        Attack a;
        a.entry(make_entry(ETA_OP_SEND));
        a.app(a.d).tx_tail = far;
        a.ring();
        a.require_closed();
    }
}

TEST_CASE("hostile: rx_head beyond rx_tail") {
    for (uint64_t ahead : {uint64_t{1}, uint64_t{1} << 20, UINT64_MAX / 2}) {
        Attack a;
        a.peer.send(data(1, 100));
        a.lab.settle();
        a.app(a.d).rx_head = 100 + ahead;
        a.ring();
        a.require_closed();
    }
}

TEST_CASE("hostile: rx_head goes backwards") {
    Attack a;
    a.peer.send(data(1, 100));
    a.lab.settle();
    CHECK(a.sock->recv() == 100);
    a.ring();
    a.lab.settle();
    a.app(a.d).rx_head = 50;
    a.ring();
    a.require_closed();
}

TEST_CASE("hostile: SEND after SHUTDOWN") {
    Attack a;
    a.sock->send(10);
    a.sock->shutdown();
    a.lab.settle();
    a.send_entry(make_entry(ETA_OP_SEND, 0), 100);
    a.require_closed();
    CHECK(a.lab.count(Counter::bad_order) >= 1);
}

TEST_CASE("hostile: bytes after SHUTDOWN without an entry") {
    Attack a;
    a.sock->send(10);
    a.sock->shutdown();
    a.lab.settle();
    a.app(a.d).tx_tail += 10;
    a.ring();
    a.require_closed();
}

TEST_CASE("hostile: SHUTDOWN and CLOSE again and again") {
    Attack a;
    for (int i = 0; i < 40; i++) {
        a.entry(make_entry(i & 1 ? ETA_OP_CLOSE : ETA_OP_SHUTDOWN_WR));
        a.ring();
        a.lab.settle();
    }
}

TEST_CASE("hostile: ABORT in front of other entries") {
    Attack a;
    a.entry(make_entry(ETA_OP_ABORT));
    a.entry(make_entry(ETA_OP_SEND, 0, 100));
    a.send_entry(make_entry(ETA_OP_CLOSE), 100);
    a.lab.settle();
    CHECK(a.sock->closed());
}

TEST_CASE("hostile: CONNECT on an established DTI") {
    Attack a;
    a.send_entry(make_entry(ETA_OP_CONNECT, 0, sizeof(eta_connect)), 0);
    a.require_closed();
    CHECK(a.lab.count(Counter::bad_order) >= 1);
}

TEST_CASE("hostile: generation of another connection") {
    for (uint32_t off : {1u, 2u, 0x80000000u}) {
        Attack a;
        a.app(a.d).gen += off;
        a.send_entry(make_entry(ETA_OP_SEND, 0), 100);
        CHECK(a.counted());
        a.peer.expect_nothing();
    }
}

TEST_CASE("hostile: reserved words and unknown control bits of the status block") {
    Attack a;
    for (uint32_t& w : a.app(a.d).resv)
        w = 0xffffffff;
    a.app(a.d).ctl = 0xffffffff & ~ETA_CTL_RD_SHUT;
    a.ring();
    a.lab.settle();
    a.neighbours.move(1000);
}

TEST_CASE("hostile: the open entry is changed after its bytes were sent") {
    Attack a;
    a.peer.check_payload = false;
    a.sock->send(1000);
    a.lab.settle();
    a.peer.take_all();
    a.sq(a.d)[(a.app(a.d).sq_tail - 1) % ETA_SQ_DEPTH] =
        make_entry(ETA_OP_SEND, UINT64_MAX - 10, 5);
    a.lab.advance(5 * kSec);  // the retransmission looks at it again
    a.require_closed();
}

TEST_CASE("hostile: an earlier entry is changed before its bytes are acknowledged") {
    Attack a;
    a.peer.check_payload = false;
    uint32_t first = a.app(a.d).sq_tail;
    a.entry(make_entry(ETA_OP_SEND, 0, 1000));
    a.send_entry(make_entry(ETA_OP_SEND, 4096), 1500);
    a.lab.settle();
    a.peer.take_all();
    a.sq(a.d)[first % ETA_SQ_DEPTH].len = 3;
    a.peer.send(ack());
    a.lab.advance(5 * kSec);
    a.peer.take_all();
    a.neighbours.move(1000);
}
