// SPDX-License-Identifier: MIT
// Names of ports on the command line.
#include <catch2/catch.hpp>

#include "port/spec.h"

using namespace eta::fw;

TEST_CASE("good port names are taken apart")
{
    PortSpec s;
    CHECK(port_parse_spec("af_xdp:veth0", &s).empty());
    CHECK((s.kind == "af_xdp" && s.name == "veth0" && s.queue == 0));
    CHECK(port_parse_spec("af_xdp:eth1,3", &s).empty());
    CHECK((s.name == "eth1" && s.queue == 3));
    CHECK(port_parse_spec("tap:eta-tap0", &s).empty());
    CHECK((s.kind == "tap" && s.name == "eta-tap0"));
    CHECK(port_parse_spec("link:/dev/shm/a:b,c", &s).empty());
    CHECK((s.kind == "link" && s.name == "/dev/shm/a:b,c"));
}

TEST_CASE("bad port names are refused with a sentence")
{
    for (const char* bad :
         {"", "veth0", "dpdk:0", "tap:", "link:", "af_xdp:", "af_xdp:veth0,", "af_xdp:veth0,x",
          "af_xdp:veth0,-1", "af_xdp:veth0,64", "af_xdp:veth0,99999999999", "af_xdp:,1", "tap:a/b",
          "tap:..", "tap:interface-name-16", "tap:a%d"}) {
        PortSpec s;
        INFO(bad);
        CHECK_FALSE(port_parse_spec(bad, &s).empty());
    }
}

TEST_CASE("a MAC made from a name is local, unicast and depends on the name")
{
    uint8_t a[6], b[6];
    mac_from_name("tap0", a);
    mac_from_name("tap1", b);
    CHECK((a[0] & 3) == 2);
    CHECK(std::string(a, a + 6) != std::string(b, b + 6));
}
