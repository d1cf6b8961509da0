// SPDX-License-Identifier: MIT
// Look-ups in the mirror of addresses, routes and neighbours.
#include <catch2/catch.hpp>

#include "mirror_pool.h"

using namespace eta::fw;
using namespace eta::test;

namespace {

// The lab: 10.77.0.1/24 on eta0, a gateway, loopback, one IPv6 network.
MirrorPool lab()
{
    MirrorPool p;
    p.addr("10.77.0.1", 24, false);
    p.addr("127.0.0.1", 8, true);
    p.addr("fd77::1", 64, false);
    p.route("10.77.0.0", 24, "", "10.77.0.1");
    p.route("0.0.0.0", 0, "10.77.0.254", "");
    p.route("fd77::", 64, "", "");
    p.neigh("10.77.0.2", 2);
    p.neigh("10.77.0.254", 0xfe);
    p.publish();
    return p;
}

}  // namespace

TEST_CASE("a neighbour on link is resolved to its own MAC and the preferred source")
{
    MirrorPool p = lab();
    Mirror m(p.pool());
    Route r = m.lookup(p.ip("10.77.0.2"));
    REQUIRE(r.found);
    CHECK_FALSE(r.local);
    CHECK(r.resolved);
    CHECK(r.dmac[5] == 2);
    CHECK(p.text(r.src) == "10.77.0.1");
    CHECK(p.text(r.next_hop) == "10.77.0.2");
}

TEST_CASE("a host behind the gateway is resolved to the gateway's MAC")
{
    MirrorPool p = lab();
    Mirror m(p.pool());
    Route r = m.lookup(p.ip("192.0.2.9"));
    REQUIRE(r.found);
    CHECK(r.resolved);
    CHECK(r.dmac[5] == 0xfe);
    CHECK(p.text(r.src) == "10.77.0.1");
    CHECK(p.text(r.next_hop) == "10.77.0.254");
}

TEST_CASE("an unknown neighbour is found but not resolved")
{
    MirrorPool p = lab();
    Mirror m(p.pool());
    Route r = m.lookup(p.ip("10.77.0.3"));
    CHECK(r.found);
    CHECK_FALSE(r.resolved);
    CHECK(p.text(r.next_hop) == "10.77.0.3");
}

TEST_CASE("own and loopback addresses are local")
{
    MirrorPool p = lab();
    Mirror m(p.pool());
    for (const char* a : {"10.77.0.1", "127.0.0.1", "127.8.9.10", "fd77::1", "::1"}) {
        INFO(a);
        CHECK(m.is_local(p.ip(a)));
        Route r = m.lookup(p.ip(a));
        CHECK((r.found && r.local && r.resolved));
        CHECK(p.text(r.src) == a);
    }
    for (const char* a : {"10.77.0.2", "128.0.0.1", "fd77::2", "0.0.0.0", "::"}) {
        INFO(a);
        CHECK_FALSE(m.is_local(p.ip(a)));
    }
}

TEST_CASE("the longest prefix wins, then the lowest metric")
{
    MirrorPool p = lab();
    p.route("203.0.113.0", 24, "10.77.0.10", "", 100);
    p.route("203.0.113.0", 24, "10.77.0.11", "", 50);
    p.route("203.0.113.128", 25, "10.77.0.12", "", 500);
    p.publish();
    Mirror m(p.pool());
    CHECK(p.text(m.lookup(p.ip("203.0.113.1")).next_hop) == "10.77.0.11");
    CHECK(p.text(m.lookup(p.ip("203.0.113.200")).next_hop) == "10.77.0.12");
}

TEST_CASE("a longer prefix of another interface is the OS stack's business")
{
    MirrorPool p = lab();
    p.route("198.51.100.0", 24, "", "", 0, ETA_ROUTE_ELSEWHERE);
    p.publish();
    Mirror m(p.pool());
    CHECK_FALSE(m.lookup(p.ip("198.51.100.7")).found);
    CHECK(m.lookup(p.ip("198.51.101.7")).found);
}

TEST_CASE("nobody talks TCP to groups, to all hosts or to no host")
{
    MirrorPool p = lab();
    Mirror m(p.pool());
    for (const char* a : {"224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::"}) {
        INFO(a);
        CHECK_FALSE(m.lookup(p.ip(a)).found);
    }
}

TEST_CASE("IPv6 follows IPv6 routes and picks an IPv6 source")
{
    MirrorPool p = lab();
    p.neigh("fd77::2", 0x62);
    p.publish();
    Mirror m(p.pool());
    Route r = m.lookup(p.ip("fd77::2"));
    REQUIRE(r.found);
    CHECK(r.dmac[5] == 0x62);
    CHECK(p.text(r.src) == "fd77::1");
    CHECK_FALSE(m.lookup(p.ip("2001:db8::1")).found);  // the IPv4 default route is none of IPv6
}

TEST_CASE("a route without any usable source address leads nowhere")
{
    MirrorPool p;
    p.route("10.0.0.0", 8, "", "");
    p.publish();
    Mirror m(p.pool());
    CHECK_FALSE(m.lookup(p.ip("10.1.1.1")).found);
}

TEST_CASE("a prefix length that cannot be is ignored")
{
    MirrorPool p = lab();
    p.route_raw("10.77.0.2", 4000);
    p.publish();
    Mirror m(p.pool());
    CHECK(m.lookup(p.ip("10.77.0.2")).resolved);
}
