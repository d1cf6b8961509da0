// SPDX-License-Identifier: MIT
// The descriptor table and the table of fallback reasons (userlib/demux.*, userlib/fallback.*).
#include <catch2/catch.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>

#include "demux.h"
#include "fallback.h"

using namespace eta::al;

TEST_CASE("userlib demux: descriptors without an entry are the operating system's")
{
    CHECK(demux_find(5) == nullptr);
    CHECK(demux_find(-1) == nullptr);
    CHECK(demux_find(INT32_MAX) == nullptr);
    CHECK(demux_sock(100000) == nullptr);
}

TEST_CASE("userlib demux: entries are found until they are cleared, at any number")
{
    Sock* s = reinterpret_cast<Sock*>(0x1000);
    EpollSet* set = reinterpret_cast<EpollSet*>(0x2000);
    for (int fd : {3, 1023, 1024, 199999, 4194303}) {
        REQUIRE(demux_set_sock(fd, s));
        CHECK(demux_sock(fd) == s);
        CHECK(demux_find(fd + 1) == nullptr);
        demux_clear(fd);
        CHECK(demux_find(fd) == nullptr);
        REQUIRE(demux_set_epoll(fd, set));
        CHECK(demux_sock(fd) == nullptr);
        CHECK(demux_find(fd)->set == set);
        demux_clear(fd);
    }
    CHECK_FALSE(demux_set_sock(4194304, s));
    CHECK_FALSE(demux_set_sock(-1, s));
}

TEST_CASE("userlib demux: a walk visits the entries of a range only")
{
    Sock* s = reinterpret_cast<Sock*>(0x1000);
    for (int fd : {10, 20, 5000, 6000}) {
        demux_set_sock(fd, s);
    }
    demux_set_internal(30);
    std::set<int> seen;
    demux_each(20, 5000, [&](int fd, Entry&) { seen.insert(fd); });
    CHECK(seen == std::set<int>{20, 30, 5000});
    CHECK(demux_is_internal(30));
    for (int fd : {10, 20, 30, 5000, 6000}) {
        demux_clear(fd);
    }
}

TEST_CASE("userlib fallback: every reason has a sentence and a name of its own")
{
    std::set<std::string> names;
    std::set<std::string> sentences;
    const uint32_t n = static_cast<uint32_t>(Reason::count_);
    for (uint32_t i = 0; i < n; i++) {
        names.insert(reason_name(i));
        sentences.insert(reason_sentence(i));
    }
    CHECK(names.size() == n);
    CHECK(sentences.size() == n);
    CHECK(n <= kWhyReasons);
    CHECK(std::string(reason_name(n)) == "unknown");
}

TEST_CASE("userlib fallback: a reader of the memfd sees what fell back and what was closed")
{
    why_init();
    REQUIRE(why_fd() >= 0);
    void* p = mmap(nullptr, sizeof(WhyTable), PROT_READ, MAP_SHARED, why_fd(), 0);
    REQUIRE(p != MAP_FAILED);
    const WhyTable* t = static_cast<const WhyTable*>(p);
    CHECK(t->magic == kWhyMagic);
    CHECK(t->pid == static_cast<uint32_t>(getpid()));
    uint8_t peer[16] = {};
    peer[15] = 7;
    const WhyAddr addr = {nullptr, peer, 0, 0x5000};
    const uint32_t slot = why_record(700, Reason::no_route, 5, &addr);
    REQUIRE(slot < kWhySlots);
    CHECK(demux_has_why(700));
    CHECK(t->slot[slot].seq % 2 == 0);
    CHECK(t->slot[slot].fd == 700);
    CHECK(t->slot[slot].open == 1);
    CHECK(t->slot[slot].raddr[15] == 7);
    CHECK(t->count[static_cast<uint32_t>(Reason::no_route)] == 1);
    CHECK(t->fallbacks == 1);
    demux_clear(700);  // close
    CHECK(t->slot[slot].open == 0);
    why_count(Reason::not_tcp);
    CHECK(t->fallbacks == 1);
    munmap(p, sizeof(WhyTable));
}

TEST_CASE("userlib fallback: open sockets keep their slots while closed ones are overwritten")
{
    const uint32_t keep = why_record(701, Reason::no_agent);
    for (uint32_t i = 0; i < 2 * kWhySlots; i++) {
        why_record(702, Reason::no_child);
        demux_clear(702);
    }
    CHECK(why_table()->slot[keep].fd == 701);
    CHECK(why_table()->slot[keep].open == 1);
    demux_clear(701);
}
