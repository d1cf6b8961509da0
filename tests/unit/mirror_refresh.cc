// SPDX-License-Identifier: MIT
// The mirror copies tables under the agent's sequence counter and never shows half a change.
#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "mirror_pool.h"

using namespace eta::fw;
using namespace eta::test;

TEST_CASE("refresh copies only what changed")
{
    MirrorPool p;
    p.addr("10.0.0.1", 24, false);
    p.publish();
    Mirror m(p.pool());
    CHECK(m.addresses() == 1);
    CHECK_FALSE(m.refresh());
    p.addr("10.0.0.2", 24, false);
    CHECK_FALSE(m.refresh());  // not published
    CHECK_FALSE(m.is_local(p.ip("10.0.0.2")));
    p.publish();
    CHECK(m.refresh());
    CHECK(m.is_local(p.ip("10.0.0.2")));
}

TEST_CASE("an address that is gone is local no more")
{
    MirrorPool p;
    p.addr("10.0.0.1", 24, false);
    p.addr("10.0.0.2", 24, false);
    p.publish();
    Mirror m(p.pool());
    p.addrs()[0].valid = 0;
    p.publish();
    REQUIRE(m.refresh());
    CHECK_FALSE(m.is_local(p.ip("10.0.0.1")));
    CHECK(m.is_local(p.ip("10.0.0.2")));
}

TEST_CASE("an agent that dies in the middle of a change leaves the old copy in use")
{
    MirrorPool p;
    p.addr("10.0.0.1", 24, false);
    p.publish();
    Mirror m(p.pool());
    p.hdr()->tables_seq++;  // odd for ever
    p.addrs()[0].valid = 0;
    CHECK_FALSE(m.refresh());
    CHECK(m.is_local(p.ip("10.0.0.1")));
}

TEST_CASE("full tables work")
{
    MirrorPool p;
    for (uint32_t i = 0; i < MirrorPool::kEntries; i++)
        p.addr("10.9.0." + std::to_string(i + 1), 24, false);
    p.publish();
    Mirror m(p.pool());
    CHECK(m.addresses() == MirrorPool::kEntries);
    CHECK(m.is_local(p.ip("10.9.0.32")));
    CHECK_FALSE(m.is_local(p.ip("10.9.0.33")));
}

// The writer keeps the last byte of all neighbours equal; a torn copy would show two values.
TEST_CASE("no copy mixes two versions of the tables")
{
    MirrorPool p;
    for (int i = 0; i < 16; i++) p.neigh("10.0.1." + std::to_string(i), 0);
    p.publish();
    Mirror m(p.pool());
    std::atomic<bool> stop{false};
    std::thread agent([&] {
        for (uint8_t v = 1; !stop; v++) {
            __atomic_store_n(&p.hdr()->tables_seq, p.hdr()->tables_seq + 1, __ATOMIC_RELAXED);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            for (int i = 0; i < 16; i++)
                __atomic_store_n(&p.neighs()[i].mac[5], v, __ATOMIC_RELAXED);
            __atomic_thread_fence(__ATOMIC_RELEASE);
            __atomic_store_n(&p.hdr()->tables_seq, p.hdr()->tables_seq + 1, __ATOMIC_RELEASE);
            std::this_thread::yield();
        }
    });
    int mixed = 0;
    for (int copies = 0, looks = 0; copies < 2000 && looks < 20000000; looks++) {
        if (!m.refresh()) continue;
        copies++;
        uint8_t addr[ETA_ADDR_LEN] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 1, 0};
        uint8_t first = m.neighbour(addr)[5];
        for (uint8_t i = 1; i < 16; i++) {
            addr[15] = i;
            mixed += m.neighbour(addr)[5] != first;
        }
    }
    stop = true;
    agent.join();
    CHECK(mixed == 0);
}
