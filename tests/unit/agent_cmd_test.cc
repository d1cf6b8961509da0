// SPDX-License-Identifier: MIT
// Bad commands at the door of the agent's rules; mirrored tables.
#include <catch2/catch.hpp>

#include "unit/agent_host.h"

using namespace eta::test;

TEST_CASE("agent core: unknown commands and wrong sizes are refused")
{
    AgentHost host;
    eta_client c = app_client();
    char buf[256] = {};
    for (unsigned cmd : {0u, 8u, 9u, 0x80000000u, 0xffffffffu})
        REQUIRE(eta_core_cmd(&host.core, &c, cmd, buf, 64) == -ENOTTY);
    for (unsigned cmd = 1; cmd <= 7; cmd++)
        for (unsigned size : {0u, 1u, 7u, 255u, 0xffffffffu})
            REQUIRE(eta_core_cmd(&host.core, &c, cmd, buf, size) == -EINVAL);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: nothing works before attaching, and attaching works once")
{
    AgentHost host;
    eta_client c = app_client();
    REQUIRE(host.create(c, 1) == -ENOTCONN);
    REQUIRE(host.listen(c, 0) == -ENOTCONN);
    REQUIRE(host.unlisten(c, 1) == -ENOTCONN);
    REQUIRE(host.attach(c, ETA_ROLE_APP) == 0);
    REQUIRE(host.attach(c, ETA_ROLE_APP) == -EALREADY);
    REQUIRE(host.attach(c, ETA_ROLE_FW) == -EALREADY);
    REQUIRE(host.core.n_live == 1);
}

TEST_CASE("agent core: attach checks version, role, privilege and namespace")
{
    AgentHost host;
    eta_client c = app_client();
    eta_attach a{};
    a.role = ETA_ROLE_APP;
    a.abi_version = 2;
    REQUIRE(host.cmd(c, ETA_CMD_ATTACH, a) == -EPROTO);
    REQUIRE(host.attach(c, 0) == -EINVAL);
    REQUIRE(host.attach(c, 4) == -EINVAL);
    REQUIRE(host.attach(c, ETA_ROLE_FW) == -EPERM);
    REQUIRE(host.attach(c, ETA_ROLE_OBSERVER) == -EPERM);
    a = {};
    a.abi_version = 1;
    a.role = ETA_ROLE_APP;
    a.resv[5] = 1;
    REQUIRE(host.cmd(c, ETA_CMD_ATTACH, a) == -EINVAL);
    a.resv[5] = 0;
    a.proc = 1;
    REQUIRE(host.cmd(c, ETA_CMD_ATTACH, a) == -EINVAL);
    eta_client fw = root_client();
    a.role = ETA_ROLE_FW;
    REQUIRE(host.cmd(fw, ETA_CMD_ATTACH, a) == -EINVAL);  // one processor only
    c.foreign = fw.foreign = 1;
    REQUIRE(host.attach(c, ETA_ROLE_APP) == -EXDEV);
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == -EXDEV);
    REQUIRE(host.attach(fw, ETA_ROLE_OBSERVER) == 0);
    REQUIRE(host.core.n_live == 0);
}

TEST_CASE("agent core: roles keep to their own commands")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client observer = root_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(observer, ETA_ROLE_OBSERVER) == 0);
    for (eta_client* c : {&fw, &observer}) {
        REQUIRE(host.create(*c, 1) == -EPERM);
        REQUIRE(host.listen(*c, 0) == -EPERM);
        REQUIRE(host.unlisten(*c, 0) == -EPERM);
    }
    eta_fw_map m{};
    eta_fw_interrupt i{};
    eta_fw_port p{};
    REQUIRE(host.cmd(observer, ETA_CMD_FW_MAP, m) == -EPERM);
    REQUIRE(host.cmd(observer, ETA_CMD_FW_INTERRUPT, i) == -EPERM);
    REQUIRE(host.cmd(observer, ETA_CMD_FW_PORT, p) == -EPERM);
}

