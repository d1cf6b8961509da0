// SPDX-License-Identifier: MIT
// Kernel-space queues: regions and listeners come and go as the agent says, every departure is
// answered, and nothing the agent repeats or gets wrong does harm.
#include <catch2/catch.hpp>

#include "port_engine.h"

using namespace eta::fw;
using namespace eta::test;

namespace {

struct Box : EngineBox {
    Box() : control(std::make_unique<Control>(*engine, agent)) {}

    // Turns without traffic.
    void turns(int n)
    {
        while (n-- > 0) {
            engine->turn++;
            control->poll();
        }
    }

    std::unique_ptr<Control> control;
};

}  // namespace

TEST_CASE("control: a region is mapped once, however often the agent announces it")
{
    Box box;
    box.agent.make_region(3);
    box.note(ETA_KQ_REGION_ADD, 3);
    box.note(ETA_KQ_REGION_ADD, 3);
    box.turns(1);
    CHECK(box.engine->regions.mapped(3));
    CHECK(box.agent.mapped == 1);
    CHECK(box.count(Counter::regions_mapped) == 1);
}

TEST_CASE("control: a dying region without connections is given back after the local wire drained")
{
    Box box;
    box.agent.make_region(3);
    box.note(ETA_KQ_REGION_ADD, 3);
    box.note(ETA_KQ_REGION_DYING, 3);
    box.note(ETA_KQ_REGION_DYING, 3);
    box.turns(2);
    CHECK(box.engine->regions.mapped(3));
    box.turns(60);
    CHECK_FALSE(box.engine->regions.mapped(3));
    CHECK(box.agent.mapped == 0);
    eta_kq a = box.answer();
    CHECK((a.op == ETA_KQ_REGION_GONE && a.a == 3));
    CHECK(box.answer().op == 0);
    CHECK(box.agent.agent_woken == 1);
}

TEST_CASE("control: a region keeps its memory while connections are open")
{
    Box box;
    box.agent.make_region(3);
    box.note(ETA_KQ_REGION_ADD, 3);
    box.note(ETA_KQ_REGION_DYING, 3);
    box.turns(1);
    box.engine->regions[3].n_conn = 1;
    box.turns(200);
    CHECK(box.engine->regions.mapped(3));
    box.engine->regions[3].n_conn = 0;
    box.turns(60);
    CHECK_FALSE(box.engine->regions.mapped(3));
}

TEST_CASE("control: the departure of a region we could never map is answered all the same")
{
    Box box;
    box.note(ETA_KQ_REGION_ADD, 5);
    box.note(ETA_KQ_REGION_DYING, 5);
    box.turns(1);
    eta_kq a = box.answer();
    CHECK((a.op == ETA_KQ_REGION_GONE && a.a == 5));
}

TEST_CASE("control: numbers that cannot be and unknown notes do no harm")
{
    Box box;
    for (uint32_t op : {ETA_KQ_REGION_ADD, ETA_KQ_REGION_DYING, ETA_KQ_LISTEN_ADD, 999u})
        for (uint32_t a : {0u, SmallPool::kCount, 0xffffffffu}) box.note(op, a);
    box.turns(3);
    CHECK(box.agent.mapped == 0);
    CHECK(box.answer().op == 0);
}

TEST_CASE("control: a region whose map makes no sense is not used")
{
    Box box;
    box.agent.make_region(2);
    reinterpret_cast<eta_region_ro*>(box.agent.regions[2].ro.data())->map.max_dti = 7;
    box.note(ETA_KQ_REGION_ADD, 2);
    box.turns(1);
    CHECK_FALSE(box.engine->regions.mapped(2));
    CHECK(box.agent.mapped == 0);
}

TEST_CASE("control: every listener that goes is answered, known or not")
{
    Box box;
    box.note(ETA_KQ_LISTEN_DEL, 4);
    box.note(ETA_KQ_LISTEN_DEL, 4);
    box.turns(1);
    for (int i = 0; i < 2; i++) {
        eta_kq a = box.answer();
        CHECK((a.op == ETA_KQ_LISTEN_GONE && a.a == 4));
    }
}

TEST_CASE("control: more notes than one turn takes are handled in the next ones, in order")
{
    Box box;
    for (int i = 0; i < 1000; i++) box.note(ETA_KQ_LISTEN_DEL, static_cast<uint32_t>(i % 60) + 1);
    box.turns(1);
    CHECK(box.pool.proc()->to_fw_cons < 1000);
    box.turns(40);
    CHECK(box.pool.proc()->to_fw_cons == 1000);
    for (int i = 0; i < 1000; i++) REQUIRE(box.answer().a == static_cast<uint32_t>(i % 60) + 1);
}

TEST_CASE("control: answers wait for an agent that does not read, and come in order")
{
    Box box;
    constexpr uint32_t kNotes = ETA_KQ_DEPTH + 500;
    for (uint32_t i = 0; i < kNotes; i++) {
        box.note(ETA_KQ_LISTEN_DEL, i);
        if (i % 64 == 63) box.turns(1);
    }
    box.turns(10);
    CHECK_FALSE(kq_to_agent(*box.engine, ETA_KQ_NEIGH_WANTED, 0));
    uint32_t next = 0;
    for (int round = 0; round < 20; round++) {
        for (eta_kq a = box.answer(); a.op != 0; a = box.answer()) REQUIRE(a.a == next++);
        box.turns(2);
    }
    CHECK(next == kNotes);
}

TEST_CASE(
    "control: a neighbour that is wanted travels with its address, and the agent is woken once")
{
    Box box;
    const uint8_t hop[ETA_ADDR_LEN] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, 2};
    want_neighbour(*box.engine, hop);
    want_neighbour(*box.engine, hop);
    box.turns(5);
    CHECK(box.agent.agent_woken == 1);
    eta_kq a = box.answer();
    CHECK(a.op == ETA_KQ_NEIGH_WANTED);
    CHECK(std::memcmp(a.addr, hop, sizeof hop) == 0);
}

TEST_CASE("control: raw packets wake the agent only if it sleeps")
{
    Box box;
    Bytes frame(60, 1);
    raw_path_to_os(*box.engine, {frame.data(), 60, false});
    box.turns(3);
    CHECK(box.agent.agent_woken == 0);
    box.pool.proc()->raw_rx_armed = 1;
    raw_path_to_os(*box.engine, {frame.data(), 60, false});
    raw_path_to_os(*box.engine, {frame.data(), 60, false});
    box.turns(3);
    CHECK(box.agent.agent_woken == 1);
}

TEST_CASE("control: start takes over regions that are there, and finishes those that are dying")
{
    EngineBox box;
    box.agent.make_region(1);
    box.agent.make_region(2);
    box.pool.at<eta_region_desc>(box.pool.hdr()->region_off)[1].state = ETA_REGION_LIVE;
    box.pool.at<eta_region_desc>(box.pool.hdr()->region_off)[2].state = ETA_REGION_DYING;
    Control control(*box.engine, box.agent);
    CHECK(control.start() == 0);
    CHECK(box.engine->regions.mapped(1));
    CHECK(box.engine->regions.mapped(2));
    for (int i = 0; i < 60; i++) {
        box.engine->turn++;
        control.poll();
    }
    CHECK(box.engine->regions.mapped(1));
    CHECK_FALSE(box.engine->regions.mapped(2));
    CHECK(box.answer().a == 2);
}
