// SPDX-License-Identifier: MIT
// Attachment and death of accelerators in the agent's rules.
#include <catch2/catch.hpp>

#include "unit/agent_host.h"

using namespace eta::test;

TEST_CASE("agent core: a second accelerator is refused, also after the first one's programs")
{
    AgentHost host;
    eta_client one = root_client();
    eta_client two = root_client();
    REQUIRE(host.attach(one, ETA_ROLE_FW) == 0);
    REQUIRE(host.last_attach.pool_size == host.core.hdr->size);
    REQUIRE(host.attach(two, ETA_ROLE_FW) == -EBUSY);
    host.gone(two);
    REQUIRE(host.core.fw_mask == 1);
    host.gone(one);
    REQUIRE(host.core.fw_mask == 0);
    REQUIRE(host.attach(two, ETA_ROLE_FW) == 0);
    REQUIRE(host.core.proc[0].attachments == 2);
    REQUIRE(host.core.proc[0].pid == two.pid);
}

TEST_CASE("agent core: programs are woken when the accelerator dies and when a new one comes")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    const auto* ro = static_cast<eta_region_ro*>(host.objects.at(app.region).ro.get());
    REQUIRE(ro->fw_down == 0);
    REQUIRE(host.woken.empty());
    host.gone(fw);
    REQUIRE(ro->fw_down == 1);
    REQUIRE(host.woken == std::vector<unsigned>{app.region});
    REQUIRE(host.core.proc[0].pid == 0);
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(ro->fw_down == 0);
    REQUIRE(host.woken.size() == 2);
}

TEST_CASE("agent core: a dead accelerator owes nothing")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    unsigned listener = 0;
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(app, 20) == 0);
    REQUIRE(host.listen(app, 3, &listener) == 0);
    host.gone(app);
    REQUIRE(host.core.n_dying == 1);
    host.gone(fw);
    REQUIRE(host.core.n_dying == 0);
    REQUIRE(host.core.n_dti == 0);
    REQUIRE(host.cleared.size() == 20);  // nobody else can
    REQUIRE(host.core.listener[listener].region == ETA_NONE);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: what the accelerator said before it died still counts")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(app, 5) == 0);
    host.gone(app);
    host.say(ETA_KQ_REGION_GONE, 1);
    host.gone(fw);
    REQUIRE(host.cleared.empty());
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: a new accelerator finds an empty queue")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    host.gone(fw);
    host.core.proc[0].raw_tx_prod = 9;  // frames for the dead one
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.notes().empty());
    REQUIRE(host.core.proc[0].raw_tx_cons == 9);
}

TEST_CASE("agent core: a sleeping accelerator is kicked for a note, an awake one is not")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client a = app_client();
    eta_client b = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(a, ETA_ROLE_APP) == 0);
    REQUIRE(host.kicks == 0);
    host.core.proc[0].asleep = 1;
    REQUIRE(host.attach(b, ETA_ROLE_APP) == 0);
    REQUIRE(host.kicks == 1);
}

TEST_CASE("agent core: a full queue refuses new things and loses no farewell")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    eta_client late = app_client();
    unsigned listener = 0;
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(app, 3) == 0);
    REQUIRE(host.listen(app, 0, &listener) == 0);
    host.notes();
    host.core.proc[0].to_fw_cons -= ETA_KQ_DEPTH;  // as if nothing was consumed
    REQUIRE(host.attach(late, ETA_ROLE_APP) == -EAGAIN);
    REQUIRE(host.listen(app, 1) == -EAGAIN);
    host.gone(app);
    REQUIRE(host.core.notes_wait == 2);
    eta_core_drain(&host.core);
    REQUIRE(host.core.notes_wait == 2);
    host.core.proc[0].to_fw_cons = host.core.proc[0].to_fw_prod - ETA_KQ_DEPTH + 1;
    eta_core_drain(&host.core);
    REQUIRE(host.core.notes_wait == 1);  // one place: the listener first
    host.core.proc[0].to_fw_cons = host.core.proc[0].to_fw_prod;
    eta_core_drain(&host.core);
    REQUIRE(host.core.notes_wait == 0);
    const auto notes = host.notes();
    REQUIRE(notes.size() == 1);
    REQUIRE(notes[0].op == ETA_KQ_REGION_DYING);
    host.say(ETA_KQ_REGION_GONE, notes[0].a);
    eta_core_drain(&host.core);
    REQUIRE(host.core.n_dying == 1);  // its listener is still looked at
    host.say(ETA_KQ_LISTEN_GONE, listener);
    eta_core_drain(&host.core);
    REQUIRE(host.core.n_dying == 0);
    REQUIRE(host.attach(late, ETA_ROLE_APP) == 0);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: an accelerator dies while its queue is full")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(app, 3) == 0);
    REQUIRE(host.listen(app, 0) == 0);
    host.core.proc[0].to_fw_cons = host.core.proc[0].to_fw_prod - ETA_KQ_DEPTH;
    host.gone(app);
    REQUIRE(host.core.notes_wait == 2);
    host.gone(fw);
    REQUIRE(host.core.notes_wait == 0);
    REQUIRE(host.core.n_dying == 0);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: an accelerator with mad indices is put right")
{
    AgentHost host;
    eta_client fw = root_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    host.core.proc[0].to_agent_prod = 0x80000000;
    eta_core_drain(&host.core);
    REQUIRE(host.core.proc[0].to_agent_cons == 0x80000000);
    const __u8 addr[ETA_ADDR_LEN] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, 2};
    host.say(ETA_KQ_NEIGH_WANTED, 0, addr);
    eta_core_drain(&host.core);
    REQUIRE(host.neigh.size() == 1);
    REQUIRE(std::memcmp(host.neigh[0].data(), addr, sizeof addr) == 0);
}