TEST_CASE("agent core: counts and reserved fields are checked")
{
    AgentHost host;
    eta_client c = app_client();
    REQUIRE(host.attach(c, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(c, 0) == -EINVAL);
    REQUIRE(host.create(c, 65537) == -EINVAL);
    REQUIRE(host.create(c, 0xffffffff) == -EINVAL);
    eta_dti_create d{};
    d.count = 1;
    d.resv[1] = 1;
    REQUIRE(host.cmd(c, ETA_CMD_DTI_CREATE, d) == -EINVAL);
    eta_unlisten u{};
    u.resv[2] = 1;
    REQUIRE(host.cmd(c, ETA_CMD_UNLISTEN, u) == -EINVAL);
    REQUIRE(host.core.n_dti == 0);
}

namespace {

eta_addr address(unsigned last)
{
    eta_addr a{};
    eta_addr_from_v4(a.addr, 0x00004d0au | last << 24);
    a.plen = 120;
    return a;
}

}  // namespace

TEST_CASE("agent core: tables are published together and only when they differ")
{
    AgentHost host;
    eta_addr a = address(1);
    eta_neigh n{};
    n.mac[5] = 9;
    REQUIRE(eta_tables_commit(&host.core) == 0);
    REQUIRE(host.core.hdr->tables_seq == 0);
    REQUIRE(eta_tables_set_addr(&host.core, &a) == 0);
    REQUIRE(eta_tables_set_neigh(&host.core, &n) == 0);
    REQUIRE(host.core.addr[0].valid == 0);  // staged
    REQUIRE(eta_tables_commit(&host.core) == 1);
    REQUIRE(host.core.hdr->tables_seq == 2);
    REQUIRE(host.core.addr[0].valid == 1);
    REQUIRE(host.core.neigh[0].mac[5] == 9);
    eta_tables_reset(&host.core);
    REQUIRE(eta_tables_set_addr(&host.core, &a) == 0);
    REQUIRE(eta_tables_set_neigh(&host.core, &n) == 0);
    REQUIRE(eta_tables_commit(&host.core) == 0);  // a dump that found the same
    REQUIRE(host.core.hdr->tables_seq == 2);
}

TEST_CASE("agent core: a table entry is replaced by its key, removed, and the table is bounded")
{
    AgentHost host;
    for (unsigned i = 1; i <= 4; i++) {
        const eta_addr a = address(i);
        REQUIRE(eta_tables_set_addr(&host.core, &a) == 0);
    }
    eta_addr a = address(5);
    REQUIRE(eta_tables_set_addr(&host.core, &a) == -ENOSPC);
    REQUIRE(eta_tables_del_addr(&host.core, &a) == -ENOENT);
    a = address(2);
    a.on_lo = 1;
    REQUIRE(eta_tables_set_addr(&host.core, &a) == 0);
    a = address(3);
    REQUIRE(eta_tables_del_addr(&host.core, &a) == 0);
    REQUIRE(eta_tables_commit(&host.core) == 1);
    REQUIRE(host.core.addr[1].on_lo == 1);
    REQUIRE(host.core.addr[2].valid == 0);
    eta_route r{};
    r.plen = 120;
    REQUIRE(eta_tables_set_route(&host.core, &r) == 0);
    r.metric = 5;
    r.mtu = 1400;
    REQUIRE(eta_tables_set_route(&host.core, &r) == 0);  // another metric: another route
    r.mtu = 1300;
    REQUIRE(eta_tables_set_route(&host.core, &r) == 0);
    REQUIRE(eta_tables_commit(&host.core) == 1);
    REQUIRE(host.core.route[1].mtu == 1300);
    REQUIRE(host.core.route[2].valid == 0);
    REQUIRE(eta_tables_del_route(&host.core, &r) == 0);
    eta_neigh n{};
    REQUIRE(eta_tables_del_neigh(&host.core, &n) == -ENOENT);
}
