// SPDX-License-Identifier: MIT
// The raw packet interface and the mirrored tables of eta-agentd.
#include <catch2/catch.hpp>

#include "unit/agent_daemon.h"

using namespace eta::test;

TEST_CASE("agentd: eta0 appears with the port, carries frames and goes with the agent")
{
    REQUIRE(in_own_namespace("agentd eta0", [](const std::string& path) {
        Agentd d(path);
        eta::Agent fw;
        OK(fw.open_at(path.c_str(), ETA_ROLE_FW) == 0);
        OK(fw.fw_port(port_named("lo")) == -EEXIST);
        OK(fw.fw_port(port_named("eta0")) == 0);
        OK(fw.fw_port(port_named("eta0")) == 0);  // a restarted accelerator says it again
        OK(if_nametoindex("eta0") != 0);
        fw.close();
        OK(eventually([&] { return fw.open_at(path.c_str(), ETA_ROLE_FW) == 0; }));
        OK(if_nametoindex("eta0") != 0);
        OK(std::system("ip addr add 10.77.0.1/24 dev eta0 && ip link set eta0 up") == 0);
        const auto* hdr = fw.pool();
        const auto* addr = pool_at<eta_addr>(fw, hdr->addr_off);
        const auto* route = pool_at<eta_route>(fw, hdr->route_off);
        const auto* neigh = pool_at<eta_neigh>(fw, hdr->neigh_off);
        OK(eventually([&] {
            return addr[0].valid && addr[1].valid && (addr[0].on_lo != addr[1].on_lo);
        }));
        OK(eventually([&] { return route[0].valid && route[0].plen == 120; }));
        OK(route[0].dst[12] == 10);
        // The accelerator wants a next hop: the kernel asks through eta0, that is, through us.
        auto* p = const_cast<eta_proc*>(pool_at<eta_proc>(fw, hdr->proc_off));
        auto* to_agent = const_cast<eta_kq*>(pool_at<eta_kq>(fw, hdr->to_agent_off));
        eta_kq& e = to_agent[p->to_agent_prod % ETA_KQ_DEPTH];
        const __u8 next_hop[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, 2};
        e = {};
        e.op = ETA_KQ_NEIGH_WANTED;
        std::memcpy(e.addr, next_hop, 16);
        eta_store_once(&p->asleep, 1u);
        eta_ring_publish(&p->to_agent_prod, p->to_agent_prod + 1);
        fw.interrupt_agent();
        OK(readable(fw.wait_fd(), 5000));
        auto* raw_tx = const_cast<char*>(pool_at<char>(fw, hdr->raw_tx_off));
        auto* raw_rx = const_cast<char*>(pool_at<char>(fw, hdr->raw_rx_off));
        char* request = nullptr;
        OK(eventually([&] {
            if (!eta_ring_ready(&p->raw_tx_prod, p->raw_tx_cons)) return false;
            char* frame = raw_tx + (p->raw_tx_cons % ETA_RAW_DEPTH) * ETA_RAW_FRAME;
            frame += sizeof(eta_raw);
            eta_ring_release(&p->raw_tx_cons, p->raw_tx_cons + 1);
            if (frame[12] == 8 && frame[13] == 6) request = frame;
            return request != nullptr;
        }));
        // The answer of 10.77.0.2.
        char* slot = raw_rx + (p->raw_rx_prod % ETA_RAW_DEPTH) * ETA_RAW_FRAME;
        char* f = slot + sizeof(eta_raw);
        reinterpret_cast<eta_raw*>(slot)->len = 42;
        std::memcpy(f, request + 6, 6);
        const char peer[6] = {2, 0, 0, 0, 0, 2};
        std::memcpy(f + 6, peer, 6);
        std::memcpy(f + 12, request + 12, 8);
        f[20] = 0;
        f[21] = 2;
        std::memcpy(f + 22, peer, 6);
        std::memcpy(f + 28, next_hop + 12, 4);
        std::memcpy(f + 32, request + 22, 10);
        eta_ring_publish(&p->raw_rx_prod, p->raw_rx_prod + 1);
        fw.interrupt_agent();
        OK(eventually([&] { return neigh[0].valid && std::memcmp(neigh[0].mac, peer, 6) == 0; }));
        OK(std::memcmp(neigh[0].addr, next_hop, 16) == 0);
        OK((eta_load_once(&hdr->tables_seq) & 1) == 0);
        OK(WIFEXITED(d.stop(SIGTERM)));
        OK(eventually([&] { return if_nametoindex("eta0") == 0; }));
        OK(access(path.c_str(), F_OK) != 0);
    }));
}