TEST_CASE("agent core: regions can be mapped and interrupted by the accelerator alone")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    eta_fw_map m{};
    m.region = app.region;
    REQUIRE(host.cmd(fw, ETA_CMD_FW_MAP, m) == 0);
    REQUIRE(m.ro_size != 0);
    REQUIRE(m.rw_size != 0);
    REQUIRE(host.cmd(app, ETA_CMD_FW_MAP, m) == -EPERM);
    for (unsigned bad : {0u, app.region + 1, 6u, 0xffffffffu}) {
        m.region = bad;
        REQUIRE(host.cmd(fw, ETA_CMD_FW_MAP, m) == -ENOENT);
    }
    eta_fw_interrupt i{};
    i.count = 3;
    i.agent = 1;
    i.region[0] = app.region;
    i.region[1] = 0xffffffff;
    REQUIRE(host.cmd(fw, ETA_CMD_FW_INTERRUPT, i) == 0);
    REQUIRE(host.woken == std::vector<unsigned>{app.region});
    REQUIRE(host.agent_interrupts == 1);
    i.count = ETA_INTERRUPT_MAX + 1;
    REQUIRE(host.cmd(fw, ETA_CMD_FW_INTERRUPT, i) == -EINVAL);
}

TEST_CASE("agent core: port announcements are checked")
{
    AgentHost host;
    eta_client fw = root_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    eta_fw_port good{};
    std::strcpy(good.name, "af_xdp:veth0");
    std::strcpy(good.ifname, "eta0");
    good.mac[0] = 2;
    good.mtu = 1500;
    eta_fw_port p = good;
    REQUIRE(host.cmd(fw, ETA_CMD_FW_PORT, p) == 0);
    REQUIRE(std::string(host.port.ifname) == "eta0");
    using Change = void (*)(eta_fw_port&);
    const Change changes[] = {
        [](eta_fw_port& x) { x.ifname[0] = 0; },
        [](eta_fw_port& x) { x.ifname[1] = '/'; },
        [](eta_fw_port& x) { x.ifname[1] = ' '; },
        [](eta_fw_port& x) { std::strcpy(x.ifname, ".."); },
        [](eta_fw_port& x) { std::memset(x.ifname, 'a', sizeof x.ifname); },
        [](eta_fw_port& x) { std::memset(x.name, 'a', sizeof x.name); },
        [](eta_fw_port& x) { x.mac[0] = 1; },
        [](eta_fw_port& x) { x.mac[0] = 0; },
        [](eta_fw_port& x) { x.mtu = 67; },
        [](eta_fw_port& x) { x.mtu = 65536; },
        [](eta_fw_port& x) { x.resv[12] = 1; },
        [](eta_fw_port& x) { x.resv0[1] = 1; },
    };
    for (const Change& change : changes) {
        p = good;
        change(p);
        REQUIRE(host.cmd(fw, ETA_CMD_FW_PORT, p) == -EINVAL);
    }
}

TEST_CASE("agent core: the agent's own end frees every region")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client a = app_client();
    eta_client b = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(a, ETA_ROLE_APP) == 0);
    REQUIRE(host.attach(b, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(b, 9) == 0);
    REQUIRE(host.listen(b, 1) == 0);
    host.gone(a);  // still dying
    eta_core_fini(&host.core);
    REQUIRE(host.objects.empty());
    REQUIRE(host.core.n_dti == 0);
    REQUIRE(host.core.fw_mask == 0);
    REQUIRE(host.broken().empty());
}
