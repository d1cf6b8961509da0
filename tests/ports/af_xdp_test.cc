// SPDX-License-Identifier: MIT
// The AF_XDP port on a veth pair.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <catch2/catch.hpp>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "netns.h"
#include "port/open.h"

using namespace eta::fw;
using namespace eta::test;

namespace {

struct Veth {
    Veth()
    {
        REQUIRE(enter_new_netns());
        make_veth("etax0", "etax1");
    }

    std::unique_ptr<Port> open()
    {
        auto port = port_open("af_xdp:etax0", &err);
        INFO(err);
        REQUIRE(port);
        return port;
    }

    std::string err;
};

uint32_t program_on(const char* ifname)
{
    uint32_t id = 0;
    bpf_xdp_query_id(static_cast<int>(if_nametoindex(ifname)), 0, &id);
    return id;
}

// Some other tool's XDP program: passes everything.
int load_foreign_program()
{
    bpf_insn code[2] = {};
    code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
    code[0].imm = XDP_PASS;
    code[1].code = BPF_JMP | BPF_EXIT;
    return bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", code, 2, nullptr);
}

std::string open_error(const std::string& spec)
{
    std::string err;
    auto port = port_open(spec, &err);
    CHECK(port == nullptr);
    return err;
}

}  // namespace

TEST_CASE("af_xdp: frames leave in order with finished checksums")
{
    Veth v;
    auto port = v.open();
    RawSocket far("etax1", false);
    for (uint32_t burst : {1u, 2u, 33u, 200u}) {
        for (uint32_t i = 0; i < burst; i++) port_send(*port, tcp_frame(7 * i + i % 3, true), 0);
        port->flush();
        for (uint32_t i = 0; i < burst; i++) {
            Bytes got = far.receive();
            REQUIRE(got.size() == kTcpHead + 7 * i + i % 3);
            REQUIRE(tcp_checksum_error(got) == 0);
        }
    }
    CHECK(port->dropped() == 0);
}

TEST_CASE("af_xdp: frames arrive unharmed, more than the rings hold in all")
{
    Veth v;
    auto port = v.open();
    RawSocket far("etax1", false);
    for (uint32_t round = 0; round < 60; round++) {
        for (uint32_t i = 0; i < 100; i++) far.send(tcp_frame((round * 31 + i * 13) % 1400, false));
        bool csum_valid = true;
        std::vector<Bytes> got = port_receive(*port, 100, &csum_valid);
        REQUIRE(got.size() == 100);
        REQUIRE_FALSE(csum_valid);
        for (uint32_t i = 0; i < 100; i++)
            REQUIRE(got[i] == tcp_frame((round * 31 + i * 13) % 1400, false));
    }
}

TEST_CASE("af_xdp: frames that nobody fetches in time are counted as dropped")
{
    Veth v;
    auto port = v.open();
    RawSocket far("etax1", false);
    for (int i = 0; i < 5000; i++) far.send(tcp_frame(10, false));
    uint64_t got = port_receive(*port, 5000).size();
    port->tick();
    CHECK(got >= 1000);
    CHECK(got + port->dropped() >= 5000 - 300);  // the queue of the veth itself may lose some
    CHECK(port->dropped() > 0);
}

TEST_CASE("af_xdp: a sleeper is woken by a frame")
{
    Veth v;
    auto port = v.open();
    RawSocket far("etax1", false);
    pollfd p = {port->wait_fd(), POLLIN, 0};
    port->arm();
    REQUIRE(poll(&p, 1, 0) == 0);
    far.send(tcp_frame(10, false));
    CHECK(poll(&p, 1, 1000) == 1);
    port->disarm();
    CHECK(port_receive(*port, 1).size() == 1);
}

TEST_CASE("af_xdp: MAC and MTU are the interface's")
{
    Veth v;
    REQUIRE(ip("link set etax0 address 02:00:00:00:00:77 mtu 1400"));
    auto port = v.open();
    CHECK(port->caps().mac[5] == 0x77);
    CHECK(port->caps().mtu == 1400);
    CHECK_FALSE(port->caps().csum_offload);
    CHECK(port->caps().tso_max == 0);
}

TEST_CASE("af_xdp: frames of 3 KB fit if the MTU says so")
{
    Veth v;
    REQUIRE(ip("link set etax0 mtu 3400"));
    REQUIRE(ip("link set etax1 mtu 3400"));
    auto port = v.open();
    RawSocket far("etax1", false);
    port_send(*port, tcp_frame(3300, true), 0);
    port->flush();
    Bytes got = far.receive();
    CHECK((got.size() == kTcpHead + 3300 && tcp_checksum_error(got) == 0));
    far.send(tcp_frame(3300, false));
    CHECK(port_receive(*port, 1).size() == 1);
}

TEST_CASE("af_xdp: the program leaves the interface with the port")
{
    Veth v;
    auto port = v.open();
    CHECK(program_on("etax0") != 0);
    port.reset();
    CHECK(program_on("etax0") == 0);
    v.open();
}

TEST_CASE("af_xdp: the program leaves the interface when the process is killed")
{
    Veth v;
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        auto port = port_open("af_xdp:etax0", &v.err);
        char ok = port != nullptr;
        if (write(ready[1], &ok, 1) != 1) _exit(1);
        pause();
    }
    char ok = 0;
    REQUIRE(read(ready[0], &ok, 1) == 1);
    REQUIRE(ok == 1);
    CHECK(program_on("etax0") != 0);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    for (int i = 0; i < 100 && program_on("etax0") != 0; i++) usleep(10000);
    CHECK(program_on("etax0") == 0);
    CHECK(port_open("af_xdp:etax0", &v.err) != nullptr);
    close(ready[0]);
    close(ready[1]);
}

TEST_CASE("af_xdp: clear errors")
{
    Veth v;
    CHECK(open_error("af_xdp:etanone").find("no such interface") != std::string::npos);
    CHECK(open_error("af_xdp:etax0,7").find("no such queue") != std::string::npos);
    CHECK(open_error("af_xdp:lo").find("MTU") != std::string::npos);
    auto port = v.open();
    CHECK(open_error("af_xdp:etax0").find("in use") != std::string::npos);
    port.reset();
    REQUIRE(ip("link set etax0 down"));
    CHECK(open_error("af_xdp:etax0").find("down") != std::string::npos);
}

TEST_CASE("af_xdp: an interface with another XDP program is busy and stays as it is")
{
    Veth v;
    int prog = load_foreign_program();
    REQUIRE(prog >= 0);
    int ifindex = static_cast<int>(if_nametoindex("etax0"));
    REQUIRE(bpf_xdp_attach(ifindex, prog, XDP_FLAGS_SKB_MODE, nullptr) == 0);
    uint32_t id = program_on("etax0");
    CHECK(open_error("af_xdp:etax0").find("another XDP program") != std::string::npos);
    CHECK(program_on("etax0") == id);
    close(prog);
}

TEST_CASE("af_xdp: without privilege the error says so")
{
    Veth v;
    pid_t child = fork();
    if (child == 0) {
        std::string err;
        if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
        bool refused = port_open("af_xdp:etax0", &err) == nullptr;
        _exit(refused && err.find("no privilege") != std::string::npos ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}
