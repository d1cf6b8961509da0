// SPDX-License-Identifier: MIT
// The epoll state machine (userlib/epoll_set.*): level, edge, oneshot, several sets.
#include <catch2/catch.hpp>

#include <vector>

#include "epoll_set.h"

using namespace eta::al;

namespace {

struct Object {
    uint32_t mask = 0;
    int asked = 0;
};

uint32_t ready_of(EpollItem* it, uint32_t)
{
    Object* o = static_cast<Object*>(it->object);
    o->asked++;
    return o->mask;
}

struct Watch {
    Watch(EpollSet* set, Object* o, uint32_t events, uint64_t data)
    {
        it.object = o;
        it.events = events;
        it.data = data;
        epoll_set_link(set, &it);
    }
    EpollItem it = {};
};

std::vector<uint64_t> collect(EpollSet* s, int max = 16)
{
    std::vector<epoll_event> ev(static_cast<size_t>(max));
    const int n = epoll_set_collect(s, ev.data(), max, ready_of);
    std::vector<uint64_t> out;
    for (int i = 0; i < n; i++) {
        out.push_back(ev[static_cast<size_t>(i)].data.u64);
    }
    return out;
}

using V = std::vector<uint64_t>;

}  // namespace

TEST_CASE("userlib epoll: an item that is ready when added is reported")
{
    EpollSet s = {};
    Object a{EPOLLIN};
    Object b{0};
    Watch wa(&s, &a, EPOLLIN, 1);
    Watch wb(&s, &b, EPOLLIN, 2);
    CHECK(collect(&s) == V{1});
}

TEST_CASE("userlib epoll: level-triggered items are reported until they are not ready")
{
    EpollSet s = {};
    Object a{EPOLLIN};
    Watch w(&s, &a, EPOLLIN, 1);
    CHECK(collect(&s) == V{1});
    CHECK(collect(&s) == V{1});
    a.mask = 0;
    CHECK(collect(&s) == V{});
    a.mask = EPOLLIN;
    CHECK(collect(&s) == V{});  // nothing scans: an event must come
    epoll_item_event(&w.it);
    CHECK(collect(&s) == V{1});
}

TEST_CASE("userlib epoll: edge-triggered items are reported once for each event")
{
    EpollSet s = {};
    Object a{EPOLLIN};
    Watch w(&s, &a, EPOLLIN | EPOLLET, 1);
    CHECK(collect(&s) == V{1});
    CHECK(collect(&s) == V{});
    epoll_item_event(&w.it);
    epoll_item_event(&w.it);
    CHECK(collect(&s) == V{1});
    CHECK(collect(&s) == V{});
}

TEST_CASE("userlib epoll: a oneshot item is silent until it is modified")
{
    EpollSet s = {};
    Object a{EPOLLIN};
    Watch w(&s, &a, EPOLLIN | EPOLLONESHOT, 1);
    CHECK(collect(&s) == V{1});
    epoll_item_event(&w.it);
    CHECK(collect(&s) == V{});
    w.it.events = EPOLLIN | EPOLLONESHOT;  // EPOLL_CTL_MOD
    epoll_item_event(&w.it);
    CHECK(collect(&s) == V{1});
    CHECK(collect(&s) == V{});
}

TEST_CASE("userlib epoll: errors are reported unasked, other events only when wanted")
{
    EpollSet s = {};
    Object a{EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP};
    Watch w(&s, &a, EPOLLOUT, 1);
    epoll_event ev;
    REQUIRE(epoll_set_collect(&s, &ev, 1, ready_of) == 1);
    CHECK(ev.events == (EPOLLOUT | EPOLLHUP));
}

TEST_CASE("userlib epoll: each set keeps its own state of an object")
{
    EpollSet s1 = {};
    EpollSet s2 = {};
    Object a{EPOLLIN};
    Watch w1(&s1, &a, EPOLLIN | EPOLLET, 1);
    Watch w2(&s2, &a, EPOLLIN | EPOLLET, 2);
    CHECK(collect(&s1) == V{1});
    CHECK(collect(&s2) == V{2});
    epoll_item_event(&w1.it);
    epoll_item_event(&w2.it);
    CHECK(collect(&s2) == V{2});
    CHECK(collect(&s1) == V{1});
}

TEST_CASE("userlib epoll: more ready items than asked for are reported in turn")
{
    EpollSet s = {};
    Object o[5];
    for (Object& x : o) {
        x.mask = EPOLLIN;
    }
    Watch w0(&s, &o[0], EPOLLIN, 0), w1(&s, &o[1], EPOLLIN, 1), w2(&s, &o[2], EPOLLIN, 2),
        w3(&s, &o[3], EPOLLIN, 3), w4(&s, &o[4], EPOLLIN, 4);
    CHECK(collect(&s, 2) == V{0, 1});
    CHECK(collect(&s, 2) == V{2, 3});
    CHECK(collect(&s, 2) == V{4, 0});
    CHECK(collect(&s, 9) == V{1, 2, 3, 4, 0});
}

TEST_CASE("userlib epoll: an item may leave while it is in the ready list")
{
    EpollSet s = {};
    Object o[3];
    for (Object& x : o) {
        x.mask = EPOLLIN;
    }
    Watch w0(&s, &o[0], EPOLLIN, 0), w1(&s, &o[1], EPOLLIN, 1), w2(&s, &o[2], EPOLLIN, 2);
    epoll_set_unlink(&s, &w1.it);
    CHECK(collect(&s) == V{0, 2});
    epoll_set_unlink(&s, &w2.it);
    epoll_set_unlink(&s, &w0.it);
    CHECK(collect(&s) == V{});
    CHECK(s.n_items == 0);
    CHECK(s.n_ready == 0);
    CHECK(s.all == nullptr);
}

TEST_CASE("userlib epoll: the cost of a wait does not depend on the items that are not ready")
{
    EpollSet s = {};
    std::vector<Object> o(1000);
    std::vector<Watch> w;
    w.reserve(o.size());
    for (size_t i = 0; i < o.size(); i++) {
        w.emplace_back(&s, &o[i], EPOLLIN, i);
    }
    collect(&s);
    for (Object& x : o) {
        x.asked = 0;
    }
    o[77].mask = EPOLLIN;
    epoll_item_event(&w[77].it);
    CHECK(collect(&s) == V{77});
    int asked = 0;
    for (const Object& x : o) {
        asked += x.asked;
    }
    CHECK(asked == 1);
}
