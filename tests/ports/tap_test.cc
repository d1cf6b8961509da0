// SPDX-License-Identifier: MIT
// The TAP port on a real device.
#include <catch2/catch.hpp>

#include <net/if.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "netns.h"
#include "port/open.h"
#include "port/virtio_hdr.h"

using namespace eta::fw;
using namespace eta::test;

namespace {

struct Tap {
    Tap()
    {
        REQUIRE(enter_new_netns());
        port = port_open("tap:etatap0", &err);
        INFO(err);
        REQUIRE(port);
        REQUIRE(ip("link set etatap0 up"));
    }

    std::string err;
    std::unique_ptr<Port> port;
};

Bytes with_header(const VirtioHdr& h, const Bytes& frame)
{
    Bytes out(sizeof h + frame.size());
    std::memcpy(out.data(), &h, sizeof h);
    std::memcpy(out.data() + sizeof h, frame.data(), frame.size());
    return out;
}

}  // namespace

TEST_CASE("tap: frames cross both ways, one or many at a time")
{
    Tap t;
    RawSocket far("etatap0", false);
    for (uint32_t burst : {1u, 2u, 40u, 130u}) {
        for (uint32_t i = 0; i < burst; i++) port_send(*t.port, tcp_frame(6 + i, true), 0);
        t.port->flush();
        for (uint32_t i = 0; i < burst; i++) {
            Bytes got = far.receive();
            REQUIRE(got.size() == kTcpHead + 6 + i);
            REQUIRE(std::memcmp(&got[kTcpHead], &tcp_frame(6 + i, true)[kTcpHead], 6 + i) == 0);
        }
        for (uint32_t i = 0; i < burst; i++) far.send(tcp_frame(100 + i, false));
        std::vector<Bytes> back = port_receive(*t.port, burst);
        REQUIRE(back.size() == burst);
        for (uint32_t i = 0; i < burst; i++) REQUIRE(back[i] == tcp_frame(100 + i, false));
    }
    CHECK(t.port->dropped() == 0);
}

TEST_CASE("tap: a segment of many packets is one frame, both ways")
{
    Tap t;
    RawSocket far("etatap0", true);
    port_send(*t.port, tcp_frame(60000, true), 1448);
    t.port->flush();
    Bytes got = far.receive();
    REQUIRE(got.size() == sizeof(VirtioHdr) + kTcpHead + 60000);
    VirtioHdr h;
    std::memcpy(&h, got.data(), sizeof h);
    CHECK(h.gso_type == kVirtioGsoTcp4);
    CHECK(h.gso_size == 1448);
    CHECK((h.flags & kVirtioNeedsCsum) != 0);

    h = {kVirtioNeedsCsum, kVirtioGsoTcp4, kTcpHead, 1448, 34, 16};
    far.send(with_header(h, tcp_frame(50000, true)));
    bool csum_valid = false;
    std::vector<Bytes> back = port_receive(*t.port, 1, &csum_valid);
    REQUIRE(back.size() == 1);
    CHECK(csum_valid);
    CHECK(back[0] == tcp_frame(50000, true));
}

TEST_CASE("tap: a sleeper is woken by a frame")
{
    Tap t;
    RawSocket far("etatap0", false);
    (void)port_receive(*t.port, 1000);  // what the kernel says of its own accord
    pollfd p = {t.port->wait_fd(), POLLIN, 0};
    t.port->arm();
    REQUIRE(poll(&p, 1, 0) == 0);
    far.send(tcp_frame(10, false));
    CHECK(poll(&p, 1, 1000) == 1);
    t.port->disarm();
    CHECK(port_receive(*t.port, 1).size() == 1);
}

TEST_CASE("tap: own MAC differs from the device's, offloads are on, the MTU is the device's")
{
    Tap t;
    const PortCaps& c = t.port->caps();
    CHECK((c.mac[0] & 3) == 2);
    CHECK(c.csum_offload);
    CHECK(c.tso_max >= 60000);
    CHECK(c.mtu == 1500);
}

TEST_CASE("tap: frames for an interface that is down are counted as dropped")
{
    Tap t;
    REQUIRE(ip("link set etatap0 down"));
    for (int i = 0; i < 10; i++) port_send(*t.port, tcp_frame(10, true), 0);
    t.port->flush();
    port_send(*t.port, tcp_frame(10, true), 0);
    t.port->flush();
    CHECK(t.port->dropped() == 11);
}

TEST_CASE("tap: clear errors")
{
    Tap t;
    std::string err;
    CHECK(port_open("tap:etatap0", &err) == nullptr);
    CHECK(err.find("in use") != std::string::npos);
    CHECK(port_open("tap:lo", &err) == nullptr);
    CHECK(err.find("no TAP") != std::string::npos);
    REQUIRE(ip("tuntap add etaold mode tap"));
    CHECK(port_open("tap:etaold", &err) != nullptr);  // made by somebody else: taken
}

TEST_CASE("tap: without privilege the error says so")
{
    REQUIRE(enter_new_netns());
    pid_t child = fork();
    if (child == 0) {
        std::string err;
        if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
        bool refused = port_open("tap:etatap1", &err) == nullptr;
        bool said = err.find("no privilege") != std::string::npos ||
                    err.find("denied") != std::string::npos;
        _exit(refused && said ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("tap: the device vanishes with the port")
{
    {
        Tap t;
    }
    CHECK(if_nametoindex("etatap0") == 0);
}
